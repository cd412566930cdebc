"""GraphQL objects of orders: their lines, their discounts, and what came back of them."""

from collections.abc import Sequence
from typing import Any

from devstore.api.nodes import Node, amount, bag, connection, customer, moment
from devstore.shop import money, orders, sold, things, totals
from devstore.shop.state import State
from devstore.webhooks import payloads
from devstore.webhooks.payload_lines import told_tax_cents
from devstore.webhooks.payload_parts import address

REASONS = {  # of an adjustment, as the API names them
    "Refund discrepancy": "REFUND_DISCREPANCY",
    "Pending refund discrepancy": "PENDING_REFUND_DISCREPANCY",
}


def order(state: State, shop_: things.Shop, it: sold.Order) -> Node:
    """Nobody for a customer who was deleted since; none of what webhooks alone tell, such as which
    line is a tip.
    """
    payload = payloads.order(state, it)
    buyer = state.find("customer", it.shop, it.customer_id)
    is_there = buyer is not None and not buyer.is_deleted
    sets = {
        name: bag(money.signed_cents(payload[key], it.currency), it.prices)
        for name, key in (
            ("totalPriceSet", "total_price"),
            ("subtotalPriceSet", "subtotal_price"),
            ("totalDiscountsSet", "total_discounts"),
            ("totalTaxSet", "total_tax"),
            ("currentTotalPriceSet", "current_total_price"),
            ("currentSubtotalPriceSet", "current_subtotal_price"),
            ("totalOutstandingSet", "total_outstanding"),
            ("totalTipReceivedSet", "total_tip_received"),
        )
    }
    return {
        "__typename": "Order",
        "id": payload["admin_graphql_api_id"],
        "legacyResourceId": str(it.id),
        "name": payload["name"],
        "email": it.email,
        "test": it.is_test,
        "createdAt": moment(it.created_at),
        "processedAt": moment(it.processed_at),
        "updatedAt": moment(it.updated_at),
        "cancelledAt": moment(it.cancelled_at),
        "currencyCode": it.currency,
        "presentmentCurrencyCode": it.prices.presentment,
        "displayFinancialStatus": payload["financial_status"].upper(),
        "taxesIncluded": it.taxes_included,
        "sourceName": it.source,
        "tags": [*it.tags],
        "discountCodes": [use.code for use in it.codes if use.code],
        "customer": customer(state, shop_, buyer) if is_there else None,
        "purchasingEntity": _company(it),
        "shippingAddress": _address(it, buyer),
        "discountApplications": lambda asked: _paged("DiscountApplication", _applied(it), asked),
        "shippingLines": lambda asked: _paged("ShippingLine", _shipping(it), asked),
        "lineItems": lambda asked: _paged(
            "LineItem", [line_item(it, line) for line in it.lines], asked
        ),
        "refunds": lambda asked: [refund(it, one) for one in it.refunds[: asked.get("first")]],
        **sets,
    }


def line_item(it: sold.Order, line: sold.Line) -> Node:
    goods = orders.is_taxed(line)
    return {
        "__typename": "LineItem",
        "id": f"gid://shopify/LineItem/{line.id}",
        "title": line.title,
        "name": line.title,
        "quantity": line.quantity,
        "currentQuantity": totals.pieces_left(it, line),
        "isGiftCard": line.is_gift_card,
        "taxable": goods,
        "requiresShipping": goods,
        "product": {"__typename": "Product", "id": f"gid://shopify/Product/{line.product_id}"}
        if line.product_id
        else None,
        "sellingPlan": {"__typename": "LineItemSellingPlan", "name": "Every month"}
        if line.is_subscription
        else None,
        "taxLines": _taxes(it, told_tax_cents(it, line)),
        "originalUnitPriceSet": bag(line.price_cents, it.prices),
        "originalTotalSet": bag(line.gross_cents, it.prices),
        "discountAllocations": [
            {
                "__typename": "DiscountAllocation",
                "allocatedAmountSet": bag(off, it.prices),
                "discountApplication": _application(it.codes[index], index),
            }
            for index, off in enumerate(line.allocations)
            if off
        ],
    }


