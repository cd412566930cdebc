"""All that counts of members whom orders move, as one figure where days make no difference."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from app import calendar
from app.db import Connection, Row
from app.points.ledger.posting import Batch
from app.points.tiers import amounts, placing, rules, schemes
from app.points.tiers.amounts import Case
from app.points.tiers.rules import Counted, Scheme
from app.points.tiers.schemes import Of
from app.writes import Writes

# After the members were locked: what a shop decides meanwhile counts for who is posted after it.
SELECT_SHOPS = """
SELECT shop, version, timezone, counts_from_days, is_on OR stage <> 'done' AS is_counting,
       stage = 'done' AS is_settled
  FROM tier_shops WHERE shop = ANY($1::text[])
"""
# all that counts as one figure, of those of whom it is not kept
SELECT_SUMS = """
SELECT member.id AS member_id, standing.tier_id, standing.version, standing.changed_at,
       standing.due_at, counted.total, counted.first, counted.last
  FROM unnest($1::text[], $2::bigint[], $3::text[], $4::timestamptz[])
    AS member (shop, id, measure, since)
  LEFT JOIN tier_standings AS standing
         ON standing.shop = member.shop AND standing.member_id = member.id
 CROSS JOIN LATERAL (
       SELECT sum(amount)::bigint AS total, min(at) FILTER (WHERE amount <> 0) AS first,
              max(at) FILTER (WHERE amount <> 0) AS last
         FROM (SELECT at, CASE member.measure WHEN 'points' THEN points WHEN 'spend' THEN spend
                          ELSE orders END AS amount
                 FROM qualifying
                WHERE shop = member.shop AND member_id = member.id
                  AND (member.since IS NULL OR at >= member.since)
                  AND shop || '/' || source <> ALL($5::text[])) AS one) AS counted
"""
# whom an order leaves where they are, by these tiers: no more than the figures changes
STAY = """
UPDATE tier_standings SET have = fresh.total, peak = fresh.total, total = fresh.total,
                          last_at = fresh.last_at
  FROM {fresh}
 WHERE tier_standings.shop = fresh.shop AND tier_standings.member_id = fresh.member_id
