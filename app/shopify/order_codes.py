"""What discount codes take off the lines of an order."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from app.shopify import fields
from app.shopify.fields import Webhook
from app.shopify.shapes import Line, Order

CODE_LENGTH_MAX = 64
ZERO = Decimal(0)


def told(order: Order) -> list[str]:
    """The codes an order was placed with."""
    codes = (fields.text(one.code, CODE_LENGTH_MAX) for one in order.discount_codes or ())
    return [code for code in codes if code]


def offs(webhook: Webhook, order: Order) -> list[dict[str, str]]:
    """What codes take off each line, by code; amounts in the shop's money."""
    said = order.discount_applications
    applied = [_code(one) for one in said] if isinstance(said, list) else []
    return [_off(webhook, line, applied) for line in order.line_items]


def _off(webhook: Webhook, line: Line, applied: Sequence[str]) -> dict[str, str]:
    """`applied`: the code of each discount of the order, empty for what is none."""
    found: dict[str, Decimal] = {}
    for one in line.discount_allocations or ():
        place = one.discount_application_index
        code = applied[place] if isinstance(place, int) and 0 <= place < len(applied) else ""
        if code:
            where = f"A discount of line {line.id}"
            off = fields.amount(webhook, where, one.amount, one.amount_set)
            found[code] = found.get(code, ZERO) + off
    return {code: f"{off:f}" for code, off in found.items() if off}


def _code(applied: Any) -> str:
    code = applied.get("code") if isinstance(applied, dict) else None
    return fields.text(code, CODE_LENGTH_MAX) if isinstance(code, str) else ""
