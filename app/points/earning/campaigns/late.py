"""Bonuses that come later: orders which were given their points before a campaign that counts for
them was told to us.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from app import db
from app.db import Connection, Stores
from app.flags import evaluation, known
from app.points.earning import stored
from app.points.earning.grants import LATE
from app.points.earning.known import Stage
from app.points.earning.orders import LOCK_ORDERS, OrderBatch
from app.points.facts import Cause, Incoming
from app.points.ledger import balances, freezing
from app.points.ledger.accounts import Key
from app.resilience import apart
from app.telemetry import traces

ORDERS = 200  # of one transaction
ROWS = 2_000  # of the ledger, looked through for them
# Shopify's clock may be ahead of ours: so much earlier an order may have been given its points
AHEAD = timedelta(minutes=5)
# an order that was being given its points while the copy came is found by looking once more: first
# and third at those that earned, second and fourth at those that earned nothing
LOOKS, AGAIN_SECONDS = 4, 120.0
# whoever takes so many times as long a rest as a piece took has a third of a core, and a shop with
# months of orders takes no more than that from those who buy meanwhile
REST = 2.0
AGAIN_AFTER_FAULT = timedelta(minutes=5)
DUE = "SELECT id FROM campaign_copies WHERE look_at <= now() ORDER BY look_at LIMIT 8"
TAKE = """
SELECT id, shop, campaign_id, version, at, looks, looked_to FROM campaign_copies
 WHERE id = $1 AND look_at <= now() FOR UPDATE SKIP LOCKED
"""
# Backwards through what the shop's members got. A piece is so many rows whatever they are: one that
# asked for rows of a time would look through all the older ones for those it lacks.
ROWS_BACK = """
SELECT id, effect, source, recorded_at AS at FROM ledger
 WHERE shop = $1 AND id < $2 ORDER BY id DESC LIMIT $3
"""
# and through their orders that earned nothing: of those the ledger knows nothing
NOTHING_BACK = """
SELECT id, source, created_at AS at FROM grants
 WHERE shop = $1 AND id < $2 AND outcome = 'zero' AND kind = 'order'
 ORDER BY id DESC LIMIT $3
"""
# a row may be written so long after one with a higher number
SKEW = timedelta(minutes=5)
NEWEST = 2**62
# behind all others that are due: nobody waits until a large shop has been looked through
LOOKED = "UPDATE campaign_copies SET looked_to = $2, look_at = now() WHERE id = $1"
PUT_OFF = "UPDATE campaign_copies SET look_at = $2 WHERE id = $1 AND look_at IS NOT NULL"
ENDED = """
UPDATE campaign_copies
   SET looked_to = 0, looks = looks + 1,
       look_at = CASE WHEN looks + 1 >= $2 THEN NULL WHEN looks % 2 = 0 THEN look_at
                      ELSE now() + make_interval(secs => $3) END
 WHERE id = $1
