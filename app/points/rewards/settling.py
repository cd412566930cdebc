"""How a held redemption ends: its points captured or given back, in one transaction each, once."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from app import db
from app.db import Connection, Stores
from app.facts import OrderCancelled, OrderTold
from app.points import steps
from app.points.earning.known import CODE_PREFIX
from app.points.ledger import balances, freezing, lots
from app.points.ledger.accounts import Key
from app.points.ledger.posting import Batch
from app.points.rewards.restoring import Back, come_back, lock, tell
from app.telemetry import logs

# a call we gave up on may still make the code at Shopify: look once more, and switch off what then
# exists
LOOK_AGAIN_AFTER = timedelta(minutes=15)
# a code that was not used by its end is looked at a little later: Shopify counts uses with delay
UNUSED_AFTER = timedelta(minutes=15)
CAPTURE = """
UPDATE redemptions SET state = 'captured', discount_gid = $2, next_attempt_at = $4, attempts = 0,
                       updated_at = $3 WHERE id = $1
"""
# an order may still name a customer who has become another one, who has the codes since
SELECT_KEPT = """
WITH RECURSIVE way AS (
    SELECT one.shop, one.customer_id AS told, one.customer_id, one.merged_into
      FROM unnest($1::text[], $2::text[]) AS given (shop, customer_id)
      JOIN members AS one USING (shop, customer_id) WHERE one.merged_into IS NOT NULL
     UNION
    SELECT way.shop, way.told, one.customer_id, one.merged_into
      FROM way JOIN members AS one ON one.id = way.merged_into)
SELECT shop, told, customer_id FROM way WHERE merged_into IS NULL
"""
SELECT_OWNERS = """
SELECT redemptions.id, member_id, state, given.order_id
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
       AS given (shop, customer_id, code, order_id)
  JOIN redemptions ON redemptions.shop = given.shop AND redemptions.customer_id = given.customer_id
   AND redemptions.code = upper(given.code)
 WHERE state = 'captured' OR (state = 'released' AND points > 0)
"""
# Codes are not case sensitive, are used once, and only by their own customer.
USE = """
UPDATE redemptions SET state = 'used', order_id = given.order_id, next_attempt_at = NULL,
                       updated_at = $5
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
       AS given (shop, customer_id, code, order_id)
 WHERE redemptions.shop = given.shop AND redemptions.customer_id = given.customer_id
   AND redemptions.code = upper(given.code) AND state = 'captured'
RETURNING redemptions.shop, redemptions.order_id
"""
USE_AGAIN = """
UPDATE redemptions SET state = 'used', order_id = $2, points = $3, allocations = $4, reason = '',
                       next_attempt_at = NULL, updated_at = $5
 WHERE id = $1
"""
log = logs.logger()
GIVE_BACK = """
UPDATE redemptions SET state = 'released', reason = $2, next_attempt_at = $4, attempts = 0,
                       updated_at = $3
 WHERE id = $1
