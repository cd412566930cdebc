"""Messages of a life as Shopify writes them."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.points.lives import Line, Message, Refund
from tests.points.webhooks import Webhook, adjustment, pair, transaction

Json = dict[str, Any]


def webhook(
    message: Message, shop: str, order_id: int, placed: datetime, code: str = ""
) -> Webhook:
    """The message as Shopify writes it, perhaps with a code; ids of refunds are of their order."""
    if message.refund is not None:
        body = _refund(order_id, *message.refund, placed + timedelta(seconds=message.at))
        return Webhook("refunds/create", json.dumps(body).encode(), shop)
    at = (placed + timedelta(seconds=message.at)).isoformat()
    found = message.snapshot
    body = {
        "id": order_id,
        "name": f"#{order_id}",
        "currency": "USD",
        "financial_status": "paid",
        "created_at": placed.isoformat(),
        "processed_at": placed.isoformat(),
        "updated_at": at,
        "cancelled_at": at if message.is_cancelled else None,
        "line_items": [],
        "test": False,
        "discount_codes": [{"code": code, "amount": "1.00", "type": "fixed_amount"}]
        if code
        else [],
    }
    topic = "orders/cancelled"
    if found is not None:
        topic = found.topic
        body |= {
            "financial_status": found.status,
            "customer": {"id": _number(found.customer)} if found.customer else {},
            "taxes_included": found.is_included,
            "total_outstanding": _text(found.outstanding),
            "line_items": [_line(line) for line in found.lines],
            "refunds": [
                _refund(order_id, name, one, placed) for name, one in found.refunds.items()
            ],
        }
    return Webhook(topic, json.dumps(body).encode(), shop)


def _number(customer: str) -> int:
    return {"bob": 7001, "charlie": 7002}.get(customer) or int(customer)


def _text(amount: int) -> str:
    return str(Decimal(amount) / 100)


def _line(line: Line) -> Json:
    taxes = [{"rate": 0.99, **pair("price", _text(line.tax))}] if line.tax else []
    return {
        "id": int(line.name),
        "title": f"Thing {line.name}",
        "product_id": int(line.name),
        "quantity": line.quantity,
        "current_quantity": line.kept,
        "gift_card": line.kind == "gift card",
        "taxable": False,  # so that a tax is its line's own, however large
        **({"tip_payment_gateway": None} if line.kind == "null tip" else {}),
        **({"tip": {"payment_gateway": "bogus"}} if line.kind == "tip" else {}),
        **pair("price", _text(line.price)),
        "tax_lines": taxes,
        "discount_allocations": [pair("amount", _text(line.off))] if line.off else [],
    }


def _refund(order_id: int, name: str, one: Refund, at: datetime) -> Json:
    shipping = [adjustment(_text(-one.shipping), "shipping_refund")] if one.shipping else []
    told = [
        adjustment(_text(cents_), None if place_ % 2 else "refund_discrepancy")
        for place_, cents_ in enumerate(one.adjustments)
    ]
    return {
        "id": order_id * 1000 + int(name),
        "order_id": order_id,
        "created_at": at.isoformat(),
        "refund_line_items": [
            {"line_item_id": int(line), "quantity": count} for line, count in one.pieces.items()
        ],
        "order_adjustments": [*told, *shipping],
        "transactions": [transaction(_text(one.pending), "pending")] if one.pending else [],
    }
