"""How a held redemption ends: its points captured or given back, in one transaction each, once."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from app import db
from app.db import Stores
from app.facts import OrderPaid
from app.flow.bus import log as fact_log
from app.points import facts
from app.points.earning import grants
from app.points.earning.grants import Decisions
from app.points.ledger import balances, lots
from app.points.ledger import posting as ledger
from app.points.ledger.lots import Lot
from app.points.ledger.posting import Member

# a call we gave up on may still make the code at Shopify: look once more, and switch off what then
# exists
LOOK_AGAIN_AFTER = timedelta(minutes=15)
SELECT = """
SELECT id, shop, member_id, title, points, amount_off, state, allocations,
       request_id FROM redemptions WHERE id = $1
"""
CAPTURE = """
UPDATE redemptions SET state = 'captured', discount_gid = $2, next_attempt_at = NULL,
                       updated_at = $3 WHERE id = $1
"""
# Codes are not case sensitive, are used once, and only by their own customer.
USE = """
UPDATE redemptions SET state = 'used', updated_at = $4
  FROM unnest($1::text[], $2::text[], $3::text[]) AS given (shop, customer_id, code)
 WHERE redemptions.shop = given.shop AND redemptions.customer_id = given.customer_id
   AND redemptions.code = upper(given.code) AND state = 'captured'
"""
RELEASE = """
UPDATE redemptions SET state = 'released', reason = $2, next_attempt_at = $4, attempts = 0,
                       updated_at = $3
 WHERE id = $1
"""
SELECT_ALLOCATED = lots.SELECT.replace(
    "member_id = ANY($1::bigint[]) AND remaining > 0", "id = ANY($1::bigint[])"
)


async def capture(stores: Stores, redemption_id: str, discount_gid: str) -> bool:
    """The code exists: the points are spent. False when the redemption was settled before."""
    now = datetime.now(UTC)
    async with db.transaction() as conn:
        row, member = await _held(conn, redemption_id)
        if member is None:
            return False
        posting = ledger.Posting(now)
        posting.move(
            member, _source(row), "capture", "held", "spent", row["points"], _why(row), now
        )
        await posting.write(conn)
        await conn.execute(CAPTURE, row["id"], discount_gid, now)
        fact = facts.made(
            "points.spent",
            member,
            _source(row),
            row["points"],
            row["request_id"],
            redemption_id=redemption_id,
        )
        await fact_log.append(conn, [fact])
    await balances.publish(stores, [member], now)
    return True


async def use(conn: Any, paid: Iterable[tuple[str, OrderPaid]], now: datetime) -> None:
    """The codes in the paid orders (shop, order) are used up: their shoppers need not see them
    any more.
    """
    given = {
        (shop, order.customer_id, code)
        for shop, order in paid
        for code in order.discount_codes
        if order.customer_id is not None
    }
    if given:
        await conn.execute(USE, *map(list, zip(*sorted(given), strict=True)), now)


async def release(stores: Stores, redemption_id: str, reason: str) -> bool:
    """No code will be made: the points go back into the lots they came from. False when it was
    settled before.

    Lots that lapsed meanwhile expire at the next run. A debt made while the points were held is
    repaid from them.
    """
    now = datetime.now(UTC)
    async with db.transaction() as conn:
        row, member = await _held(conn, redemption_id)
        if member is None:
            return False
        decisions = Decisions(now)
        why = {**_why(row), "reason": reason}
        decisions.posting.move(
            member, _source(row), "return", "held", "available", row["points"], why, now
        )
        restored = await _put_back(conn, row)
        grants.repay(decisions.posting, member, restored, _source(row), row["points"], now)
        await lots.write(conn, restored)
        await decisions.posting.write(conn)
        await conn.execute(RELEASE, row["id"], reason, now, now + LOOK_AGAIN_AFTER)
    await balances.publish(stores, [member], now)
    return True


async def _held(conn: Any, redemption_id: str) -> tuple[Any, Member | None]:
    """The redemption and its locked member, or None for the member when it is not held any more."""
    row = await conn.fetchrow(SELECT, redemption_id)
    _, by_id = await ledger.lock(conn, ids=[row["member_id"]])
    row = await conn.fetchrow(SELECT, redemption_id)  # again, now that nobody else can settle it
    return row, by_id[row["member_id"]] if row["state"] == "held" else None


async def _put_back(conn: Any, row: Any) -> list[Lot]:
    allocations = dict(msgspec.json.decode(row["allocations"]))
    found = [lots.from_row(lot) for lot in await conn.fetch(SELECT_ALLOCATED, list(allocations))]
    for lot in found:
        lot.put_back(allocations[lot.id])
    return found


def _source(row: Any) -> str:
    return f"redemption:{row['id']}"


def _why(row: Any) -> dict[str, Any]:
    return {
        "reward": row["title"],
        "redemption_id": str(row["id"]),
        "amount_off": str(row["amount_off"]),
    }
