"""Webhook bodies of refunds, alone and inside their order."""

from typing import Any

from devstore.shop import money, sold
from devstore.webhooks.payload_lines import refunded_line_item, shipping_line
from devstore.webhooks.payload_parts import money_set, pair, rfc3339

Json = dict[str, Any]
MESSAGES = {"success": "Bogus Gateway: Forced success", "failure": "Bogus Gateway: Forced failure"}


def refund(it: sold.Order, one: sold.Refund) -> Json:
    """The refund object of `refunds/create`, also held in `order.refunds`."""
    lines = {line.id: line for line in it.lines}
    at = rfc3339(one.created_at)
    return {
        "id": one.id,
        "order_id": it.id,
        "created_at": at,
        "note": one.note,
        "user_id": 548380009,
        "processed_at": at,
        "duties": [],
        "total_duties_set": money_set(0, it.prices),
        "return": {
            "id": one.return_id,
            "admin_graphql_api_id": f"gid://shopify/Return/{one.return_id}",
        }
        if one.return_id
        else None,
        "refund_shipping_lines": [
            {
                "id": one.id,
                "subtotal_amount_set": money_set(one.shipping_cents, it.prices),
                "tax_amount_set": money_set(0, it.prices),
                "shipping_line": shipping_line(it),
            }
        ]
        if one.shipping_cents
        else [],
        "restock": one.restock_type != "no_restock",
        "admin_graphql_api_id": f"gid://shopify/Refund/{one.id}",
        "order_adjustments": _adjustments(it, one),
        "refund_line_items": [
            _refund_line(it, lines[item.line_id], item, one.restock_type) for item in one.items
        ],
        "transactions": [_transaction(it, one)] if one.money_cents else [],
    }


def _adjustments(it: sold.Order, one: sold.Refund) -> list[Json]:
    """What goes to the customer is negative: shipping, or an amount as such (a discrepancy)."""
    shipping = sold.Adjustment(one.id, -one.shipping_cents, "Shipping refund", "shipping_refund")
    return [
        {
            "id": adjustment.id,
            "order_id": it.id,
            "refund_id": one.id,
            **({} if adjustment.kind is None else {"kind": adjustment.kind}),
            "reason": adjustment.reason,
            **pair("amount", adjustment.amount_cents, it.prices),
            **pair("tax_amount", 0, it.prices),
        }
        for adjustment in (shipping, *one.adjustments)
        if adjustment.amount_cents
    ]


def _refund_line(it: sold.Order, line: sold.Line, item: sold.RefundItem, restock_type: str) -> Json:
    # `subtotal` and `total_tax` are JSON numbers here, unlike nearly all other money of Shopify.
    subtotal, tax = (
        float(money.text(cents, it.currency)) for cents in (item.subtotal_cents, item.tax_cents)
    )
    return {
        "id": item.id,
        "quantity": item.quantity,
        "line_item_id": item.line_id,
        "location_id": None if restock_type == "no_restock" else 655441491,
        "restock_type": restock_type,
        "subtotal": subtotal,
        "total_tax": tax,
        "subtotal_set": money_set(item.subtotal_cents, it.prices),
        "total_tax_set": money_set(item.tax_cents, it.prices),
        "line_item": refunded_line_item(it, line),
    }


def _transaction(it: sold.Order, one: sold.Refund) -> Json:
    """The money, in the currency the customer paid in."""
    prices = it.prices
    return {
        "id": one.transaction_id,
        "order_id": it.id,
        "kind": "refund",
        "gateway": "bogus",
        "status": one.money_status,
        "message": MESSAGES.get(one.money_status),
        "created_at": rfc3339(one.created_at),
        "test": it.is_test,
        "authorization": None,
        "location_id": None,
        "user_id": None,
        "parent_id": it.payments[0].id,
        "processed_at": rfc3339(one.created_at),
        "device_id": None,
        "error_code": None,
        "source_name": it.source,
        "receipt": {},
        "amount": money.text(prices.presented(one.money_cents), prices.presentment),
        "currency": prices.presentment,
        "payment_id": f"#{it.number}.1",
        "total_unsettled_set": money_set(0, prices, "currency"),
        "manual_payment_gateway": False,
        "amount_rounding": None,
        "admin_graphql_api_id": f"gid://shopify/OrderTransaction/{one.transaction_id}",
    }