def refund(it: sold.Order, one: sold.Refund) -> Node:
    """Shipping that came back is no adjustment here, as it is in webhooks."""
    lines = {line.id: line for line in it.lines}
    return {
        "__typename": "Refund",
        "id": f"gid://shopify/Refund/{one.id}",
        "createdAt": moment(one.created_at),
        "processedAt": moment(one.created_at),
        "note": one.note,
        "totalRefundedSet": bag(one.money_cents, it.prices),
        "orderAdjustments": lambda asked: _paged(
            "OrderAdjustment", [_adjustment(it, adjusted) for adjusted in one.adjustments], asked
        ),
        "refundShippingLines": lambda asked: _paged(
            "RefundShippingLine", _shipping_back(it, one), asked
        ),
        "transactions": lambda asked: _paged("OrderTransaction", _transactions(it, one), asked),
        "refundLineItems": lambda asked: _paged(
            "RefundLineItem",
            [
                {
                    "__typename": "RefundLineItem",
                    "quantity": item.quantity,
                    "lineItem": line_item(it, lines[item.line_id]),
                }
                for item in one.items
            ],
            asked,
        ),
    }


def _paged(kind: str, found: Sequence[Node], asked: dict[str, Any]) -> Node:
    """A page by the number of its first one."""
    first, after = int(asked.get("first") or 0), str(asked.get("after") or "")
    start = int(after) if after.isdigit() else 0
    page = [(str(place), one) for place, one in enumerate(found, 1)][start : start + first]
    has_next = start + first < len(found)
    return connection(kind, page, has_previous=start > 0, has_next=has_next)


def _company(it: sold.Order) -> Node | None:
    if it.company_id is None:
        return {"__typename": "Customer"} if it.customer_id else None
    company = {"__typename": "Company", "id": f"gid://shopify/Company/{it.company_id}"}
    return {"__typename": "PurchasingCompany", "company": company}


def _address(it: sold.Order, buyer: things.Customer | None) -> Node | None:
    if it.source == "pos":
        return None
    where = address(buyer.id if buyer else it.id, buyer)
    return {
        "__typename": "MailingAddress",
        "address1": where["address1"],
        "address2": where["address2"],
        "zip": where["zip"],
        "countryCodeV2": where["country_code"],
    }


def _applied(it: sold.Order) -> list[Node]:
    return [_application(use, index) for index, use in enumerate(it.codes)]


def _application(use: sold.CodeUse, index: int) -> Node:
    if not use.code:
        return {"__typename": "ManualDiscountApplication", "index": index, "title": "By hand"}
    return {"__typename": "DiscountCodeApplication", "index": index, "code": use.code}


def _shipping(it: sold.Order) -> list[Node]:
    if not it.shipping_cents:
        return []
    price = bag(it.shipping_cents, it.prices)
    return [
        {
            "__typename": "ShippingLine",
            "title": "Standard",
            "originalPriceSet": price,
            "discountedPriceSet": price,
            "taxLines": [],
            "discountAllocations": [],
        }
    ]


def _taxes(it: sold.Order, cents: int) -> list[Node]:
    if not cents:
        return []
    rate = round(it.tax_percent / 100, 6)
    return [{"__typename": "TaxLine", "priceSet": bag(cents, it.prices), "rate": rate}]


def _adjustment(it: sold.Order, adjusted: sold.Adjustment) -> Node:
    return {
        "__typename": "OrderAdjustment",
        "reason": REASONS.get(adjusted.reason),
        "amountSet": bag(adjusted.amount_cents, it.prices),
        "taxAmountSet": bag(0, it.prices),
    }


def _shipping_back(it: sold.Order, one: sold.Refund) -> list[Node]:
    if not one.shipping_cents:
        return []
    return [
        {
            "__typename": "RefundShippingLine",
            "subtotalAmountSet": bag(one.shipping_cents, it.prices),
            "taxAmountSet": bag(0, it.prices),
        }
    ]


def _transactions(it: sold.Order, one: sold.Refund) -> list[Node]:
    if not one.money_cents:
        return []
    prices = it.prices
    both = {
        "__typename": "MoneyBag",
        "shopMoney": amount(one.money_cents, prices.currency),
        "presentmentMoney": amount(prices.presented(one.money_cents), prices.presentment),
    }
    status = one.money_status.upper()
    node = {"__typename": "OrderTransaction", "kind": "REFUND", "status": status, "amountSet": both}
    return [node]
