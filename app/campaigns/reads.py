"""What pages and composers may ask about campaigns."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from app import calendar, db, paging, text
from app.campaigns.views import CampaignPage, CampaignView, Results, VersionView
from app.db import Row
from app.errors import NotFoundError
from app.own_facts import Campaign, Stacking
from app.paging import Cursor, Links

PAGE_SIZE = 25
VERSIONS_MAX = 50
CALENDAR_MAX = 200  # of a month
HOME_MAX = 5
STATES = ("running", "scheduled", "paused", "draft", "ended")
NO_SUCH = "There is no such campaign in this shop."
_RESULTS = "total.given, total.taken_back, total.orders, total.customers, total.as_of"
_CAMPAIGN = f"""
one.id, one.definition, one.labels, one.edited_by, one.created_at, one.updated_at, {_RESULTS}
"""
_FROM = """
FROM campaigns AS one LEFT JOIN campaign_sums AS total USING (shop, campaign_id)
"""
# the same as rules.shown_state
_SHOWN = """
CASE WHEN one.state = 'draft' THEN 'draft'
     WHEN one.state = 'ended' OR one.ends_at <= $2::timestamptz THEN 'ended'
     WHEN one.state = 'paused' THEN 'paused'
     WHEN one.starts_at > $2::timestamptz THEN 'scheduled' ELSE 'running' END
"""
_WANTED = f"""
one.shop = $1 AND ($3 = '' OR {_SHOWN} = $3) AND ($4 = '' OR strpos(one.sort_name, $4) > 0)
"""
LIST = f"""
SELECT {_CAMPAIGN} {_FROM} WHERE {_WANTED} AND one.id < $5 ORDER BY one.id DESC LIMIT $6
"""
LIST_BACKWARDS = f"""
SELECT {_CAMPAIGN} {_FROM} WHERE {_WANTED} AND one.id > $5 ORDER BY one.id LIMIT $6
"""
TOTAL = "SELECT count(*) FROM campaigns WHERE shop = $1"
ONE = f"SELECT {_CAMPAIGN} {_FROM} WHERE one.shop = $1 AND one.campaign_id = $2"
# what is not over
CURRENT = f"""
SELECT {_CAMPAIGN} {_FROM}
 WHERE one.shop = $1 AND {_SHOWN} IN ('running', 'scheduled', 'paused')
 ORDER BY one.starts_at, one.id LIMIT $3
"""
BETWEEN = f"""
SELECT {_CAMPAIGN} {_FROM}
 WHERE one.shop = $1 AND one.starts_at < $3 AND (one.ends_at IS NULL OR one.ends_at > $2)
 ORDER BY one.starts_at, one.id LIMIT $4
"""
VERSIONS = """
SELECT definition, labels, edited_by, created_at FROM campaign_versions
 WHERE shop = $1 AND campaign_id = $2 ORDER BY version DESC LIMIT $3
"""
BY_DAY = """
SELECT (began_at AT TIME ZONE $3)::date AS day, sum(given)::bigint AS given,
       sum(taken_back)::bigint AS taken_back
  FROM campaign_quarters
 WHERE shop = $1 AND campaign_id = $2 AND began_at >= $4 AND began_at < $5 GROUP BY 1
"""
STACKING = """
SELECT version, policy, cap FROM campaign_stackings
 WHERE shop = $1 ORDER BY version DESC LIMIT 1
"""
RUNNING = """
SELECT definition FROM campaigns
 WHERE shop = $1 AND state = 'live' AND (ends_at IS NULL OR ends_at > $2)
 ORDER BY starts_at, id LIMIT $3