"""
# of deleted customers who never had points there is none: no campaign makes them members again
SELECT_MEMBERS = "SELECT id FROM members WHERE id = ANY($1::bigint[])"


class LateBatch(OrderBatch):
    """Orders whose bonuses are decided once more, as they are known; nothing else is news."""

    def __init__(self, keys: Sequence[Key], cause: str, now: datetime) -> None:
        super().__init__(Incoming(), now)
        self.keys = keys
        self.cause = Cause(cause, now, traces.carrier())

    async def _load_grants(self, conn: Connection) -> None:
        await conn.fetch(LOCK_ORDERS, [f"{shop}/{order_id}" for shop, order_id in self.keys])
        rows = await conn.fetch(
            stored.SELECT_GRANTS,
            [shop for shop, _ in self.keys],
            [f"order:{order_id}" for _, order_id in self.keys],
        )
        found = [stored.from_row(row) for row in rows]
        known = await conn.fetch(SELECT_MEMBERS, [one.member_id for one in found if one.member_id])
        members = {row["id"] for row in known}
        for grant in found:
            if grant.member_id in members and grant.known.counts and not grant.known.ended:
                grant.stages = [Stage(grant.known, self.cause)]
                grant.is_asked_again = True
                self.grants[grant.shop, grant.order_id] = grant
        await self._load_terms(conn)

    def decide(self) -> None:
        """Whose points are on hold for being checked is left as it is."""
        for key, grant in list(self.grants.items()):
            account = self.account(grant.member_id or 0)
            if account is None or account.is_frozen:
                del self.grants[key]
        super().decide()


async def go_on(stores: Stores | None = None) -> int:
    """Look through the next orders for the next copy that asks for it; how many rows of the ledger
    that were. One at fault is put off, and holds up no other. Call it again until it answers 0.
    """
    async with db.connection() as conn:
        due = [row["id"] for row in await conn.fetch(DUE)]

    async def one(copy_id: int) -> int:
        return await _further(copy_id, stores)

    for copy_id in due:
        if count := await apart.each("late bonuses", [copy_id], one, _put_off):
            return count
    return 0


async def _put_off(copy_id: int) -> None:
    async with db.connection() as conn:
        await conn.execute(PUT_OFF, copy_id, datetime.now(UTC) + AGAIN_AFTER_FAULT)


async def _further(copy_id: int, stores: Stores | None) -> int:
    """One piece more for that copy; 0 where somebody else is at it, or it is over."""
    now = datetime.now(UTC)
    async with freezing.whoever_is_broken(), db.transaction() as conn:
        copy = await conn.fetchrow(TAKE, copy_id)
        if copy is None:
            return 0
        if not evaluation.is_on(known.LATE_BONUSES, copy["shop"]):
            await conn.execute(PUT_OFF, copy_id, now + AGAIN_AFTER_FAULT)
            return 0
        batch, count = await _look(conn, copy, now)
    if stores is not None and batch is not None:
        await balances.publish(stores, batch.moved.values(), now)
    return count


async def _look(conn: Connection, copy: Any, now: datetime) -> tuple[LateBatch | None, int]:
    find = _that_earned if copy["looks"] % 2 == 0 else _that_earned_nothing
    orders, place, count = await find(
        conn, copy["shop"], copy["looked_to"] or NEWEST, copy["at"] - AHEAD
    )
    batch = None
    if orders:
        keys = [(copy["shop"], order_id) for order_id in orders]
        batch = LateBatch(keys, f"{LATE}{copy['campaign_id']}:{copy['version']}", now)
        await batch.load(conn)
        batch.decide()
        await batch.write(conn)
    if place:
        await conn.execute(LOOKED, copy["id"], place)
    else:
        await conn.execute(ENDED, copy["id"], LOOKS, AGAIN_SECONDS)
    return batch, max(1, count)


async def _that_earned(
    conn: Connection, shop: str, before: int, since: datetime
) -> tuple[list[str], int, int]:
    """The next orders, by their rows of the ledger; the place to go on from, 0 at the end; and
    how many rows were looked at.
    """
    rows = await conn.fetch(ROWS_BACK, shop, before, ROWS)
    orders: list[str] = []
    for count, row in enumerate(rows, 1):
        if row["at"] < since - SKEW:
            return orders, 0, count
        kind, _, name = row["source"].partition(":")
        is_order = row["effect"] == "earn" and kind == "order" and ":" not in name
        if is_order and row["at"] >= since:
            orders.append(name)
        if len(orders) == ORDERS:
            return orders, row["id"], count
    return orders, rows[-1]["id"] if len(rows) == ROWS else 0, len(rows)


async def _that_earned_nothing(
    conn: Connection, shop: str, before: int, since: datetime
) -> tuple[list[str], int, int]:
    """The same of orders that the ledger knows nothing of."""
    rows = await conn.fetch(NOTHING_BACK, shop, before, ORDERS)
    orders = [row["source"].partition(":")[2] for row in rows if row["at"] >= since]
    is_end = len(rows) < ORDERS or rows[-1]["at"] < since - SKEW
    return orders, 0 if is_end else rows[-1]["id"], len(rows)