"""


async def capture(stores: Stores, redemption_id: str, discount_gid: str) -> bool:
    """It was made: the points are spent. False when the redemption was settled before. Raises
    FrozenError.
    """
    batch = Batch(datetime.now(UTC))
    async with freezing.whoever_is_broken(), db.transaction() as conn:
        held, account = await lock(conn, batch, redemption_id)
        if held.state != "held":
            return False
        if held.points:  # what is given without cost moves none
            batch.move(
                account, held.source, "capture", "held", "spent", held.points, held.why, batch.now
            )
            tell(batch, "points.spent", account, held, held.points)
        await batch.write(conn)
        look_again_at = None
        if held.details.on_unused == "give_back" and held.ends_at is not None:
            look_again_at = held.ends_at + UNUSED_AFTER
        await conn.execute(CAPTURE, held.id, discount_gid, batch.now, look_again_at)
        said = f"“{held.title}” is the customer's."
        await steps.of_reward(conn, account, held.id, "captured", said, batch.now)
    await balances.publish(stores, [account], batch.now)
    return True


async def use(
    conn: Connection, told: Iterable[tuple[str, OrderTold | OrderCancelled]], now: datetime
) -> list[Key]:
    """The codes in these orders (shop, order) are used up: their shoppers need not see them any
    more. Which orders used one, by shop and id.
    """
    told = list(told)
    given = {
        (shop, order.customer_id, code, order.order_id)
        for shop, order in told
        for code in order.discount_codes
        if order.customer_id is not None and code[:3].upper() == CODE_PREFIX
    }
    if not given:
        return []
    shops, customers, codes, order_ids = map(list, zip(*sorted(given), strict=True))
    kept = {
        (row["shop"], row["told"]): row["customer_id"]
        for row in await conn.fetch(SELECT_KEPT, shops, customers)
    }
    customers = [kept.get(key, key[1]) for key in zip(shops, customers, strict=True)]
    found = await conn.fetch(SELECT_OWNERS, shops, customers, codes, order_ids)
    # before the redemption itself, as whoever settles it does
    await Batch(now).lock(conn, ids=[row["member_id"] for row in found])
    rows = await conn.fetch(USE, shops, customers, codes, order_ids, now)
    linked = [(row["shop"], row["order_id"]) for row in rows]
    for row in found:
        if row["state"] == "released":
            linked += await _use_again(conn, row["id"], row["order_id"], now)
    return linked


async def _use_again(
    conn: Connection, redemption_id: UUID, order_id: str, now: datetime
) -> list[Key]:
    """A code was used although its points are back: Shopify counts uses with delay, so whoever
    gave them back could not know. As many of them as are there are spent again.
    """
    batch = Batch(now)
    given, account = await lock(conn, batch, redemption_id)
    if given.state != "released" or account.is_frozen:
        return []
    await batch.load_lots(conn, [account.id])
    spendable = lots.spendable(batch.lots[account.id], now)
    points = min(given.points, sum(lot.remaining for lot in spendable))
    log.warning("a code was used after its points were back", shop=account.shop, points=points)
    if not points:
        return []
    taken = lots.take(account.id, spendable, points)
    source, why = f"{given.source}:used", {**given.why, "order_id": order_id}
    batch.move(account, source, "hold", "available", "held", points, why, now)
    batch.move(account, source, "capture", "held", "spent", points, why, now)
    tell(batch, "points.spent", account, given, points, source)
    await batch.write(conn)
    allocations = msgspec.json.encode([(lot.id, part) for lot, part in taken]).decode()
    await conn.execute(USE_AGAIN, given.id, order_id, points, allocations, now)
    return [(account.shop, order_id)]


async def give_back(stores: Stores, redemption_id: str, reason: str) -> bool:
    """Nothing will be made: the points go back into the lots they came from. False when it was
    settled before. Raises FrozenError.

    Lots that lapsed meanwhile expire at the next run. A debt made while the points were held is
    repaid from them.
    """
    return await _release(stores, redemption_id, reason, "held", "return")


async def cancel(stores: Stores, redemption_id: str, reason: str, effect: str = "cancel") -> bool:
    """What was made was switched off, or has ended, unused: its points come back into the lots they
    came from. False when it was not (or no longer) captured. Raises FrozenError.
    """
    return await _release(stores, redemption_id, reason, "captured", effect)


async def _release(
    stores: Stores, redemption_id: str, reason: str, state: str, effect: str
) -> bool:
    batch = Batch(datetime.now(UTC))
    async with freezing.whoever_is_broken(), db.transaction() as conn:
        given, account = await lock(conn, batch, redemption_id)
        if given.state != state:
            return False
        if given.points:
            bucket = "held" if state == "held" else "spent"
            back = Back(effect, bucket, given.source, given.points, {"reason": reason})
            await come_back(conn, batch, account, given, back, has_grace=effect == "unused")
        await batch.write(conn)
        await conn.execute(GIVE_BACK, given.id, reason, batch.now, batch.now + LOOK_AGAIN_AFTER)
        became = "released" if state == "held" else "returned"
        await steps.of_reward(conn, account, given.id, became, reason, batch.now)
    await balances.publish(stores, [account], batch.now)
    return True