"""
STAYING = {"shop": "text", "member_id": "bigint", "total": "bigint", "last_at": "timestamptz"}
DAY = timedelta(days=1)
News = dict[int, list[tuple[datetime, int]]]  # by member: moments, and so much of the measure


class OfShop(NamedTuple):
    """The tiers of a shop as they place its members, and its day that is."""

    of: Of
    timezone: str
    counts_from_days: int | None
    is_counting: bool  # what its members buy counts
    is_settled: bool  # nobody is being placed anew: what is kept of everybody is by these tiers
    today: date
    begins: datetime
    ends: datetime

    def day(self, at: datetime) -> date:
        if self.begins <= at < self.ends:
            return self.today
        return at.astimezone(calendar.zone(self.timezone)).date()


class Stood(NamedTuple):
    """Where a locked member stands, and all that counts of them; None where there is none."""

    tier_id: str | None
    version: int | None
    changed_at: datetime | None
    due_at: datetime | None
    total: int | None
    first_on: date | None
    last_at: datetime | None


NOWHERE = Stood(None, None, None, None, None, None, None)  # who has nothing that counts
Member = tuple[OfShop, str, int]  # their shop's tiers, the shop, and the id


async def of_shops(conn: Connection, shops: Iterable[str], now: datetime) -> dict[str, OfShop]:
    """Those of these shops that have tiers, or had."""
    rows = await conn.fetch(SELECT_SHOPS, list(shops))
    if not rows:
        return {}
    versions = await schemes.of_versions(conn, ((row["shop"], row["version"]) for row in rows))
    found = {}
    for row in rows:
        today = now.astimezone(calendar.zone(row["timezone"])).date()
        found[row["shop"]] = OfShop(
            versions[row["shop"], row["version"]],
            row["timezone"],
            row["counts_from_days"],
            row["is_counting"],
            row["is_settled"],
            today,
            calendar.start_of_day(today, row["timezone"]),
            calendar.start_of_day(today + DAY, row["timezone"]),
        )
    return found


def known(
    members: Mapping[int, Member], stood: Mapping[int, Stood], again: Collection[int], batch: Batch
) -> dict[int, Stood]:
    """All that counts of those locked members of whom it is kept; `stood` is how they were read,
    `again` are those of whom something changes that had been counted.
    """
    found = {}
    for member_id, (one, _, _) in members.items():
        stands = stood.get(member_id)
        if stands is None or member_id in again or not one.is_settled:
            continue
        is_made = stands.tier_id is None and batch.accounts[member_id].joined_at is not None
        if is_made or (stands.total is not None and stands.version == one.of.version):
            found[member_id] = stands
    return found


@dataclass(slots=True)
class Staying:
    """Those whom orders leave in their tier: most."""

    ids: set[int] = field(default_factory=set)
    firsts: list[tuple[Any, ...]] = field(default_factory=list)  # of those who had no standing
    sums: list[tuple[Any, ...]] = field(default_factory=list)  # of the others

    def gather(self, writes: Writes) -> None:
        writes.insert("tier_standings", placing.STANDING, self.firsts)
        if self.sums:
            writes.add(STAY.format(fresh=writes.rows("fresh", STAYING, self.sums)))


def staying(
    members: Mapping[int, Member], kept: Mapping[int, Stood], news: News, batch: Batch
) -> Staying:
    """Which of these members stay, by what is `kept` of them and by the news."""
    found = Staying()
    for member_id, stands in kept.items():
        one, shop, _ = members[member_id]
        if batch.accounts[member_id].is_frozen:
            continue
        if (sums := _sums_of_today(one, stands, news[member_id])) is None:
            continue
        found.ids.add(member_id)
        total, first, last = sums
        if stands.tier_id is not None:
            found.sums.append((shop, member_id, total, last))
            continue
        scheme = one.of.scheme
        by = (scheme.period, scheme.policy, scheme.days, scheme.grace_days)
        due_at = _due_at(*by, first, one.timezone) if scheme.is_on else None
        stands_at = (one.of.lowest, one.of.version, total, total, placing.SINCE_EVER, due_at)
        found.firsts.append((shop, member_id, *stands_at, total, first, last))
    return found


def _sums_of_today(
    one: OfShop, stood: Stood, news: Sequence[tuple[datetime, int]]
) -> tuple[int, date, datetime] | None:
    """All that counts of a member whom orders of today leave in their tier, its first day and its
    last moment; None where there is more to look at. It comes to what `placing` would make of it:
    of most orders it is all there is to do.
    """
    scheme, total, last = one.of.scheme, stood.total or 0, stood.last_at
    if rules.is_one_by_one(scheme) or (last is not None and last >= one.ends):
        return None
    for at, amount in news:
        if not one.begins <= at < one.ends:
            return None
        total += amount
        if amount and (last is None or at > last):
            last = at
    first = stood.first_on or (one.today if total else None)
    if first is None or last is None or not scheme.is_whole(first, one.today):
        return None
    tier_id = one.of.lowest if stood.tier_id is None else stood.tier_id
    return (total, first, last) if one.of.reached(total) == tier_id else None


@lru_cache(maxsize=4096)
def _due_at(
    period: Any, policy: Any, days: int, grace_days: int, first: date, timezone: str
) -> datetime | None:
    """When time alone changes something first of what began to count on that day."""
    scheme = Scheme(period=period, policy=policy, days=days, grace_days=grace_days)
    falls = rules.Curve(scheme, Counted([first], [0])).falls()
    return calendar.start_of_day(falls[0], timezone) if falls else None


async def load(
    conn: Connection,
    members: Sequence[Member],
    news: News,
    now: datetime,
    without: Sequence[str],
    kept: Mapping[int, Stood],
) -> list[Case]:
    """These locked members (their shop's tiers, shop and id) with all that counts but these grants
    (shop/source), and with `news`; of some it is `kept`. Day by day only where one figure cannot
    place them alike.
    """
    asked = [one for one in members if one[2] not in kept]
    found = {**kept, **(await _sums(conn, asked, now, without) if asked else {})}
    cases, by_day = [], []
    for one, shop, member_id in members:
        case = _in_one(one, shop, member_id, found[member_id], news.get(member_id, ()))
        if case is None:
            by_day.append((shop, member_id))
        else:
            cases.append(case)
    if by_day:
        loaded = await amounts.load(conn, by_day, now, without)
        for case in loaded:
            for at, amount in news.get(case.member_id, ()):
                case.count(at, amount)
        cases += loaded
    return cases


async def _sums(
    conn: Connection,
    members: Sequence[Member],
    now: datetime,
    without: Sequence[str],
) -> dict[int, Stood]:
    columns = [
        [shop for _, shop, _ in members],
        [member_id for _, _, member_id in members],
        [one.of.scheme.measure for one, _, _ in members],
        [
            now - timedelta(days=one.counts_from_days) if one.counts_from_days is not None else None
            for one, _, _ in members
        ],
    ]
    shops = {member_id: one for one, _, member_id in members}
    rows = await conn.fetch(SELECT_SUMS, *columns, without)
    return {row["member_id"]: _stood(shops[row["member_id"]], row) for row in rows}


def _stood(one: OfShop, row: Row) -> Stood:
    return Stood(
        row["tier_id"],
        row["version"],
        row["changed_at"],
        row["due_at"],
        row["total"],
        one.day(row["first"]) if row["first"] else None,
        row["last"],
    )


def _in_one(
    one: OfShop, shop: str, member_id: int, stood: Stood, news: Sequence[tuple[datetime, int]]
) -> Case | None:
    """A member with all that counted before as if it had been bought on its first day; None where
    that could place them otherwise.
    """
    of, had = one.of, stood.total or 0
    days = {one.day(at) for at, _ in news}
    last = one.day(stood.last_at) if stood.last_at else None
    if len(days) > 1 or (last is not None and last > min(days, default=one.today)):
        return None
    first = stood.first_on
    begins = min((day for day in (first, *days) if day is not None), default=one.today)
    if rules.is_one_by_one(of.scheme) or not of.scheme.is_whole(begins, one.today):
        return None
    level = of.scheme.worth(had + sum(amount for _, amount in news))
    before_id = of.lowest if stood.tier_id is None else stood.tier_id
    if of.at(level) != before_id and not (
        level > of.scheme.level_of(before_id) and of.scheme.worth(had) < level
    ):
        return None  # what brought them there is not the news alone
    case = Case(
        shop,
        member_id,
        of,
        one.timezone,
        stood.tier_id,
        stood.changed_at,
        stood.due_at,
        {first: had} if first else {},
        {last: stood.last_at} if last and stood.last_at else {},
    )
    for at, amount in news:
        case.count(at, amount)
    return case
