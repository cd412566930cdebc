"""What we ask Shopify about the code of a friend: make it, find it, switch it off."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import httpx

from app import text
from app.core import admin_api
from app.db import Stores
from app.errors import HoldfastError, UnavailableError
from app.referrals.views import Settings

TITLE = "A friend's first order (Holdfast referral {id}.{round})"


class Wanted(NamedTuple):
    """A code that is to be made or switched off."""

    id: int
    shop: str
    code: str
    code_round: int
    offer: Settings
    claimed_at: datetime
    attempts: int
    discount_gid: str
    friend_email: str


class Found(NamedTuple):
    """A discount with our code, by its id at Shopify."""

    gid: str
    is_active: bool = True


class Refusal(NamedTuple):
    """Shopify says no for good; why, as a plain sentence."""

    reason: str


async def has_ordered(stores: Stores, client: httpx.AsyncClient, wanted: Wanted) -> bool:
    """Whether Shopify knows orders of the friend, also of before the app was installed."""
    asked = {"email": wanted.friend_email}
    found = (await _call(stores, client, wanted, "customer_by_email", asked))[
        "customerByIdentifier"
    ]
    return found is not None and int(found.get("numberOfOrders") or 0) > 0


async def make(stores: Stores, client: httpx.AsyncClient, wanted: Wanted) -> Found | Refusal:
    """Make the code, or find the one an earlier call made whose answer was lost. Raises whatever
    leaves open whether it was made.
    """
    if wanted.attempts > 1 and (found := await find(stores, client, wanted)):
        return found
    answer = (
        await _call(
            stores, client, wanted, "discount_create", {"basicCodeDiscount": discount(wanted)}
        )
    )["discountCodeBasicCreate"]
    errors = answer.get("userErrors") or []
    if not errors:
        return Found(answer["codeDiscountNode"]["id"])
    codes = {error.get("code") for error in errors}
    if "INTERNAL_ERROR" in codes:
        raise UnavailableError("Shopify had an internal error.")
    if "TAKEN" in codes:
        node = await _node(stores, client, wanted)
        if node is None:
            # Shopify's search comes after its writes: whose it is will be known a little later
            raise UnavailableError("Shopify has this code and does not show it yet.")
        if found := _ours(node, wanted):
            return found
    said = text.clean("; ".join(str(error.get("message") or "") for error in errors), 300)
    return Refusal(f"Shopify refused the code: {said}")


async def find(stores: Stores, client: httpx.AsyncClient, wanted: Wanted) -> Found | None:
    """The discount with this code, when it is ours."""
    return _ours(await _node(stores, client, wanted), wanted)


async def _node(stores: Stores, client: httpx.AsyncClient, wanted: Wanted) -> Any:
    data = await _call(stores, client, wanted, "discount_by_code", {"code": wanted.code})
    return data["codeDiscountNodeByCode"]


def _ours(node: Any, wanted: Wanted) -> Found | None:
    details = (node or {}).get("codeDiscount") or {}
    if node is None or _title(wanted) not in details.get("title", ""):
        return None
    return Found(node["id"], details.get("status", "ACTIVE") != "EXPIRED")


async def switch_off(stores: Stores, client: httpx.AsyncClient, wanted: Wanted) -> None:
    """Take the code out of use, if there is one."""
    gid = wanted.discount_gid
    if not gid:
        found = await find(stores, client, wanted)
        if found is None:
            return
        gid = found.gid
    answer = await _call(stores, client, wanted, "discount_deactivate", {"id": gid})
    if errors := answer["discountCodeDeactivate"].get("userErrors"):
        raise HoldfastError(f"Shopify did not switch the code off: {errors[0].get('message', '')}")


def discount(wanted: Wanted) -> dict[str, Any]:
    """The DiscountCodeBasicInput of a friend: one use, once; the title proves that it is ours."""
    offer = wanted.offer
    starts = wanted.claimed_at.astimezone(UTC)
    value: dict[str, Any] = {"percentage": float(offer.friend_value / Decimal(100))}
    if offer.friend_kind == "amount":
        amount = {"amount": str(offer.friend_value), "appliesOnEachItem": False}
        value = {"discountAmount": amount}
    found: dict[str, Any] = {
        "title": _title(wanted),
        "code": wanted.code,
        "startsAt": _written(starts),
        "endsAt": _written(starts + timedelta(days=offer.code_days)),
        "usageLimit": 1,
        "appliesOncePerCustomer": True,
        "context": {"all": "ALL"},
        "customerGets": {"value": value, "items": {"all": True}},
    }
    if offer.friend_minimum > 0:
        least = {"greaterThanOrEqualToSubtotal": str(offer.friend_minimum)}
        found["minimumRequirement"] = {"subtotal": least}
    return found


def _title(wanted: Wanted) -> str:
    return TITLE.format(id=wanted.id, round=wanted.code_round)


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


async def _call(
    stores: Stores,
    client: httpx.AsyncClient,
    wanted: Wanted,
    document: str,
    variables: dict[str, Any],
) -> dict[str, Any]:
    return await admin_api.call(client, stores.config, wanted.shop, document, variables)
