"""Webhook bodies of refunds, alone and inside their order."""

from typing import Any

from devstore.shop import money, orders, things
from devstore.webhooks.payload_lines import line_item, shipping_line
from devstore.webhooks.payload_parts import money_set, pair, rfc3339

Json = dict[str, Any]


def refund(it: things.Order, one: things.Refund) -> Json:
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
        "total_duties_set": money_set(0, it.currency),
        "return": None,
        "refund_shipping_lines": [
            {
                "id": one.id,
                "subtotal_amount_set": money_set(one.shipping_cents, it.currency),
                "tax_amount_set": money_set(0, it.currency),
                "shipping_line": shipping_line(it),
            }
        ]
        if one.shipping_cents
        else [],
        "restock": False,
        "admin_graphql_api_id": f"gid://shopify/Refund/{one.id}",
        "order_adjustments": _adjustments(it, one),
        "refund_line_items": [_refund_line(it, lines[item.line_id], item) for item in one.items],
        "transactions": [_transaction(it, one)] if one.amount_cents else [],
    }


def _adjustments(it: things.Order, one: things.Refund) -> list[Json]:
    """What goes to the customer is negative: shipping, or an amount as such (a discrepancy)."""
    kinds = (
        ("shipping_refund", "Shipping refund", one.shipping_cents, one.id),
        ("refund_discrepancy", "Refund discrepancy", one.adjustment_cents, one.adjustment_id),
    )
    return [
        {
            "id": id_,
            "order_id": it.id,
            "refund_id": one.id,
            "kind": kind,
            "reason": reason,
            **pair("amount", -amount, it.currency),
            **pair("tax_amount", 0, it.currency),
        }
        for kind, reason, amount, id_ in kinds
        if amount
    ]


def _refund_line(it: things.Order, line: things.Line, item: things.RefundItem) -> Json:
    # `subtotal` and `total_tax` are JSON numbers here, unlike nearly all other money of Shopify.
    return {
        "id": item.id,
        "quantity": item.quantity,
        "line_item_id": item.line_id,
        "location_id": None,
        "restock_type": "no_restock",
        "subtotal": item.subtotal_cents / 100,
        "total_tax": item.tax_cents / 100,
        "subtotal_set": money_set(item.subtotal_cents, it.currency),
        "total_tax_set": money_set(item.tax_cents, it.currency),
        "line_item": line_item(it, line, orders.refundable(it, line)),
    }


def _transaction(it: things.Order, one: things.Refund) -> Json:
    zero = {"amount": "0.0", "currency": it.currency}
    return {
        "id": one.transaction_id,
        "order_id": it.id,
        "kind": "refund",
        "gateway": "bogus",
        "status": "success",
        "message": "Bogus Gateway: Forced success",
        "created_at": rfc3339(one.created_at),
        "test": it.is_test,
        "authorization": None,
        "location_id": None,
        "user_id": None,
        "parent_id": it.transaction_id,
        "processed_at": rfc3339(one.created_at),
        "device_id": None,
        "error_code": None,
        "source_name": "web",
        "receipt": {},
        "amount": money.text(one.amount_cents),
        "currency": it.currency,
        "payment_id": f"#{it.number}.1",
        "total_unsettled_set": {"presentment_money": zero, "shop_money": zero},
        "manual_payment_gateway": False,
        "amount_rounding": None,
        "admin_graphql_api_id": f"gid://shopify/OrderTransaction/{one.transaction_id}",
    }
