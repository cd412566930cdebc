"""What a way gives to a member: at most so often, by the settings and the programme of the moment
it happened, on locked accounts.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from app.db import Connection
from app.errors import NotFoundError, RefusedError
from app.points.earning import terms
from app.points.earning.campaigns import copies, events, hearing
from app.points.earning.campaigns.events import EventBonus
from app.points.earning.rules import Terms
from app.points.ledger.accounts import Account
from app.points.ledger.posting import Batch
from app.points.ways import actions, awards, rules
from app.points.ways.rules import Way

NOT_LIVE = {
    "draft": "This programme has not started yet. Please come back later.",
    "paused": "This programme is paused. Please come back later.",
}
_OF_MOMENT = """
SELECT wanted.number, way.id, way.shop, way.kind, way.handle, way.url, was.title, was.points,
       was.per, was.times, was.is_active, was.version
  FROM unnest($1::text[], $2::{kind}[], $3::timestamptz[]) WITH ORDINALITY
    AS wanted (shop, which, at, number)
  JOIN ways AS way ON way.shop = wanted.shop AND way.{column} = wanted.which
 CROSS JOIN LATERAL (SELECT * FROM way_versions AS one
                      WHERE one.shop = way.shop AND one.way_id = way.id
                        AND one.created_at <= wanted.at
                      ORDER BY one.version DESC LIMIT 1) AS was
 WHERE was.is_active
"""
SELECT_BY_KIND = _OF_MOMENT.format(kind="text", column="kind")
SELECT_BY_ID = _OF_MOMENT.format(kind="bigint", column="id")
SELECT_NOW = f"SELECT {actions.COLUMNS} FROM ways WHERE shop = $1 AND {{}} AND is_active"
COUNT_IN_PERIOD = """
SELECT count(*) FROM grants
 WHERE member_id = $1 AND kind = $2 AND kind <> 'order' AND split_part(source, ':', 2) = $3
   AND split_part(split_part(source, ':', 4), '.', 1) = $4
"""
COUNTED = """
UPDATE ways SET given = ways.given + more.times, given_points = ways.given_points + more.points
  FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS more (id, times, points)
 WHERE ways.id = more.id
"""
WORDS = {"given": "Your points are there.", "already": "You have had the points for this already."}


class Given(NamedTuple):
    """What became of a wish for points."""

    outcome: str  # given | already
    points: int
    way: Way

    @property
    def message(self) -> str:
        return WORDS[self.outcome]


async def of_kinds(conn: Connection, wanted: Sequence[tuple[str, str, datetime]]) -> dict[int, Way]:
    """The single ways of (shop, kind) that gave at a moment, by place in `wanted`."""
    shops, kinds, moments = zip(*wanted, strict=True)
    at = [rules.whole(one) for one in moments]
    rows = await conn.fetch(SELECT_BY_KIND, list(shops), list(kinds), at)
    return {row["number"] - 1: actions.way(row) for row in rows}


async def now(conn: Connection, shop: str, *, way_id: int = 0, handle: str = "") -> Way:
    """The way of that id, or the action of that name, that gives now. Raises NotFoundError."""
    which = "id = $2" if way_id else "kind = 'action' AND handle = $2"
    row = await conn.fetchrow(SELECT_NOW.format(which), shop, way_id or handle)
    if row is None:
        raise NotFoundError(actions.NO_SUCH, code="unknown_action")
    return actions.way(row)


async def live_terms(conn: Connection, shop: str) -> Terms:
    """The terms of a programme that gives points now. Raises RefusedError."""
    found = (await terms.of_shops(conn, [shop]))[shop]
    if found.state in NOT_LIVE:
        raise RefusedError(NOT_LIVE[found.state], code="program_not_live")
    return found


async def account(conn: Connection, batch: Batch, shop: str, customer_id: str) -> Account:
    """Who has the points of this customer, locked; made a member where they were none."""
    key = (shop, customer_id)
    await batch.lock(conn, [key])
    await batch.make(conn, [key])
    await batch.follow_merged(conn)
    found = batch.account(batch.by_customer[key].id)
    assert found is not None
    return found


async def claim(
    conn: Connection,
    batch: Batch,
    member: Account,
    way: Way,
    terms_now: Terms,
    why: Mapping[str, Any],
) -> Given:
    """Give a locked member what `way` gives, unless it did so often enough in this period; the
    batch is still to be written. Raises FrozenError.
    """
    member.check_not_frozen()
    period = rules.period(way.per, batch.now, terms_now.timezone)
    count = await conn.fetchval(COUNT_IN_PERIOD, member.id, way.kind, way.what, period)
    if count >= way.times:
        return Given("already", 0, way)
    source = rules.source(way, member.customer_id, period, count + 1)
    add(batch, member, way, source, {"period": period, **why}, batch.now, terms_now)
    return Given("given", way.points, way)


def add(
    batch: Batch,
    member: Account,
    way: Way,
    source: str,
    why: Mapping[str, Any],
    at: datetime,
    terms_then: Terms,
    bonuses: Sequence[EventBonus] = (),
) -> int:
    """Give what a way gives, with its name and version in the reasons, and what campaigns add to
    it; how many points in all.
    """
    reasons = {"way": way.kind, "title": way.title, "version": way.version, **why}
    points = way.points + sum(one.points for one in bonuses)
    awards.award(batch, member, way.kind, source, points, reasons, at, terms_then, bonuses)
    return points


class Extras:
    """What campaigns add to accounts and birthdays, asked for as seldom as can be."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._has_some: dict[tuple[str, str], bool] = {}
        self._heard_at: dict[str, datetime | None] = {}

    async def of(
        self, member: Account, trigger: str, base_points: int, at: datetime
    ) -> list[EventBonus]:
        """What they add for a locked member; their budgets are taken from."""
        shop = member.shop
        if (shop, trigger) not in self._has_some:
            found = await copies.of_shop(self._conn, shop)
            self._heard_at[shop] = found.learned_at
            self._has_some[shop, trigger] = any(
                one.campaign.trigger == trigger for versions in found.campaigns for one in versions
            )
        if not self._has_some[shop, trigger]:
            return []
        who = (member.id, member.customer_id)
        return await events.bonuses(self._conn, shop, who, trigger, base_points, at)

    def why(self, shop: str) -> dict[str, str]:
        """Of when the campaigns are that were asked for, where their part is away."""
        heard_at = self._heard_at.get(shop) if hearing.is_away() else None
        return {} if heard_at is None else {"campaigns_as_of": heard_at.isoformat()}


async def count(conn: Connection, given: Sequence[tuple[int, int]]) -> None:
    """Add to the figures of ways, by id and points; the last thing of a transaction, for others
    wait for it.
    """
    times: dict[int, list[int]] = {}
    for way_id, points in given:
        figures = times.setdefault(way_id, [0, 0])
        figures[0] += 1
        figures[1] += points
    if times:
        ids = sorted(times)
        await conn.execute(
            COUNTED, ids, [times[one][0] for one in ids], [times[one][1] for one in ids]
        )
