"""How many members are in each tier, and how many would be under other thresholds: counted on the
spot in a shop that is small, from figures made in the background in one that is not.
"""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

import msgspec

from app import db
from app.db import Connection
from app.points.ledger import totals

SMALL = 20_000  # members that are counted within a page
MARKS_MAX = 2_000  # of a larger shop: what is between two of them is a two-thousandth of it
OLD_AFTER_SECONDS = 60.0
SELECT_COUNTS = """
SELECT tier_id, count(*) AS members FROM tier_standings WHERE shop = $1 GROUP BY tier_id
"""
# what decides of everybody who has anything, with how many have at most so much; of many different
# figures the last one of each slice
SELECT_MARKS = """
SELECT peak, upto FROM (
    SELECT peak, upto, count(*) OVER () AS different, upto * $2::bigint / whole AS slice,
           lead(upto) OVER (ORDER BY peak) * $2::bigint / whole AS next_slice
      FROM (SELECT peak, sum(count(*)) OVER (ORDER BY peak)::bigint AS upto,
                   sum(count(*)) OVER ()::bigint AS whole
              FROM tier_standings WHERE shop = $1 GROUP BY peak) AS each) AS marked
 WHERE different <= $2 OR slice IS DISTINCT FROM next_slice
 ORDER BY peak
"""
COUNT_MEMBERS = "SELECT count(*) FROM members WHERE shop = $1 AND merged_into IS NULL"
SELECT_KEPT = "SELECT figures FROM tier_shops WHERE shop = $1"
# large shops whose figures are old, the oldest first
SELECT_OLD = """
SELECT of_shop.shop FROM tier_shops AS of_shop
  JOIN shop_totals AS total ON total.shop = of_shop.shop AND total.members > $1
 WHERE of_shop.is_on AND (of_shop.figures_at IS NULL
                          OR of_shop.figures_at < now() - make_interval(secs => $2))
 ORDER BY of_shop.figures_at NULLS FIRST LIMIT 1
"""
KEEP = "UPDATE tier_shops SET figures = $2, figures_at = $3 WHERE shop = $1"


class Figures(msgspec.Struct, frozen=True):
    """A shop's members by tier, and what decides of them."""

    as_of: datetime
    members: int
    by_tier: dict[str, int]  # of those who have anything that counts, by tier id
    marks: list[int]  # figures of the measure, ascending
    upto: list[int]  # how many of those members have at most that much
    is_exact: bool = True

    def would_be(self, thresholds: Sequence[int]) -> list[int]:
        """How many would be in each tier with these thresholds, ascending, and first of all how
        many in none.
        """
        below = [self._below(one) for one in thresholds]
        edges = [0, *below, self.members]
        return [end - start for start, end in pairwise(edges)]

    def _below(self, threshold: int) -> int:
        if threshold <= 0:
            return 0
        counted = self.upto[-1] if self.upto else 0
        at = bisect_left(self.marks, threshold)
        return self.members - counted + (self.upto[at - 1] if at else 0)


async def of_shop(shop: str) -> Figures | None:
    """The figures of a shop; None while those of a large one are being made."""
    async with db.connection() as conn:
        members, _ = await totals.of_shop(conn, shop)
        if members <= SMALL:
            return await _count(conn, shop, await conn.fetchval(COUNT_MEMBERS, shop))
        kept = await conn.fetchval(SELECT_KEPT, shop)
    return msgspec.json.decode(kept, type=Figures) if kept else None


async def refresh() -> bool:
    """Count anew in the large shop whose figures are the oldest; whether there was one."""
    async with db.connection() as conn:
        shop = await conn.fetchval(SELECT_OLD, SMALL, OLD_AFTER_SECONDS)
        if shop is None:
            return False
        # as they are kept: who was merged away is among them
        members, _ = await totals.of_shop(conn, shop)
        found = await _count(conn, shop, members)
        await conn.execute(KEEP, shop, msgspec.json.encode(found).decode(), found.as_of)
    return True


async def _count(conn: Connection, shop: str, members: int) -> Figures:
    as_of = datetime.now(UTC)
    counts = await conn.fetch(SELECT_COUNTS, shop)
    rows = await conn.fetch(SELECT_MARKS, shop, MARKS_MAX)
    return Figures(
        as_of,
        members,
        {row["tier_id"]: row["members"] for row in counts},
        [row["peak"] for row in rows],
        [row["upto"] for row in rows],
        len(rows) < MARKS_MAX,
    )
