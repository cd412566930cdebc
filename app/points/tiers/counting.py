"""All that counts of members whom orders move, as one figure where days make no difference."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from app import calendar
from app.db import Connection, Row
from app.points.tiers import placing, rules, schemes
from app.points.tiers.placing import Case
from app.points.tiers.rules import Counted
from app.points.tiers.schemes import Of

# After the members were locked: what a shop decides meanwhile counts for who is posted after it.
SELECT_SHOPS = """
SELECT shop, version, timezone, counts_from_days FROM tier_shops
 WHERE shop = ANY($1::text[]) AND (is_on OR stage <> 'done')
"""
# all that counts as one figure: most orders need no more
SELECT_SUMS = """
SELECT member.id AS member_id, standing.tier_id, standing.changed_at, standing.due_at,
       counted.have, counted.first, counted.last
  FROM unnest($1::text[], $2::bigint[], $3::text[], $4::timestamptz[])
    AS member (shop, id, measure, since)
  LEFT JOIN tier_standings AS standing
         ON standing.shop = member.shop AND standing.member_id = member.id
 CROSS JOIN LATERAL (
       SELECT sum(amount)::bigint AS have, min(at) FILTER (WHERE amount <> 0) AS first,
              max(at) AS last
         FROM (SELECT at, CASE member.measure WHEN 'points' THEN points WHEN 'spend' THEN spend
                          ELSE orders END AS amount
                 FROM qualifying
                WHERE shop = member.shop AND member_id = member.id
                  AND (member.since IS NULL OR at >= member.since)
                  AND shop || '/' || source <> ALL($5::text[])) AS one) AS counted
"""
News = dict[int, list[tuple[datetime, int]]]  # by member: moments, and so much of the measure


class OfShop(NamedTuple):
    """The tiers of a shop as they place its members."""

    of: Of
    timezone: str
    counts_from_days: int | None

    def day(self, at: datetime) -> date:
        return at.astimezone(calendar.zone(self.timezone)).date()


async def of_shops(conn: Connection, shops: Iterable[str]) -> dict[str, OfShop]:
    """Those of these shops that have tiers."""
    rows = await conn.fetch(SELECT_SHOPS, list(shops))
    if not rows:
        return {}
    versions = await schemes.of_versions(conn, ((row["shop"], row["version"]) for row in rows))
    return {
        row["shop"]: OfShop(
            versions[row["shop"], row["version"]], row["timezone"], row["counts_from_days"]
        )
        for row in rows
    }


async def load(
    conn: Connection,
    members: Sequence[tuple[OfShop, str, int]],
    news: News,
    now: datetime,
    without: Sequence[str],
) -> list[Case]:
    """These locked members (their shop's tiers, shop and id) with all that counts but these grants
    (shop/source), and with `news`. Day by day only where one figure cannot place them alike.
    """
    columns = [
        [shop for _, shop, _ in members],
        [member_id for _, _, member_id in members],
        [one.of.scheme.measure for one, _, _ in members],
        [
            now - timedelta(days=one.counts_from_days) if one.counts_from_days is not None else None
            for one, _, _ in members
        ],
    ]
    rows = await conn.fetch(SELECT_SUMS, *columns, without)
    sums = {row["member_id"]: row for row in rows}
    today = {shop: one.day(now) for shop, one in {shop: one for one, shop, _ in members}.items()}
    cases, by_day = [], []
    for one, shop, member_id in members:
        case = _in_one(one, shop, sums[member_id], news.get(member_id, ()), today[shop])
        if case is None:
            by_day.append((shop, member_id))
        else:
            cases.append(case)
    if by_day:
        loaded = await placing.load(conn, by_day, now, without)
        for case in loaded:
            for at, amount in news.get(case.member_id, ()):
                case.count(at, amount)
        cases += loaded
    return cases


def _in_one(
    one: OfShop, shop: str, row: Row, news: Sequence[tuple[datetime, int]], today: date
) -> Case | None:
    """A member with all that counted before as if it had been bought on its first day; None where
    that could place them otherwise.
    """
    of, had = one.of, row["have"] or 0
    days = {one.day(at) for at, _ in news}
    last = one.day(row["last"]) if row["last"] else None
    if len(days) > 1 or (last is not None and last > min(days, default=today)):
        return None
    first = one.day(row["first"]) if row["first"] else None
    begins = min((day for day in (first, *days) if day is not None), default=today)
    is_whole = rules.Curve(of.scheme, Counted([begins], [0])).is_whole(today)
    if rules.is_one_by_one(of.scheme) or not is_whole:
        return None
    level = of.scheme.worth(had + sum(amount for _, amount in news))
    before_id = row["tier_id"]
    if before_id is None:
        before_id = of.at(of.scheme.worth(0))
    if of.at(level) != before_id and not (
        level > of.scheme.level_of(before_id) and of.scheme.worth(had) < level
    ):
        return None  # what brought them there is not the news alone
    case = Case(
        shop,
        row["member_id"],
        of,
        one.timezone,
        row["tier_id"],
        row["changed_at"],
        row["due_at"],
        {first: had} if first else {},
        {last: row["last"]} if last else {},
    )
    for at, amount in news:
        case.count(at, amount)
    return case
