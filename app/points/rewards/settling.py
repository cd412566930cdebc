"""How a held redemption ends: its points captured or given back, in one transaction each, once."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from app import db
from app.db import Connection, Stores
from app.facts import OrderTold
from app.points import steps
from app.points.ledger import balances, freezing
from app.points.ledger.accounts import Key
from app.points.ledger.posting import Batch
from app.points.rewards.restoring import Back, come_back, lock, tell

# a call we gave up on may still make the code at Shopify: look once more, and switch off what then
# exists
LOOK_AGAIN_AFTER = timedelta(minutes=15)
# a code that was not used by its end is looked at a little later: Shopify counts uses with delay
UNUSED_AFTER = timedelta(minutes=15)
CAPTURE = """
UPDATE redemptions SET state = 'captured', discount_gid = $2, next_attempt_at = $4, attempts = 0,
                       updated_at = $3 WHERE id = $1
"""
# whoever bought, or whom they were merged into since: the code is theirs now
_GIVEN = """
WITH RECURSIVE given AS (
     SELECT one.code, one.order_id, member.id, member.merged_into
       FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
         AS one (shop, customer_id, code, order_id)
       JOIN members AS member ON member.shop = one.shop AND member.customer_id = one.customer_id
     UNION ALL
     SELECT given.code, given.order_id, member.id, member.merged_into
       FROM given JOIN members AS member ON member.id = given.merged_into)
"""
SELECT_OWNERS = f"""{_GIVEN}
SELECT DISTINCT redemptions.member_id
  FROM given JOIN redemptions ON redemptions.member_id = given.id
   AND redemptions.code = upper(given.code) AND state = 'captured'
"""
# Codes are not case sensitive, are used once, and only by their own customer.
USE = f"""{_GIVEN}
UPDATE redemptions SET state = 'used', order_id = given.order_id, next_attempt_at = NULL,
                       updated_at = $5
  FROM given
 WHERE redemptions.member_id = given.id AND redemptions.code = upper(given.code)
   AND state = 'captured'
RETURNING redemptions.shop, redemptions.order_id
"""
CODE_PREFIX = "HF-"  # of our discount codes: others are not looked for
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


async def use(conn: Connection, told: Iterable[tuple[str, OrderTold]], now: datetime) -> list[Key]:
    """The codes in these orders (shop, order) are used up: their shoppers need not see them any
    more. Which orders used one, by shop and id.
    """
    given = {
        (shop, order.customer_id, code, order.order_id)
        for shop, order in told
        for code in order.discount_codes
        if order.customer_id is not None and code[:3].upper() == CODE_PREFIX
    }
    if not given:
        return []
    columns = [*map(list, zip(*sorted(given), strict=True))]
    ids = [row["member_id"] for row in await conn.fetch(SELECT_OWNERS, *columns)]
    await Batch(now).lock(conn, ids=ids)  # before the redemption itself, as whoever settles it does
    rows = await conn.fetch(USE, *columns, now)
    return [(row["shop"], row["order_id"]) for row in rows]


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