"""
_NEWEST_ID = 9_000_000_000_000_000_000  # behind every row


async def page(
    shop: str, now: datetime, state: str = "", search: str = "", at: Cursor | None = None
) -> CampaignPage:
    """A page of a shop's campaigns, the newest first: those in a shown state, with `search` in
    their name; capital letters and accents do not matter.
    """
    statement = LIST_BACKWARDS if at and at.is_backwards else LIST
    start = at.keys[0] if at else _NEWEST_ID
    async with db.connection() as connection:
        found = await connection.fetch(
            statement, shop, now, state, text.fold(search), start, PAGE_SIZE + 1
        )
        total = await connection.fetchval(TOTAL, shop)
    rows, has_previous, has_next = paging.cut(found, at, PAGE_SIZE)
    links = Links()
    if rows:
        links = paging.links(str(rows[0]["id"]), str(rows[-1]["id"]), has_previous, has_next)
    return CampaignPage([_view(row) for row in rows], total, links)


async def total(shop: str) -> int:
    """How many campaigns a shop has, over ones and drafts too."""
    async with db.connection() as connection:
        found: int = await connection.fetchval(TOTAL, shop)
    return found


async def campaign(shop: str, campaign_id: str) -> CampaignView:
    """A campaign as it is now. Raises NotFoundError."""
    async with db.connection() as connection:
        row = await connection.fetchrow(ONE, shop, campaign_id)
    if row is None:
        raise NotFoundError(NO_SUCH)
    return _view(row)


async def current(shop: str, now: datetime, number: int = CALENDAR_MAX) -> list[CampaignView]:
    """Those that run, are to come or are paused, by their start."""
    async with db.connection() as connection:
        rows = await connection.fetch(CURRENT, shop, now, number)
    return [_view(row) for row in rows]


async def between(shop: str, since: datetime, until: datetime) -> list[CampaignView]:
    """Those whose window has something of this time, in whatever state, by their start."""
    async with db.connection() as connection:
        rows = await connection.fetch(BETWEEN, shop, since, until, CALENDAR_MAX)
    return [_view(row) for row in rows]


async def versions(shop: str, campaign_id: str) -> list[VersionView]:
    """The newest versions of a campaign, the newest first."""
    async with db.connection() as connection:
        rows = await connection.fetch(VERSIONS, shop, campaign_id, VERSIONS_MAX)
    return [
        VersionView(_campaign(row), _labels(row), row["edited_by"], row["created_at"])
        for row in rows
    ]


async def by_day(
    shop: str, campaign_id: str, days: list[date], timezone: str
) -> list[tuple[date, int, int]]:
    """Points a campaign gave and took back on each of these days, of the shop's time zone."""
    since = calendar.start_of_day(days[0], timezone)
    until = calendar.start_of_day(days[-1] + timedelta(days=1), timezone)
    async with db.connection() as connection:
        rows = await connection.fetch(BY_DAY, shop, campaign_id, timezone, since, until)
    found = {row["day"]: (row["given"], row["taken_back"]) for row in rows}
    return [(day, *found.get(day, (0, 0))) for day in days]


async def stacking(shop: str) -> Stacking:
    """How the shop's multipliers go together."""
    async with db.connection() as connection:
        return stacking_of(await connection.fetchrow(STACKING, shop))


async def running(shop: str, now: datetime) -> list[Campaign]:
    """Those that are live and not over, by their start; some may be to come."""
    async with db.connection() as connection:
        rows = await connection.fetch(RUNNING, shop, now, CALENDAR_MAX)
    return [_campaign(row) for row in rows]


def stacking_of(row: Row | None) -> Stacking:
    """What a row of STACKING says; the best one counts until a merchant chooses."""
    return Stacking() if row is None else Stacking(row["version"], row["policy"], row["cap"])


def labels_of(rows: Iterable[CampaignView]) -> dict[str, str]:
    """All names their tiers had when they were saved, by id."""
    return {one_id: name for row in rows for one_id, name in row.labels.items()}


def _campaign(row: Row) -> Campaign:
    return msgspec.json.decode(row["definition"], type=Campaign)


def _labels(row: Row) -> dict[str, str]:
    return msgspec.json.decode(row["labels"], type=dict[str, str])


def _view(row: Row) -> CampaignView:
    fields: dict[str, Any] = {}
    if row["given"] is not None:
        names = ("given", "taken_back", "orders", "customers", "as_of")
        fields = {name: row[name] for name in names}
    return CampaignView(
        _campaign(row),
        _labels(row),
        row["edited_by"],
        row["created_at"],
        row["updated_at"],
        Results(**fields),
    )
