"""Orders that are kept: those of referrals, and what came back before it was known to be one."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from app import db
from app.db import Connection, Row
from app.referrals.claims import marks
from app.referrals.orders import rules
from app.referrals.orders.incoming import Key
from app.referrals.orders.rules import Order

LOOSE_KEPT = timedelta(days=30)  # what came back, and was no friend's order so far
FORGET_BATCH = 1_000
SEEN = """
SELECT seen.shop, seen.order_id, seen.referral_id, seen.told, seen.refunds, seen.ended
  FROM unnest($1::text[], $2::text[]) AS wanted (shop, order_id)
  JOIN referral_orders AS seen
    ON seen.shop = wanted.shop AND seen.order_id = wanted.order_id
"""
OF_REFERRALS = """
SELECT shop, order_id, referral_id, told, refunds, ended FROM referral_orders
 WHERE referral_id = ANY($1::bigint[]) AND shop = ANY($2::text[])
"""
PUT = """
INSERT INTO referral_orders AS known (shop, order_id, referral_id, told, refunds, ended, seen_at)
SELECT shop, order_id, referral_id, told::jsonb, refunds::jsonb, ended, seen_at
  FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[],
              $7::timestamptz[])
    AS fresh (shop, order_id, referral_id, told, refunds, ended, seen_at)
ON CONFLICT (shop, order_id) DO UPDATE
   SET referral_id = COALESCE(known.referral_id, excluded.referral_id), told = excluded.told,
       refunds = excluded.refunds, ended = excluded.ended
"""
FORGET_ADDRESSES = """
UPDATE referral_orders SET told = told || '{"address": ""}' WHERE id IN (
    SELECT id FROM referral_orders WHERE told->>'address' <> '' AND seen_at < $1
     ORDER BY seen_at LIMIT $2)
"""
FORGET = """
DELETE FROM referral_orders WHERE id IN (
    SELECT id FROM referral_orders WHERE referral_id IS NULL AND seen_at < $1
     ORDER BY seen_at LIMIT $2)
"""


async def seen(conn: Connection, keys: Collection[Key]) -> dict[Key, tuple[int | None, Order]]:
    ordered = sorted(keys)
    rows = await conn.fetch(SEEN, *map(list, zip(*ordered, strict=True)))
    return {(row["shop"], row["order_id"]): (row["referral_id"], order_of(row)) for row in rows}


async def of_referrals(conn: Connection, rows: Sequence[Row]) -> dict[int, list[Order]]:
    """The orders of referrals, by their ids."""
    found = await conn.fetch(
        OF_REFERRALS, [row["id"] for row in rows], sorted({row["shop"] for row in rows})
    )
    orders: dict[int, list[Order]] = {}
    for one in found:
        orders.setdefault(one["referral_id"], []).append(order_of(one))
    return orders


async def put(
    conn: Connection, orders: Mapping[Key, tuple[int | None, Order]], now: datetime
) -> None:
    rows = [
        (
            shop,
            order_id,
            referral_id,
            msgspec.json.encode(order.told).decode() if order.told else None,
            msgspec.json.encode(order.refunds).decode(),
            f"{order.ended} {order.ended_at.isoformat()}" if order.ended_at else None,
            now,
        )
        for (shop, order_id), (referral_id, order) in sorted(orders.items(), key=_by_key)
    ]
    if rows:
        await conn.execute(PUT, *(list(column) for column in zip(*rows, strict=True)))


async def forget_addresses(at: datetime) -> int:
    """Forget where a batch of orders of more than ninety days ago went to; how many."""
    async with db.connection() as conn:
        done: str = await conn.execute(FORGET_ADDRESSES, at - marks.KEPT, FORGET_BATCH)
    return int(done.rpartition(" ")[2])


async def forget_loose(at: datetime) -> int:
    """Delete a batch of orders that came back long ago and were no friend's; how many."""
    async with db.connection() as conn:
        done: str = await conn.execute(FORGET, at - LOOSE_KEPT, FORGET_BATCH)
    return int(done.rpartition(" ")[2])


def order_of(row: Row) -> Order:
    """The order of a row."""
    told = msgspec.json.decode(row["told"], type=rules.Told) if row["told"] else None
    refunds = msgspec.json.decode(row["refunds"], type=dict[str, rules.Back])
    kind, _, moment = (row["ended"] or "").partition(" ")
    ended_at = datetime.fromisoformat(moment) if moment else None
    return Order(row["order_id"], told, refunds, kind, ended_at)


def _by_key(item: tuple[Key, Any]) -> Key:
    return item[0]
