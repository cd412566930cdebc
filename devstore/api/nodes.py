"""GraphQL objects as dictionaries: a value, or a function of the arguments, by field."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from devstore.shop import discounts, money, things, totals
from devstore.shop.money import Prices
from devstore.shop.state import State

Node = dict[str, Any]


def amount(cents: int, currency: str) -> Node:
    """With one decimal at least, and no more zeros than it needs: webhooks write all decimals."""
    said = money.text(cents, currency)
    whole, _, rest = said.partition(".")
    return {
        "__typename": "MoneyV2",
        "amount": f"{whole}.{rest.rstrip('0') or '0'}",
        "currencyCode": currency,
    }


def moment(at: str | None) -> str | None:
    """A time as the API writes it: in UTC, and as fine as a second."""
    if not at:
        return None
    return datetime.fromisoformat(at).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def bag(cents: int, prices: Prices) -> Node:
    """The amount in the shop's currency and in the customer's."""
    return {
        "__typename": "MoneyBag",
        "shopMoney": amount(cents, prices.currency),
        "presentmentMoney": amount(prices.presented(cents), prices.presentment),
    }


def connection(
    kind: str,
    found: Sequence[tuple[str, Node]],
    *,
    has_previous: bool = False,
    has_next: bool = False,
) -> Node:
    """`found` are `(cursor, node)` pairs of one page."""
    return {
        "__typename": f"{kind}Connection",
        "nodes": [node for _, node in found],
        "edges": [
            {"__typename": f"{kind}Edge", "cursor": cursor, "node": node} for cursor, node in found
        ],
        "pageInfo": {
            "__typename": "PageInfo",
            "hasNextPage": has_next,
            "hasPreviousPage": has_previous,
            "startCursor": found[0][0] if found else None,
            "endCursor": found[-1][0] if found else None,
        },
    }


def collection(it: things.Collection) -> Node:
    """With its products as far as their ids, page by page."""

    def products(arguments: dict[str, Any]) -> Node:
        first, after = int(arguments.get("first") or 0), str(arguments.get("after") or "")
        start = int(after) if after.isdigit() else 0
        page = it.product_ids[start : start + first]
        found = [
            (str(place), {"__typename": "Product", "id": f"gid://shopify/Product/{one}"})
            for place, one in enumerate(page, start + 1)
        ]
        return connection("Product", found, has_next=start + first < len(it.product_ids))

    return {
        "__typename": "Collection",
        "id": f"gid://shopify/Collection/{it.id}",
        "title": it.title,
        "products": products,
    }


def shop(it: things.Shop) -> Node:
    return {
        "__typename": "Shop",
        "id": f"gid://shopify/Shop/{it.id}",
        "name": it.name,
        "email": f"owner@{it.handle}.example",
        "contactEmail": f"owner@{it.handle}.example",
        "shopOwnerName": "Alice Owner",
        "myshopifyDomain": it.domain,
        "url": f"https://{it.domain}",
        "primaryDomain": {"__typename": "Domain", "host": it.domain, "url": f"https://{it.domain}"},
        "currencyCode": it.currency,
        "ianaTimezone": it.timezone,
        "createdAt": moment(it.created_at),
        "updatedAt": moment(things.now()),
        "plan": {
            "__typename": "ShopPlan",
            "displayName": "Basic",
            "publicDisplayName": "Basic",
            "partnerDevelopment": False,
            "shopifyPlus": False,
        },
    }


def customer(state: State, shop_: things.Shop, it: things.Customer) -> Node:
    bought = [
        one
        for one in state.of_shop("order", shop_.domain)
        if one.customer_id == it.id and one.is_paid
    ]
    return {
        "__typename": "Customer",
        "id": f"gid://shopify/Customer/{it.id}",
        "legacyResourceId": str(it.id),
        "firstName": it.first_name + ("\ufffd" if it.has_half_emoji else ""),
        "lastName": it.last_name,
        "displayName": it.name,
        "email": it.email,
        "phone": it.phone,
        "note": it.note,
        "state": "ENABLED",
        "locale": "en",
        "tags": [*it.tags],
        "verifiedEmail": True,
        "createdAt": moment(it.created_at),
        "updatedAt": moment(it.updated_at),
        "numberOfOrders": str(len(bought)),
        "amountSpent": amount(sum(totals.refundable_cents(one) for one in bought), shop_.currency),
        "defaultEmailAddress": {
            "__typename": "CustomerEmailAddress",
            "emailAddress": it.email,
            "marketingState": it.consent.upper(),
            "marketingUpdatedAt": moment(it.consented_at),
        }
        if it.email
        else None,
    }


def discount(shop_: things.Shop, it: things.Discount) -> Node:
    """A DiscountCodeNode."""
    code = {
        "__typename": "DiscountRedeemCode",
        "id": f"gid://shopify/DiscountRedeemCode/{it.redeem_code_id}",
        "code": it.code,
        "asyncUsageCount": it.uses,
    }
    kind = "DiscountCodeBxgy" if it.bought_ids else "DiscountCodeBasic"
    kind = "DiscountCodeFreeShipping" if it.is_shipping else kind
    basic = {
        "__typename": kind,
        "title": it.title,
        "status": discounts.status(it),
        "startsAt": it.starts_at,
        "endsAt": it.ends_at,
        "createdAt": it.created_at,
        "updatedAt": it.updated_at,
        "usageLimit": it.usage_limit,
        "asyncUsageCount": it.uses,
        "appliesOncePerCustomer": it.once_per_customer,
        "codes": connection("DiscountRedeemCode", [(str(it.redeem_code_id), code)]),
        "codesCount": {"__typename": "Count", "count": 1, "precision": "EXACT"},
        "discountClass": discounts.kind(it).upper(),
        "discountClasses": [discounts.kind(it).upper()],
        "summary": it.title,
        "shortSummary": it.title,
        "tags": [],
        "combinesWith": {
            "__typename": "DiscountCombinesWith",
            "orderDiscounts": it.combines_with_orders,
            "productDiscounts": it.combines_with_products,
            "shippingDiscounts": it.combines_with_shipping,
        },
        "context": _context(it),
        "customerGets": {
            "__typename": "DiscountCustomerGets",
            "value": _value(shop_, it),
            "items": _items(it),
            "appliesOnOneTimePurchase": True,
            "appliesOnSubscription": False,
        },
        "minimumRequirement": _minimum(shop_, it),
    }
    return {
        "__typename": "DiscountCodeNode",
        "id": f"gid://shopify/DiscountCodeNode/{it.id}",
        "codeDiscount": basic,
    }


def any_discount(shop_: things.Shop, it: things.Discount) -> Node:
    """The same as `discountNodes` has it, where automatic ones stand beside codes."""
    gid, found = f"gid://shopify/DiscountNode/{it.id}", discount(shop_, it)["codeDiscount"]
    return {"__typename": "DiscountNode", "id": gid, "discount": found}


def _items(it: things.Discount) -> Node:
    for kind, ids in (("Product", it.product_ids), ("Collection", it.collection_ids)):
        if ids:
            found = [
                (str(one), {"__typename": kind, "id": f"gid://shopify/{kind}/{one}"}) for one in ids
            ]
            listed = connection(kind, found)
            return {"__typename": f"Discount{kind}s", f"{kind.lower()}s": listed}
    return {"__typename": "AllDiscountItems", "allItems": True}


def _context(it: things.Discount) -> Node:
    if it.customer_ids is None:
        return {"__typename": "DiscountBuyerSelectionAll", "all": "ALL"}
    customers = [
        {"__typename": "Customer", "id": f"gid://shopify/Customer/{one}"} for one in it.customer_ids
    ]
    return {"__typename": "DiscountCustomers", "customers": customers}


def _value(shop_: things.Shop, it: things.Discount) -> Node:
    if it.amount_cents is None:
        return {"__typename": "DiscountPercentage", "percentage": it.percent / 100}
    off = amount(it.amount_cents, shop_.currency)
    return {"__typename": "DiscountAmount", "amount": off, "appliesOnEachItem": it.on_each_item}


def _minimum(shop_: things.Shop, it: things.Discount) -> Node | None:
    if it.minimum_subtotal_cents is not None:
        least = amount(it.minimum_subtotal_cents, shop_.currency)
        return {"__typename": "DiscountMinimumSubtotal", "greaterThanOrEqualToSubtotal": least}
    if it.minimum_quantity is not None:
        least_count = str(it.minimum_quantity)
        return {
            "__typename": "DiscountMinimumQuantity",
            "greaterThanOrEqualToQuantity": least_count,
        }
    return None
