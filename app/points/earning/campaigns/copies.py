"""Our own copies of campaigns, all versions: told by facts, and valid until another one is told,
whoever is away.
"""

from bisect import bisect_right
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from math import floor
from typing import Any

import msgspec

from app.db import Connection
from app.errors import BadInputError
from app.own_facts import Campaign, CampaignUpdated, Stacking
from app.points.earning import multiplying, rules
from app.points.earning.campaigns import collections

TRIGGERS = frozenset({"order", "first_order", "nth_order", "goal_order", "goal_total"})
NAME_MAX, IDS_MAX = 120, 250
FACTOR_MAX = Decimal(100)
SHOPS_MAX = 2_000  # whose copies a process remembers
COPIES_MAX = 2_000  # of a shop: the newest of each campaign, then the newest of those they replaced
KEPT_DAYS = 60  # so long after its end a copy still counts for what is told late
NEVER = float("inf")
# copies of a shop get their numbers one transaction after the other: whoever has seen a number has
# seen all that are smaller
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('copies/' || $1::text, 0))"
INSERT = """
INSERT INTO campaign_copies (shop, campaign_id, version, told, at, ends_at, learned_at, look_at,
                             looks, looked_to)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0)
ON CONFLICT (shop, campaign_id, version) DO NOTHING
"""
SELECT_NEWEST = """
SELECT id, learned_at FROM campaign_copies WHERE shop = $1 ORDER BY id DESC LIMIT 1
"""
# a campaign is over when its newest version says so, whatever the ones before it said; of what was
# replaced only what counted lately can still count
SELECT = """
SELECT wanted.shop, copy.*
  FROM unnest($1::text[]) AS wanted (shop)
 CROSS JOIN LATERAL (
       SELECT id, campaign_id, version, told, at
         FROM (SELECT id, campaign_id, version, told, at, lead(at) OVER each AS replaced_at,
                      first_value(ends_at) OVER (PARTITION BY campaign_id ORDER BY version DESC)
                      AS over_at
                 FROM campaign_copies WHERE campaign_copies.shop = wanted.shop
               WINDOW each AS (PARTITION BY campaign_id ORDER BY version)) AS known
        WHERE (over_at IS NULL OR over_at > now() - make_interval(days => $2))
          AND (replaced_at IS NULL OR replaced_at > now() - make_interval(days => $2))
        ORDER BY replaced_at IS NULL DESC, id DESC LIMIT $3) AS copy
"""


SELECT_NAMES = """
SELECT id, told FROM campaign_copies
 WHERE shop = $1 AND id = ANY($2::bigint[]) AND campaign_id <> ''
"""


@dataclass(frozen=True, slots=True, eq=False)
class Copy:
    """A version of a campaign; moments are seconds since 1970, half-open. Shopify tells whole
    seconds of an order, so what came into force within a second counts for all of it.
    """

    id: int
    campaign: Campaign
    at: float  # in force from then on
    starts: float
    ends: float
    units: int  # times, in ten-thousandths; or points to add
    goal: int  # millionths
    names: frozenset[str]  # of its audience, as `memberships` writes them
    ids: frozenset[str]  # of what it is for

    @property
    def is_live(self) -> bool:
        return self.campaign.state == "live"


@dataclass(slots=True)
class Copies:
    """What a shop's campaigns told, as of the copy `newest`."""

    newest: int = 0
    learned_at: datetime | None = None  # of that one: after a restore numbers come again
    campaigns: list[list[Copy]] = field(default_factory=list)  # the versions of each, by `at`
    stackings: list[tuple[float, Stacking]] = field(default_factory=list)  # by the moment
    moments: list[float] = field(default_factory=list)  # at which something changes, and what
    plans: dict[int, Any] = field(default_factory=dict)  # holds between them: see `plans`

    def at(self, moment: float) -> list[Copy]:
        """Of each campaign the version that was in force then, live or not."""
        found = []
        for versions in self.campaigns:
            if versions[-1].at <= moment:
                found.append(versions[-1])
            elif versions[0].at <= moment:
                found.append(versions[bisect_right(versions, moment, key=_at) - 1])
        return found

    def stacking(self, moment: float) -> Stacking:
        """How they stacked then; the first way also counted before it was told."""
        if not self.stackings:
            return Stacking()
        place = bisect_right(self.stackings, moment, key=lambda one: one[0])
        return self.stackings[max(0, place - 1)][1]


def _at(copy: Copy) -> float:
    return copy.at


Newest = tuple[int, datetime | None]  # the number of a copy, and when we learned of it
# by shop: a copy is never changed, so the newest one's number says whether these are all
_remembered: OrderedDict[str, Copies] = OrderedDict()


async def of_shops(conn: Connection, newest: Mapping[str, Newest]) -> dict[str, Copies]:
    """The copies of these shops, whose newest ones are these: asked for only when that is not the
    remembered one.
    """
    found, missing = {}, []
    for shop, one in newest.items():
        known = _remembered.get(shop)
        if known is not None and (known.newest, known.learned_at) == one:
            _remembered.move_to_end(shop)
            found[shop] = known
        else:
            missing.append(shop)
    if missing:
        rows = await conn.fetch(SELECT, missing, KEPT_DAYS, COPIES_MAX)
        by_shop = defaultdict[str, list[tuple[int, str, datetime, str]]](list)
        for row in rows:
            by_shop[row["shop"]].append((row["id"], row["told"], row["at"], row["campaign_id"]))
        for shop in missing:
            copies = read(by_shop[shop])
            copies.newest, copies.learned_at = newest[shop]
            found[shop] = _remembered[shop] = copies
        while len(_remembered) > SHOPS_MAX:
            _remembered.popitem(last=False)
    return found


