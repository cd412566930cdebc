"""Adds up what a programme brings for the shops somebody looks at, in the background.

Nothing is kept with postings: the road pays nothing for it, and repeat purchases over a range are
no sum of days. A shop's ledger is walked from its newest row back to the range, its orders whole,
in pieces; what comes out is exact as of that moment.
"""

import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from app import calendar, db
from app.db import Connection, Row
from app.points.earning import standing, terms
from app.points.earning.rules import Frozen, Known
from app.points.figures.rules import Compared, Figures, Orders
from app.points.ledger import totals

ROWS_AT_ONCE, ORDERS_AT_ONCE = 20_000, 1_000
ORDERS_MAX = 300_000  # of a shop with more of them orders are not added up
LATE = timedelta(minutes=5)  # a row may be written so long after one with a higher number
# added up again after this at the earliest, and so that it takes a fortieth of the time at most
FRESH, SHARE = timedelta(seconds=30), 40
LOOKED = timedelta(minutes=2)  # since then somebody must have looked
_LAST = 9_000_000_000_000_000_000
# a claim of its own statement: a transaction that wrote something and stays open holds facts up
CLAIM = """
UPDATE figures SET claimed_at = $2
 WHERE id = (SELECT id FROM figures
              WHERE asked_at > $1 AND (due_at IS NULL OR due_at < $2)
                AND (claimed_at IS NULL OR claimed_at < $1)
              ORDER BY asked_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING shop, days
"""
KEEP = """
UPDATE figures SET said = $3, computed_at = $4, due_at = $5, claimed_at = NULL
 WHERE shop = $1 AND days = $2
"""
SELECT_JOINED = """
SELECT width_bucket(joined_at, $2::timestamptz[]) AS place, count(*) AS members FROM members
 WHERE shop = $1 AND joined_at >= $3 AND joined_at < $4 GROUP BY place
"""
WALK = """
WITH piece AS (
    SELECT id, effect, from_bucket, to_bucket, points, effective_at, recorded_at FROM ledger
     WHERE shop = $1 AND id < $2 ORDER BY id DESC LIMIT $3
)
SELECT width_bucket(effective_at, $4::timestamptz[]) AS place, min(id) AS first_id,
       min(recorded_at) AS since, count(*) AS rows,
       COALESCE(sum(points) FILTER (WHERE to_bucket = 'expired'), 0)::bigint AS expired,
       sum(points * ((to_bucket = ANY($5::text[]))::int - (from_bucket = ANY($5::text[]))::int)
          )::bigint AS grown
  FROM piece GROUP BY place
"""
SELECT_ORDERS = """
SELECT source, member_id IS NOT NULL AND outcome NOT IN ('draft', 'paused') AS is_member, frozen,
       known
  FROM grants
 WHERE shop = $1 AND kind = 'order' AND source > $2 ORDER BY source LIMIT $3
"""
SELECT_USED = """
SELECT DISTINCT order_id FROM redemptions WHERE shop = $1 AND order_id <> ''
"""
SELECT_REFERRALS = """
SELECT width_bucket(created_at, $2::timestamptz[]) AS place, count(*) AS orders FROM grants
 WHERE shop = $1 AND kind = 'referral' AND points > reversed_points AND created_at >= $3
   AND created_at < $4
 GROUP BY place
"""
# of a shop with too many of them none is read; by the key alone, which has no kind
COUNT_ORDERS = """
SELECT count(*) FROM (
       SELECT FROM grants WHERE shop = $1 AND source > 'order:' AND source < 'order;' LIMIT $2
       ) AS orders
"""
_known, _frozen = msgspec.json.Decoder(Known), msgspec.json.Decoder(Frozen)


async def compute_due() -> bool:
    """Add up for whoever has waited longest; whether there was somebody."""
    now = datetime.now(UTC)
    async with db.connection() as conn:
        row = await conn.fetchrow(CLAIM, now - LOOKED, now)
        if row is None:
            return False
        began = time.monotonic()
        # all of it as of one moment
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            found = await compute(conn, row["shop"], row["days"], now)
        said = msgspec.json.encode(found).decode()
        took = timedelta(seconds=time.monotonic() - began)
        due_at = now + max(FRESH, SHARE * took)
        await conn.execute(KEEP, row["shop"], row["days"], said, now, due_at)
    return True


