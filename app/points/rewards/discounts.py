"""What we ask Shopify about the discount code of a redemption: make it, find it, switch it off."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import httpx

from app.core import admin_api
from app.db import Stores
from app.errors import HoldfastError, UnavailableError
from app.resilience.guard import BusyError, RefusedByCircuitError
from app.shopify.graphql import ThrottledError

TITLE_LENGTH_MAX = 80
TRANSIENT_CODES = frozenset({"INTERNAL_ERROR"})
NEVER_SENT = (RefusedByCircuitError, BusyError, ThrottledError)


class NotSentError(UnavailableError):
    """The create was refused on our side: Shopify has not heard of it."""

    code = "not_sent"


class Lease(NamedTuple):
    """A redemption whose turn we have; `tries_sent` counts creates that may have reached Shopify,
    the one of this turn among them.
    """

    id: UUID
    shop: str
    customer_id: str
    title: str
    amount_off: Decimal
    code: str
    state: str
    attempts: int
    tries_sent: int
    give_up_at: datetime
    created_at: datetime
    request_id: str  # of who asked for it, or its trace


class Refusal(NamedTuple):
    """Shopify says no for good; the reason as a plain sentence."""

    reason: str


class Found(NamedTuple):
    """A discount with our code; `gid` is its id at Shopify."""

    gid: str
    is_ours: bool
    is_active: bool
    uses: int = 0


async def create(stores: Stores, client: httpx.AsyncClient, lease: Lease) -> Found | Refusal:
    """Make the code. Raises NotSentError, and whatever leaves open whether it was made."""
    wanted = {"basicCodeDiscount": discount(lease)}
    try:
        data = await _execute(stores, client, lease.shop, "discount_create", wanted)
    except NEVER_SENT as error:
        raise NotSentError(error.message) from error
    answer = data["discountCodeBasicCreate"]
    errors = answer.get("userErrors") or []
    if not errors:
        return Found(answer["codeDiscountNode"]["id"], is_ours=True, is_active=True)
    codes = {error.get("code") for error in errors}
    if codes & TRANSIENT_CODES:
        raise HoldfastError("Shopify had an internal error.", code="shopify_internal_error")
    # refused: perhaps because an earlier attempt, whose answer was lost, has made it already
    found = (
        await look_up(stores, client, lease) if "TAKEN" in codes or lease.tries_sent > 1 else None
    )
    if found and found.is_ours:
        return found if found.is_active else Refusal("The code was switched off in Shopify.")
    said = "; ".join(str(error.get("message", "")) for error in errors)
    return Refusal(f"Shopify refused the code: {said[:300]}")


async def look_up(stores: Stores, client: httpx.AsyncClient, lease: Lease) -> Found | None:
    """The discount that has this code now, ours or not."""
    data = await _execute(stores, client, lease.shop, "discount_by_code", {"code": lease.code})
    node = data["codeDiscountNodeByCode"]
    if node is None:
        return None
    details = node.get("codeDiscount") or {}
    return Found(
        node["id"],
        str(lease.id) in details.get("title", ""),
        details.get("status", "ACTIVE") != "EXPIRED",
        details.get("asyncUsageCount") or 0,
    )


async def deactivate(stores: Stores, client: httpx.AsyncClient, shop: str, gid: str) -> None:
    """Switch a code off."""
    data = await _execute(stores, client, shop, "discount_deactivate", {"id": gid})
    if errors := data["discountCodeDeactivate"].get("userErrors"):
        raise HoldfastError(f"Shopify did not switch the code off: {errors[0].get('message', '')}")


def discount(lease: Lease) -> dict[str, Any]:
    """The DiscountCodeBasicInput of a redemption: one use, by this customer; the title proves
    that it is ours.
    """
    return {
        "title": f"{lease.title[:TITLE_LENGTH_MAX]} (Holdfast {lease.id})",
        "code": lease.code,
        "startsAt": lease.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "usageLimit": 1,
        "appliesOncePerCustomer": True,
        "context": {"customers": {"add": [f"gid://shopify/Customer/{lease.customer_id}"]}},
        "customerGets": {
            "value": {
                "discountAmount": {"amount": str(lease.amount_off), "appliesOnEachItem": False}
            },
            "items": {"all": True},
        },
    }


async def _execute(
    stores: Stores, client: httpx.AsyncClient, shop: str, document: str, variables: dict[str, Any]
) -> dict[str, Any]:
    return await admin_api.call(client, stores.config, shop, document, variables)
