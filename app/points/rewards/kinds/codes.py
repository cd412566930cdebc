"""Discount codes, whatever they discount: for one customer and one use, found and switched off by
their code.
"""

from datetime import UTC, datetime
from typing import Any

from app.points.rewards.kinds.parts import Ask, Found, Lease, Wish, check

SETTLES_SECONDS = 0.0  # a second one with the same code is refused


def basic(lease: Lease, value: dict[str, Any]) -> Wish:
    """A code that takes `value` off the whole order, or off some products or collections."""
    details = lease.details
    gets = {"value": value, "items": _items(details.products, details.collections)}
    wanted = {**_any(lease), **_minimum(lease), "customerGets": gets}
    return Wish(
        "discount_create",
        {"basicCodeDiscount": wanted},
        "discountCodeBasicCreate",
        "codeDiscountNode",
    )


def shipping(lease: Lease) -> Wish:
    """A code that makes shipping free, wherever it goes."""
    wanted = {**_any(lease), **_minimum(lease), "destination": {"all": True}}
    return Wish(
        "discount_free_shipping_create",
        {"freeShippingCodeDiscount": wanted},
        "discountCodeFreeShippingCreate",
        "codeDiscountNode",
    )


def one_free(lease: Lease) -> Wish:
    """A code that makes one piece of some products free when something of some collections is
    bought with it, one piece or as much as the minimum says.
    """
    details = lease.details
    buys = {"amount": details.minimum} if details.minimum else {"quantity": "1"}
    free = {"discountOnQuantity": {"quantity": "1", "effect": {"percentage": 1.0}}}
    wanted = {
        **_any(lease),
        "usesPerOrderLimit": 1,
        "customerBuys": {"value": buys, "items": _items([], details.bought)},
        "customerGets": {"value": free, "items": _items(details.products, [])},
    }
    return Wish(
        "discount_bxgy_create",
        {"bxgyCodeDiscount": wanted},
        "discountCodeBxgyCreate",
        "codeDiscountNode",
    )


async def find(ask: Ask, lease: Lease) -> Found | None:
    """The discount that has this code now, ours or not."""
    data = await ask("discount_by_code", {"code": lease.code})
    node = data["codeDiscountNodeByCode"]
    if node is None:
        return None
    found = node.get("codeDiscount") or {}
    return Found(
        node["id"],
        str(lease.id) in found.get("title", ""),
        found.get("status", "ACTIVE") != "EXPIRED",
        found.get("asyncUsageCount") or 0,
    )


async def take_back(ask: Ask, _lease: Lease, found: Found) -> str:
    """Switch a code off."""
    data = await ask("discount_deactivate", {"id": found.gid})
    check(data["discountCodeDeactivate"], "switch the code off")
    return ""


def _any(lease: Lease) -> dict[str, Any]:
    """What all codes say: one use, by this customer."""
    details = lease.details
    wanted: dict[str, Any] = {
        "title": lease.name,
        "code": lease.code,
        "startsAt": moment(lease.created_at),
        "usageLimit": 1,
        "appliesOncePerCustomer": True,
        "context": {"customers": {"add": [lease.customer_gid]}},
    }
    if lease.ends_at is not None:
        wanted["endsAt"] = moment(lease.ends_at)
    if details.combines_with:
        wanted["combinesWith"] = {
            f"{one}Discounts": one in details.combines_with
            for one in ("order", "product", "shipping")
        }
    return wanted


def _minimum(lease: Lease) -> dict[str, Any]:
    least = lease.details.minimum
    subtotal = {"subtotal": {"greaterThanOrEqualToSubtotal": least}}
    return {"minimumRequirement": subtotal} if least else {}


def _items(products: list[str], collections: list[str]) -> dict[str, Any]:
    if products:
        return {"products": {"productsToAdd": [f"gid://shopify/Product/{one}" for one in products]}}
    if collections:
        return {"collections": {"add": [f"gid://shopify/Collection/{one}" for one in collections]}}
    return {"all": True}


def moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