async def compute(conn: Connection, shop: str, days: int, now: datetime) -> Compared:
    """The figures of the last `days` of a shop's days, today with them, and of as many before."""
    zone = (await terms.program(conn, shop)).timezone
    today = now.astimezone(calendar.zone(zone)).date()
    start, middle, end = (
        calendar.start_of_day(today + timedelta(days=1 - back), zone)
        for back in (2 * days, days, 0)
    )
    bounds = [start, middle, end]
    joined = _by_place(await conn.fetch(SELECT_JOINED, shop, bounds, start, end), "members")
    referrals = _by_place(await conn.fetch(SELECT_REFERRALS, shop, bounds, start, end), "orders")
    moved = await totals.between(conn, shop, bounds)
    _, outstanding = await totals.of_shop(conn, shop)
    expired, grown = await _walk(conn, shop, bounds)
    orders = await _orders(conn, shop, Orders(start, middle, end))
    at_end = [outstanding - grown, outstanding]
    before, newest = (
        Figures(
            joined=joined[place],
            earned=moved[place][0],
            spent=moved[place][1],
            expired=expired[place],
            outstanding=at_end[place],
            referrals=referrals[place],
            **(orders.figures(place) if orders else {}),
        )
        for place in (0, 1)
    )
    return Compared(newest, before)


async def _walk(
    conn: Connection, shop: str, bounds: Sequence[datetime]
) -> tuple[tuple[int, int], int]:
    """Points expired in either range, and how what is outstanding changed in the newest one."""
    expired, grown, before = [0, 0], 0, _LAST
    while True:
        rows = await conn.fetch(
            WALK, shop, before, ROWS_AT_ONCE, list(bounds), sorted(totals.OUTSTANDING)
        )
        for row in rows:
            place = row["place"]
            if place in {1, 2}:
                expired[place - 1] += row["expired"]
            if place >= 2:  # noqa: PLR2004 - what is dated later counts as of today
                grown += row["grown"]
        if sum(row["rows"] for row in rows) < ROWS_AT_ONCE:
            break
        if min(row["since"] for row in rows) < bounds[0] - LATE:
            break
        before = min(row["first_id"] for row in rows)
    return (expired[0], expired[1]), grown


async def _orders(conn: Connection, shop: str, orders: Orders) -> Orders | None:
    """What the shop's orders add up to; None where there are more than ORDERS_MAX."""
    if await conn.fetchval(COUNT_ORDERS, shop, ORDERS_MAX + 1) > ORDERS_MAX:
        return None
    used = {row["order_id"] for row in await conn.fetch(SELECT_USED, shop)}
    async for row in _each(conn, shop):
        known = _known.decode(row["known"])
        placed_at = known.placed_at or known.paid_at
        if placed_at is None or known.paid_at is None or known.is_test or known.ended:
            continue
        rewarded = None
        if row["source"].partition(":")[2] in used:
            returns = _frozen.decode(row["frozen"]).returns if row["frozen"] else "goods"
            numerator, denominator = standing.amount(known, returns=returns)
            rewarded = numerator // denominator
        orders.add(known.customer_id, placed_at, is_member=row["is_member"], rewarded=rewarded)
    return orders


async def _each(conn: Connection, shop: str) -> AsyncIterator[Row]:
    place = ""
    while True:
        rows = await conn.fetch(SELECT_ORDERS, shop, place, ORDERS_AT_ONCE)
        for row in rows:
            yield row
        if len(rows) < ORDERS_AT_ONCE:
            return
        place = rows[-1]["source"]


def _by_place(rows: Sequence[Row], name: str) -> tuple[int, int]:
    found = {row["place"]: row[name] for row in rows}
    return found.get(1, 0), found.get(2, 0)
