"""What we ask Shopify about a redemption, whatever its kind: make it, find it, take it back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import msgspec

from app import db, text
from app.core import admin_api
from app.db import Row, Stores
from app.errors import HoldfastError, UnavailableError
from app.points.rewards import kinds
from app.points.rewards.kinds.parts import Ask, Found, Lease
from app.points.rewards.rules import Details
from app.resilience.guard import BusyError, RefusedByCircuitError
from app.shopify.graphql import ShopifyRefusedError, ThrottledError
from app.shopify.tokens import GrantLostError

SAID_LENGTH_MAX = 300  # of what Shopify says, in whatever language
TRANSIENT_CODES = frozenset({"INTERNAL_ERROR"})
NEVER_SENT = (RefusedByCircuitError, BusyError, ThrottledError, GrantLostError)
# what Shopify says by a code alone, in words a shopper understands
SENTENCES = {
    "CREDIT_LIMIT_EXCEEDED": "This store credit would be more than Shopify lets one customer have.",
    "GIFT_CARD_LIMIT_EXCEEDED": "Shopify does not issue gift cards of that amount.",
    "OWNER_NOT_FOUND": "Shopify does not know this customer any more.",
    "ACCOUNT_NOT_FOUND": "Shopify does not know this customer any more.",
}
COLUMNS = """
id, shop, customer_id, title, kind, amount_off, details, ends_at, code, state, attempts, tries_sent,
give_up_at, created_at, request_id, taking_back_at, taking_back_after, taken_gid,
ARRAY(SELECT other.taken_gid FROM redemptions AS other
       WHERE other.shop = redemptions.shop AND other.customer_id = redemptions.customer_id
         AND other.taken_gid <> '' AND other.id <> redemptions.id) AS taken_by_others
"""
# written before each try: from then on it may be gone, whatever we hear
TAKING_BACK = """
UPDATE redemptions
   SET taking_back_at = $2,
       taking_back_after = CASE WHEN taking_back_after = '' THEN $3 ELSE taking_back_after END
 WHERE id = $1
"""
# what has taken back one redemption is not there for another one
TAKEN = "UPDATE redemptions SET taken_gid = $2 WHERE id = $1 AND taken_gid = ''"
ASKED_JUST_NOW = "Shopify was asked for this a moment ago. Please try again in a few minutes."
_details = msgspec.json.Decoder(Details)


class NotSentError(UnavailableError):
    """The create was refused on our side: Shopify has not heard of it."""

    code = "not_sent"


class Refusal(msgspec.Struct, frozen=True):
    """Shopify says no for good; the reason as a plain sentence."""

    reason: str


def lease(row: Row) -> Lease:
    """A Lease from a row with COLUMNS."""
    return Lease(**{**row, "details": _details.decode(row["details"])})


async def create(stores: Stores, client: httpx.AsyncClient, lease: Lease) -> Found | Refusal:
    """Make it. Raises NotSentError, and whatever leaves open whether it was made."""
    kind, ask = kinds.BY_NAME[lease.kind], _asking(stores, client, lease)
    if lease.kind in kinds.WITHOUT_KEY and lease.tries_sent > 1:
        # nothing keeps a second one apart from the first: look for that one before
        found = await kind.find(ask, lease)
        if found is not None:
            return found if found.is_active else Refusal("It was taken back in Shopify.")
    wish = kind.send(lease)
    try:
        data = await ask(wish.document, wish.variables)
    except NEVER_SENT as error:
        raise NotSentError(error.message) from error
    except ShopifyRefusedError as error:
        if lease.tries_sent > 1:  # this one did nothing; one before it may have
            raise
        return Refusal(f"Shopify refused it: {error.message}")
    answer = data[wish.answer]
    errors = answer.get("userErrors") or []
    if not errors:
        return Found(answer[wish.made]["id"], is_ours=True, is_active=True)
    codes = {error.get("code") for error in errors}
    if codes & TRANSIENT_CODES:
        raise HoldfastError("Shopify had an internal error.", code="shopify_internal_error")
    # refused: perhaps because an earlier attempt, whose answer was lost, has made it already
    is_taken = "TAKEN" in codes
    found = await kind.find(ask, lease) if is_taken or lease.tries_sent > 1 else None
    if found and found.is_ours:
        return found if found.is_active else Refusal("The code was switched off in Shopify.")
    if is_taken and found is None:
        # Shopify's search comes after its writes: whose it is will be known a little later
        raise HoldfastError("Shopify has this code and does not show it yet.", code="not_shown_yet")
    return Refusal(_sentence(errors))


async def find(stores: Stores, client: httpx.AsyncClient, lease: Lease) -> Found | None:
    """What Shopify has of this redemption; None: nothing, or somebody else's."""
    found = await kinds.BY_NAME[lease.kind].find(_asking(stores, client, lease), lease)
    if found is not None and found.taken_gid and not lease.taken_gid:
        await _note_taken(lease, found.taken_gid)
    return found


async def take_back(stores: Stores, client: httpx.AsyncClient, lease: Lease, found: Found) -> Lease:
    """Make what was found worthless; the lease with what is known since. Raises SpentError when it
    was used, and UnavailableError while an earlier call that nobody has heard of may still do it.
    """
    now = datetime.now(UTC)
    settles = timedelta(seconds=kinds.WITHOUT_KEY.get(lease.kind, 0.0))
    if lease.taking_back_at is not None and now - lease.taking_back_at < settles:
        raise UnavailableError(ASKED_JUST_NOW)
    async with db.connection() as conn:
        await conn.execute(TAKING_BACK, lease.id, now, found.newest)
    kind = kinds.BY_NAME[lease.kind]
    gid = await kind.take_back(_asking(stores, client, lease), lease, found)
    if gid:
        await _note_taken(lease, gid)
    return lease._replace(taking_back_at=now, taken_gid=gid)


async def _note_taken(lease: Lease, gid: str) -> None:
    try:
        async with db.connection() as conn:
            await conn.execute(TAKEN, lease.id, gid)
    except asyncpg.UniqueViolationError:  # another redemption's at this very moment: look again
        raise UnavailableError(ASKED_JUST_NOW) from None


def _sentence(errors: list[dict[str, Any]]) -> str:
    known = [SENTENCES[one["code"]] for one in errors if one.get("code") in SENTENCES]
    if known:
        return known[0]
    said = "; ".join(str(error.get("message") or "") for error in errors)
    return f"Shopify refused it: {text.clean(said, SAID_LENGTH_MAX)}"


def _asking(stores: Stores, client: httpx.AsyncClient, lease: Lease) -> Ask:
    async def ask(document: str, variables: dict[str, Any]) -> dict[str, Any]:
        return await admin_api.call(client, stores.config, lease.shop, document, variables)

    return ask
