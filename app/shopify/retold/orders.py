"""The bodies of orders: the part of a webhook's that anything here reads, in its own words.

The API does not tell which line is a tip: that is found out by the sum of tips.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import combinations

from app.shopify.retold import parts
from app.shopify.retold.parts import ZERO, Answer, Json

TIP_LINES_MAX = 12  # beyond them no sums are tried
TIP = "tip"


def order(told: Answer, lines: Sequence[Answer], refunds: Sequence[Answer]) -> Json:
    """The body of `orders/updated`: `told` is the order, with all its `lines` and its `refunds` as
    `refund` makes them.
    """
    currency = told["currencyCode"]
    applied = {one["index"]: one.get("code") for one in parts.nodes(told, "discountApplications")}
    tips = _tips(lines, parts.amount(told["totalTipReceivedSet"]))
    codes = [{"code": code} for code in told["discountCodes"] or ()]
    company = (told.get("purchasingEntity") or {}).get("company")
    return {
        "id": parts.number(told["id"]),
        "admin_graphql_api_id": told["id"],
        **({"company": {"id": parts.number(company["id"])}} if company else {}),
        "cancelled_at": told["cancelledAt"],
        "created_at": told["createdAt"],
        "currency": currency,
        "discount_codes": codes,
        "email": told["email"],
        "financial_status": parts.lower(told["displayFinancialStatus"]),
        "name": told["name"],
        "presentment_currency": told["presentmentCurrencyCode"],
        "processed_at": told["processedAt"],
        "source_name": told["sourceName"],
        "tags": ", ".join(told["tags"] or ()),
        "taxes_included": told["taxesIncluded"],
        "test": told["test"],
        "total_outstanding": parts.text(parts.amount(told["totalOutstandingSet"]), currency),
        "updated_at": told["updatedAt"],
        "customer": _buyer(told["customer"]),
        "discount_applications": [
            {"code": applied[place]} if applied.get(place) else {}
            for place in range(max(applied, default=-1) + 1)
        ],
        "line_items": [_line(one, currency, is_tip=one["id"] in tips) for one in lines],
        "refunds": list(refunds),
        "shipping_address": _address(told["shippingAddress"]),
        "shipping_lines": [_shipping(one, currency) for one in parts.nodes(told, "shippingLines")],
    }


def _line(told: Answer, currency: str, *, is_tip: bool) -> Json:
    return {
        "id": parts.number(told["id"]),
        "admin_graphql_api_id": told["id"],
        "current_quantity": told["currentQuantity"],
        "gift_card": told["isGiftCard"],
        **parts.pair("price", told["originalUnitPriceSet"], currency),
        "product_id": parts.number(told["product"]["id"]) if told["product"] else None,
        "quantity": told["quantity"],
        "requires_shipping": told["requiresShipping"],
        "taxable": told["taxable"],
        "title": told["title"],
        "tax_lines": [parts.tax(one, currency) for one in told["taxLines"] or ()],
        "discount_allocations": [
            {
                **parts.pair("amount", one["allocatedAmountSet"], currency),
                "discount_application_index": one["discountApplication"]["index"],
            }
            for one in told["discountAllocations"] or ()
        ],
        **({"tip_payment_gateway": None} if is_tip else {}),
        **(
            {"selling_plan_allocation": {"selling_plan": {"name": told["sellingPlan"]["name"]}}}
            if told["sellingPlan"]
            else {}
        ),
    }


def _shipping(told: Answer, currency: str) -> Json:
    return {
        **parts.pair("price", told["originalPriceSet"], currency),
        **parts.pair("discounted_price", told["discountedPriceSet"], currency),
        "is_removed": False,
        "tax_lines": [parts.tax(one, currency) for one in told["taxLines"]],
        "discount_allocations": [
            parts.pair("amount", one["allocatedAmountSet"], currency)
            for one in told["discountAllocations"]
        ],
    }


def _buyer(told: Answer | None) -> Json | None:
    """The customer inside an order; None for a guest's, and for one who was deleted."""
    if not told:
        return None
    return {
        "id": parts.number(told["id"]),
        "first_name": told["firstName"],
        "last_name": told["lastName"],
        "email": parts.email(told),
    }


def _address(told: Answer | None) -> Json | None:
    if not told:
        return None
    return {
        "address1": told["address1"],
        "address2": told["address2"],
        "zip": told["zip"],
        "country_code": told["countryCodeV2"],
    }


def _tips(lines: Sequence[Answer], tips: Decimal) -> set[str]:
    """The gids of the lines that are tips, of which an order tells only the sum.

    Where several lines could be it and no sum says which, all of them are: what may be a tip earns
    nothing.
    """
    if not tips:
        return set()
    could_be = [
        one
        for one in lines
        if not (one["product"] or one["isGiftCard"] or one["taxable"] or one["requiresShipping"])
    ]
    named = [one for one in could_be if TIP in str(one["title"]).lower()]
    for some in (could_be, named, *_parts(could_be)):
        if sum((_gross(one) for one in some), ZERO) == tips:
            return {one["id"] for one in some}
    return {one["id"] for one in could_be}


def _parts(lines: Sequence[Answer]) -> Iterator[tuple[Answer, ...]]:
    if len(lines) <= TIP_LINES_MAX:
        for count in range(1, len(lines)):
            yield from combinations(lines, count)


def _gross(line: Answer) -> Decimal:
    return parts.amount(line["originalUnitPriceSet"]) * int(line["quantity"])