async def of_shop(conn: Connection, shop: str) -> Copies:
    """The copies of one shop; none where it never had a campaign."""
    row = await conn.fetchrow(SELECT_NEWEST, shop)
    if row is None:
        return Copies()
    return (await of_shops(conn, {shop: (row["id"], row["learned_at"])}))[shop]


async def names(conn: Any, shop: str, wanted: Iterable[int]) -> dict[int, str]:
    """What campaigns were called in these copies."""
    rows = await conn.fetch(SELECT_NAMES, shop, list(wanted))
    return {row["id"]: _campaign.decode(row["told"]).name for row in rows}


def read(rows: Iterable[tuple[int, str, datetime, str]]) -> Copies:
    """Copies from rows: number, JSON, moment, and the campaign, empty for how they stack."""
    copies, stackings = Copies(), []
    by_campaign: dict[str, list[Copy]] = {}
    for number, told, at, campaign_id in sorted(rows):
        copies.newest = max(copies.newest, number)
        if campaign_id:
            one = of(number, _campaign.decode(told), at)
            by_campaign.setdefault(campaign_id, []).append(one)
        else:
            stacking = _stacking.decode(told)
            stackings.append((floor(at.timestamp()), stacking.version, stacking))
    copies.stackings = [(at, stacking) for at, _, stacking in sorted(stackings, key=_place)]
    copies.campaigns = [_in_turn(versions) for versions in by_campaign.values()]
    return copies


def _place(one: tuple[float, int, Stacking]) -> tuple[float, int]:
    return one[0], one[1]


def _in_turn(versions: list[Copy]) -> list[Copy]:
    """By version; none is in force before the one it replaced."""
    found: list[Copy] = []
    for one in sorted(versions, key=lambda one: one.campaign.version):
        while found and found[-1].at > one.at:
            found.pop()  # told with a later moment than what replaced it
        found.append(one)
    return found


_campaign = msgspec.json.Decoder(Campaign)
_stacking = msgspec.json.Decoder(Stacking)
_encode = msgspec.json.Encoder(order="deterministic").encode


def of(number: int, campaign: Campaign, at: datetime) -> Copy:
    """A copy for arithmetic. Raises BadInputError for a campaign that says nothing we can count."""
    if campaign.ends_at is not None and campaign.ends_at <= campaign.starts_at:
        raise BadInputError("A campaign ends after it starts.")
    if len(campaign.ids) > IDS_MAX or len(campaign.audience.names) > IDS_MAX:
        raise BadInputError(f"A campaign names at most {IDS_MAX} products, collections or groups.")
    prefix = {"segments": "segment:", "tags": "tag:"}.get(campaign.audience.kind, "")
    names = campaign.audience.names
    return Copy(
        number,
        campaign,
        floor(at.timestamp()),
        campaign.starts_at.timestamp(),
        campaign.ends_at.timestamp() if campaign.ends_at else NEVER,
        _units(campaign),
        rules.micros(campaign.goal),
        frozenset(prefix + (name.casefold() if prefix == "tag:" else name) for name in names),
        frozenset(campaign.ids),
    )


def _units(campaign: Campaign) -> int:
    try:
        value = Decimal(campaign.value)
    except InvalidOperation:
        value = Decimal(-1)
    if campaign.effect == "add":
        if not 0 < value <= rules.POINTS_MAX or value != value.to_integral_value():
            raise BadInputError("A campaign adds a whole number of points.")
        return int(value)
    if not 1 <= value <= FACTOR_MAX:
        raise BadInputError(f"A campaign multiplies by 1 to {FACTOR_MAX}.")
    return int(value * multiplying.FACTOR_UNITS)


def most_units(stacking: Stacking) -> int:
    """The most that all together multiply by, in ten-thousandths; 0 for no limit."""
    try:
        return max(0, int(Decimal(stacking.cap) * multiplying.FACTOR_UNITS)) if stacking.cap else 0
    except (InvalidOperation, OverflowError, ValueError):
        raise BadInputError("The cap of what multiplies is no number.") from None


async def keep(
    conn: Connection, told: Sequence[tuple[str, CampaignUpdated, datetime]], now: datetime
) -> None:
    """Keep what campaigns told, each with its shop and the moment from which it counts; what is
    known already stays. Raises BadInputError for what cannot be used.
    """
    if not told:
        return
    rows: list[tuple[str, str, int, Campaign | Stacking, datetime]] = []
    wanted = []
    for shop, one, at in told:
        if one.campaign is not None:
            of(0, one.campaign, at)
            rows.append((shop, one.campaign.campaign_id, one.campaign.version, one.campaign, at))
            if one.campaign.scope == "collections":
                wanted += [(shop, name) for name in one.campaign.ids]
        if one.stacking is not None and one.stacking.version:
            most_units(one.stacking)
            rows.append((shop, "", one.stacking.version, one.stacking, at))
    for shop in sorted({row[0] for row in rows}):
        await conn.execute(LOCK, shop)
    for shop, campaign_id, version, body, at in rows:
        is_due = isinstance(body, Campaign) and body.state == "live" and body.trigger in TRIGGERS
        ends_at = body.ends_at if isinstance(body, Campaign) else None
        # by how they stack, and by versions that end one, others are judged for as long
        await conn.execute(
            INSERT,
            shop,
            campaign_id,
            version,
            _encode(body).decode(),
            at,
            ends_at,
            now,
            now - timedelta(seconds=1) if is_due else None,
        )
    await collections.want(conn, wanted)
