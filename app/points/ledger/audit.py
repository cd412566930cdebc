"""Recomputes every balance from the ledger and follows every hash chain: whatever does not add
up is named.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from app import db
from app.points.ledger import posting as ledger
from app.points.ledger.accounts import BUCKETS, GENESIS

PROBLEMS_MAX = 100  # named one by one; the counts are always complete
ROWS_AT_ONCE = 2_000

_FOLD = ", ".join(
    f"COALESCE(sum(CASE '{bucket}' WHEN {to} THEN points WHEN {start} THEN -points END), 0) AS "
    f"{bucket}"
    for bucket, to, start in (
        (
            bucket,
            *(
                ("from_bucket", "to_bucket")
                if bucket in {"debt", "issued"}
                else ("to_bucket", "from_bucket")
            ),
        )
        for bucket in BUCKETS
    )
)
DRIFT = f"""
SELECT member.id, member.shop, member.customer_id
  FROM members AS member
  LEFT JOIN (SELECT member_id, {_FOLD}, max(sequence) AS newest, count(*) AS number
               FROM ledger WHERE $1::text IS NULL OR shop = $1 GROUP BY member_id) AS fold ON
               fold.member_id = member.id
 WHERE ($1::text IS NULL OR member.shop = $1)
   AND ({" OR ".join(f"member.{bucket} <> COALESCE(fold.{bucket}, 0)" for bucket in BUCKETS)}
        OR member.sequence <> COALESCE(fold.newest, 0) OR member.sequence <> COALESCE(fold.number,
        0))
"""
# what stands beside the ledger must agree with it: (what it is called, SQL giving shop and customer
# id)
BESIDE = (
    (
        "lots differ from the balance",
        """
SELECT member.shop, member.customer_id FROM members AS member
  LEFT JOIN (SELECT member_id, sum(remaining) FILTER (WHERE is_pending) AS pending,
                    sum(remaining) FILTER (WHERE NOT is_pending) AS available FROM lots GROUP BY
                    member_id) AS lot
    ON lot.member_id = member.id
 WHERE ($1::text IS NULL OR member.shop = $1)
   AND (member.pending <> COALESCE(lot.pending, 0) OR member.available <> COALESCE(lot.available,
       0))
""",
    ),
    (
        "held points without a redemption, or the other way round",
        """
SELECT member.shop, member.customer_id FROM members AS member
  LEFT JOIN (SELECT member_id,
  sum(points) AS points FROM redemptions WHERE state = 'held' GROUP BY member_id) AS held
    ON held.member_id = member.id
 WHERE ($1::text IS NULL OR member.shop = $1) AND member.held <> COALESCE(held.points, 0)
""",
    ),
    (
        "an award is not in the ledger, or more of it is reversed than it gave",
        """
SELECT award.shop, award.order_id FROM awards AS award
  LEFT JOIN ledger AS row ON row.shop = award.shop AND row.source = 'order:' || award.order_id AND
  row.effect = 'earn'
 WHERE ($1::text IS NULL OR award.shop = $1)
   AND (award.points <> COALESCE(row.points,
       0) OR award.reversed_points NOT BETWEEN 0 AND award.points)
""",
    ),
    (
        "a refund waits although its order is there",
        """
SELECT reversal.shop, reversal.order_id FROM reversals AS reversal
  JOIN awards AS award ON award.shop = reversal.shop AND award.order_id = reversal.order_id
 WHERE ($1::text IS NULL OR reversal.shop = $1) AND NOT reversal.is_applied
""",
    ),
)
CHAINS = """
SELECT row.shop, row.member_id, row.sequence, row.source, row.effect, row.from_bucket,
       row.to_bucket, row.points,
       row.why, row.effective_at, row.recorded_at, row.hash, member.last_hash,
       member.sequence AS newest
  FROM ledger AS row LEFT JOIN members AS member ON member.id = row.member_id
 WHERE $1::text IS NULL OR row.shop = $1
 ORDER BY row.member_id, row.sequence
"""


@dataclass(slots=True)
class Report:
    """What verification found; all is well when `is_sound`."""

    members: int = 0
    rows: int = 0
    drift: int = 0  # members whose balance is not the fold of their ledger
    broken_chains: int = 0
    problems: list[str] = field(default_factory=list)  # the first of them, as sentences

    @property
    def is_sound(self) -> bool:
        return not (self.drift or self.broken_chains or self.problems)

    def add(self, problem: str) -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)


async def verify(shop: str | None = None) -> Report:
    """Check all members, or those of one shop, as of one moment, while everybody goes on
    working.
    """
    report = Report()
    async with _snapshot() as conn:
        report.members = await conn.fetchval(
            "SELECT count(*) FROM members WHERE $1::text IS NULL OR shop = $1", shop
        )
        for row in await conn.fetch(DRIFT, shop):
            report.drift += 1
            report.add(
                f"{row['shop']} customer {row['customer_id']}: the balance is not the sum of the "
                f"ledger"
            )
        await _follow_chains(conn, shop, report)
        for name, sql in BESIDE:
            for row in await conn.fetch(sql, shop):
                report.add(f"{row[0]} {row[1]}: {name}")
    return report


@asynccontextmanager
async def _snapshot() -> AsyncIterator[Any]:
    async with db.transaction() as conn:
        await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        await conn.execute(
            "SET LOCAL statement_timeout = 0"
        )  # as long as it takes: nobody waits for this
        yield conn


async def _follow_chains(conn: Any, shop: str | None, report: Report) -> None:
    member_id, sequence, previous, broken, newest = None, 0, GENESIS, False, (0, GENESIS)
    async for row in conn.cursor(CHAINS, shop, prefetch=ROWS_AT_ONCE):
        if row["member_id"] != member_id:
            _end(report, member_id, broken, (sequence, previous), newest)
            member_id, sequence, previous, broken = row["member_id"], 0, GENESIS, False
            newest = (row["newest"], row["last_hash"])
        report.rows += 1
        sequence += 1
        found = sha256(previous + ledger.canonical(*tuple(row)[:11])).digest()
        if not broken and (row["sequence"] != sequence or row["hash"] != found):
            broken = True
            report.add(
                f"{row['shop']} member {member_id}: ledger row {row['sequence']} is not what was "
                f"written"
            )
        previous = row["hash"]
    _end(report, member_id, broken, (sequence, previous), newest)


def _end(report: Report, member_id: int | None, broken: bool, reached: Any, newest: Any) -> None:
    """The end of a member's rows: the newest row must be the one the member knows."""
    if member_id is None:
        return
    if not broken and reached != newest:
        broken = True
        report.add(f"member {member_id}: the newest ledger rows are missing")
    report.broken_chains += broken
