"""How a held redemption ends: its points captured or given back, in one transaction each, once."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from app import db
from app.db import Connection, Stores
from app.errors import NotFoundError
from app.facts import OrderTold
from app.points import facts
from app.points.ledger import balances, freezing, lots
from app.points.ledger.accounts import Account
from app.points.ledger.posting import Batch

# a call we gave up on may still make the code at Shopify: look once more, and switch off what then
# exists
LOOK_AGAIN_AFTER = timedelta(minutes=15)
SELECT = """
SELECT id, member_id, title, points, amount_off, state, allocations, request_id
  FROM redemptions WHERE id = $1
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
SELECT_UNMET = """
SELECT source, name, unmet FROM grants
 WHERE shop = $1 AND source = ANY($2::text[]) AND unmet > 0 ORDER BY source
"""
MEET = """
UPDATE grants SET unmet = unmet - $3, forgiven = forgiven - $3 WHERE shop = $1 AND source = $2
"""
GIVE_BACK = """
UPDATE redemptions SET state = 'released', reason = $2, next_attempt_at = $4, attempts = 0,
                       updated_at = $3
 WHERE id = $1
"""


class Redemption(NamedTuple):
    """A redemption as it is settled."""

    id: UUID
    member_id: int
    title: str
    points: int
    amount_off: Decimal
    state: str
    allocations: str  # JSON: [[lot id, points]]
    request_id: str

    @property
    def source(self) -> str:
        return f"redemption:{self.id}"

    @property
    def why(self) -> dict[str, Any]:
        return {
            "reward": self.title,
            "redemption_id": str(self.id),
            "amount_off": str(self.amount_off),
        }


async def capture(stores: Stores, redemption_id: str, discount_gid: str) -> bool:
    """The code exists: the points are spent. False when the redemption was settled before. Raises
    FrozenError.
    """
    batch = Batch(datetime.now(UTC))
    async with freezing.whoever_is_broken(), db.transaction() as conn:
        held, account = await _lock(conn, batch, redemption_id)
        if held.state != "held":
            return False
        batch.move(
            account, held.source, "capture", "held", "spent", held.points, held.why, batch.now
        )
        batch.facts.append(
            facts.made(
                "points.spent",
                account,
                held.source,
                held.points,
                held.request_id,
                redemption_id=redemption_id,
            )
        )
        await batch.write(conn)
        await conn.execute(CAPTURE, held.id, discount_gid, batch.now)
    await balances.publish(stores, [account], batch.now)
    return True


async def use(conn: Connection, paid: Iterable[tuple[str, OrderTold]], now: datetime) -> None:
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


async def give_back(stores: Stores, redemption_id: str, reason: str) -> bool:
    """No code will be made: the points go back into the lots they came from. False when it was
    settled before. Raises FrozenError.

    Lots that lapsed meanwhile expire at the next run. A debt made while the points were held is
    repaid from them.
    """
    batch = Batch(datetime.now(UTC))
    async with freezing.whoever_is_broken(), db.transaction() as conn:
        held, account = await _lock(conn, batch, redemption_id)
        if held.state != "held":
            return False
        why = {**held.why, "reason": reason}
        batch.move(account, held.source, "return", "held", "available", held.points, why, batch.now)
        restored = await _put_back(conn, held)
        for lot in restored:
            batch.add(lot)
        left = held.points - await _take_unmet(conn, batch, account, held, restored)
        batch.repay(account, restored, held.source, left, batch.now)
        await batch.write(conn)
        await conn.execute(GIVE_BACK, held.id, reason, batch.now, batch.now + LOOK_AGAIN_AFTER)
    await balances.publish(stores, [account], batch.now)
    return True


async def cancel(stores: Stores, redemption_id: str, reason: str) -> bool:
    """The code was switched off unused: its points come back into the lots they came from. False
    when it was not (or no longer) captured. Raises FrozenError.
    """
    batch = Batch(datetime.now(UTC))
    async with freezing.whoever_is_broken(), db.transaction() as conn:
        given, account = await _lock(conn, batch, redemption_id)
        if given.state != "captured":
            return False
        why = {**given.why, "reason": reason}
        batch.move(
            account, given.source, "cancel", "spent", "available", given.points, why, batch.now
        )
        restored = await _put_back(conn, given)
        for lot in restored:
            batch.add(lot)
        batch.facts.append(
            facts.made(
                "points.returned",
                account,
                given.source,
                given.points,
                given.request_id,
                redemption_id=redemption_id,
            )
        )
        batch.repay(account, restored, given.source, given.points, batch.now)
        await batch.write(conn)
        await conn.execute(GIVE_BACK, given.id, reason, batch.now, batch.now + LOOK_AGAIN_AFTER)
    await balances.publish(stores, [account], batch.now)
    return True


async def _lock(conn: Connection, batch: Batch, redemption_id: str) -> tuple[Redemption, Account]:
    """The redemption with its member locked, so that nobody else can settle it."""
    row = await conn.fetchrow(SELECT, redemption_id)
    if row is None:
        raise NotFoundError("There is no such redemption.")
    await batch.lock(conn, ids=[row["member_id"]])
    row = await conn.fetchrow(SELECT, redemption_id)  # again: somebody may have settled it
    assert row is not None
    held = Redemption(**row)
    return held, batch.accounts[held.member_id]


async def _take_unmet(
    conn: Connection, batch: Batch, account: Account, held: Redemption, restored: list[lots.Lot]
) -> int:
    """Points of an order that was refunded while they were held, and that the policy would have
    taken, go now; how many.
    """
    returned = dict(msgspec.json.decode(held.allocations))
    by_grant: dict[str, list[lots.Lot]] = {}
    for lot in restored:
        by_grant.setdefault(lots.grant_of(lot), []).append(lot)
    taken_in_all = 0
    for row in await conn.fetch(SELECT_UNMET, account.shop, list(by_grant)):
        left = taken = min(row["unmet"], sum(returned[lot.id] for lot in by_grant[row["source"]]))
        for lot in by_grant[row["source"]]:
            part = min(left, returned[lot.id])
            if part:
                lot.take(part)
                left -= part
        source = f"{held.source}:{row['source']}"
        why = {**held.why, "order_name": row["name"], "order_id": row["source"].partition(":")[2]}
        batch.move(
            account, source, "reverse.returned", "available", "reversed", taken, why, batch.now
        )
        batch.facts.append(
            facts.made("points.reversed", account, source, taken, held.request_id, forgiven=0)
        )
        await conn.execute(MEET, account.shop, row["source"], taken)
        taken_in_all += taken
    return taken_in_all


async def _put_back(conn: Connection, held: Redemption) -> list[lots.Lot]:
    allocations = dict(msgspec.json.decode(held.allocations))
    found = sorted(await lots.by_ids(conn, allocations), key=lambda lot: lot.id)
    for lot in found:
        lot.put_back(allocations[lot.id])
    return found
