"""What staff do about a reward that is stuck, or was not wanted: try its code again, give the
points back, cancel the code.

Points go back only when nobody can use the code any more: Shopify is asked first, and where it does
not answer nothing is changed.
"""

from datetime import UTC, datetime, timedelta

import httpx

from app import db
from app.db import Stores
from app.errors import NotFoundError
from app.points.rewards import issuing, redemption, settling
from app.points.rewards.kinds.parts import SpentError
from app.points.views import RedemptionView

LEASE = timedelta(seconds=10)  # of an attempt under way
NO_SUCH = "There is no such reward of this customer."
# what is due later than a lease lasts only waits, and nobody is at it
HURRY = """
UPDATE redemptions SET next_attempt_at = $3
 WHERE id = $1 AND shop = $2 AND state = 'held' AND next_attempt_at > $4
"""
# nobody begins another attempt while we look
CLAIM = f"""
UPDATE redemptions SET next_attempt_at = $3 WHERE id = $1 AND shop = $2 AND state = 'held'
RETURNING {issuing.COLUMNS}
"""
SELECT_CODE = f"SELECT {issuing.COLUMNS} FROM redemptions WHERE id = $1 AND shop = $2"
BELONGS = "SELECT 1 FROM redemptions WHERE id = $1 AND shop = $2 AND customer_id = $3"


async def check(shop: str, customer_id: str, redemption_id: str) -> None:
    """Raises NotFoundError unless it is this customer's."""
    async with db.connection() as conn:
        if not await conn.fetchval(BELONGS, redemption_id, shop, customer_id):
            raise NotFoundError(NO_SUCH)


async def retry(
    stores: Stores, client: httpx.AsyncClient, shop: str, redemption_id: str
) -> RedemptionView:
    """Try to make the code now. One that is settled stays as it is; so does one at which somebody
    else is just now.
    """
    now = datetime.now(UTC)
    async with db.connection() as conn:
        await conn.execute(HURRY, redemption_id, shop, now, now + LEASE)
    return await redemption.complete(stores, client, redemption_id)


async def give_back(
    stores: Stores, client: httpx.AsyncClient, shop: str, redemption_id: str, by: str
) -> RedemptionView:
    """Give the held points back and make sure that no code of theirs works. Settled ones stay as
    they are. Raises FrozenError, and UnavailableError when Shopify cannot be asked.
    """
    now = datetime.now(UTC)
    async with db.connection() as conn:
        row = await conn.fetchrow(CLAIM, redemption_id, shop, now + LEASE)
    if row is not None:
        lease = issuing.lease(row)
        # none was ever asked for: there is nothing to switch off
        found = await issuing.find(stores, client, lease) if lease.tries_sent else None
        if found and found.is_ours and found.is_active:
            await issuing.take_back(stores, client, lease, found)
        await settling.give_back(stores, redemption_id, f"Given back by {by}.")
    return await redemption.view(redemption_id)


async def cancel(
    stores: Stores, client: httpx.AsyncClient, shop: str, redemption_id: str, by: str
) -> RedemptionView:
    """Switch off a code that was given and not used, and give its points back. Settled ones stay
    as they are. Raises SpentError when the code was used, FrozenError, and UnavailableError when
    Shopify cannot be asked.
    """
    async with db.connection() as conn:
        row = await conn.fetchrow(SELECT_CODE, redemption_id, shop)
    if row is None:
        raise NotFoundError(NO_SUCH)
    if row["state"] == "captured":
        lease = issuing.lease(row)
        found = await issuing.find(stores, client, lease)
        if found and found.is_ours and found.is_active:
            lease = await issuing.take_back(stores, client, lease, found)
            found = await issuing.find(stores, client, lease)  # what was used until then
        if found and found.is_ours and found.uses:
            raise SpentError
        await settling.cancel(stores, redemption_id, f"Cancelled by {by}.")
    return await redemption.view(redemption_id)
