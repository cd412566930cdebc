"""Locked members with all that counts of them, by day: what placing them goes by."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from app import calendar
from app.db import Connection, Row
from app.points.tiers import schemes
from app.points.tiers.rules import Counted
from app.points.tiers.schemes import Of

# Once for a batch. A shop without tiers costs a look at a table that has no row of it.
SELECT = """
SELECT member.id AS member_id, member.shop, of_shop.version, of_shop.timezone,
       standing.tier_id, standing.changed_at, standing.due_at, counted.*
  FROM unnest($1::text[], $2::bigint[]) AS member (shop, id)
  JOIN tier_shops AS of_shop
    ON of_shop.shop = member.shop AND (of_shop.is_on OR of_shop.stage <> 'done')
  LEFT JOIN tier_standings AS standing
         ON standing.shop = member.shop AND standing.member_id = member.id
 CROSS JOIN LATERAL (
       SELECT array_agg(day ORDER BY day) AS days, array_agg(points ORDER BY day) AS points,
              array_agg(spend ORDER BY day) AS spend, array_agg(orders ORDER BY day) AS orders,
              array_agg(last_points ORDER BY day) AS last_points,
              array_agg(last_spend ORDER BY day) AS last_spend,
              array_agg(last_order ORDER BY day) AS last_orders
         FROM (SELECT (at AT TIME ZONE of_shop.timezone)::date AS day,
                      sum(points)::bigint AS points, sum(spend)::bigint AS spend,
                      sum(orders)::bigint AS orders,
                      max(at) FILTER (WHERE points <> 0) AS last_points,
                      max(at) FILTER (WHERE spend <> 0) AS last_spend,
                      max(at) FILTER (WHERE orders <> 0) AS last_order
                 FROM qualifying
                WHERE shop = member.shop AND member_id = member.id
                  AND (of_shop.counts_from_days IS NULL
                       OR at >= $3::timestamptz - of_shop.counts_from_days * interval '1 day')
                  AND shop || '/' || source <> ALL($4::text[])
                GROUP BY 1) AS days) AS counted
"""


@dataclass(slots=True)
class Case:
    """A locked member with all that counts, by day."""

    shop: str
    member_id: int
    of: Of
    timezone: str
    tier_id: str | None  # None: they have no standing yet
    changed_at: datetime | None
    due_at: datetime | None
    amounts: dict[date, int]  # of the measure
    lasts: dict[date, datetime]  # the moment of the last thing that counts of a day

    def count(self, at: datetime, amount: int) -> None:
        day = at.astimezone(calendar.zone(self.timezone)).date()
        self.amounts[day] = self.amounts.get(day, 0) + amount
        if amount:
            self.lasts[day] = max(self.lasts.get(day, at), at)

    def sums(self) -> tuple[int, date | None, datetime | None]:
        """All that counts, the first day it did and the moment of the last."""
        days = (day for day, amount in self.amounts.items() if amount)
        last = max(self.lasts.values(), default=None)
        return sum(self.amounts.values()), min(days, default=None), last

    def counted(self) -> Counted:
        days = sorted(day for day, amount in self.amounts.items() if amount)
        return Counted(days, [self.amounts[day] for day in days])


async def load(
    conn: Connection,
    members: Sequence[tuple[str, int]],
    now: datetime,
    without: Iterable[str] = (),
) -> list[Case]:
    """Those of these locked members (shop and id) whose shops have tiers, with all that counts but
    these grants (shop/source).
    """
    shops, ids = [shop for shop, _ in members], [one for _, one in members]
    rows = await conn.fetch(SELECT, shops, ids, now, list(without))
    if not rows:
        return []
    versions = await schemes.of_versions(conn, ((row["shop"], row["version"]) for row in rows))
    return [_case(row, versions[row["shop"], row["version"]]) for row in rows]


def _case(row: Row, of: Of) -> Case:
    days, measure = row["days"] or [], of.scheme.measure
    lasts = zip(days, row[f"last_{measure}"] or [], strict=True)
    return Case(
        row["shop"],
        row["member_id"],
        of,
        row["timezone"],
        row["tier_id"],
        row["changed_at"],
        row["due_at"],
        dict(zip(days, row[measure] or [], strict=True)),
        {day: last for day, last in lasts if last is not None},
    )
