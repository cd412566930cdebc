"""What an order says of itself in numbers: pieces and money by line, and what refunds bring back.

All money is in the shop's currency, as exact decimals; a line's is that of all its pieces together.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from msgspec import UNSET

from app import money
from app.shopify import fields, shapes
from app.shopify.fields import Webhook
from app.shopify.shapes import Line, Order, RefundBody

TITLE_LENGTH_MAX = 64
RATE_MAX = 10
ZERO = Decimal(0)


def lines(webhook: Webhook, order: Order) -> list[dict[str, Any]]:
    """The lines of an order as facts tell them (`app.facts.OrderLine`)."""
    prices = [_price(webhook, line) for line in order.line_items]
    taxes = _taxes(webhook, order, prices)
    is_included = bool(order.taxes_included)
    return [
        _line(line, max(price - tax, ZERO) if is_included else price, tax)
        for line, price, tax in zip(order.line_items, prices, taxes, strict=True)
    ]


def refund(webhook: Webhook, one: RefundBody) -> dict[str, Any]:
    """A refund as facts tell it (`app.facts.Refund`)."""
    return {
        "refund_id": str(one.id),
        "lines": [
            {
                "line_id": str(line.line_item_id),
                "quantity": line.quantity,
                **_title(line.line_item.title if line.line_item else None),
            }
            for line in one.refund_line_items
        ],
        "adjustment": f"{_adjustment(webhook, one):f}",
    }


def outstanding(webhook: Webhook, order: Order) -> str:
    """What is still to be paid of an order; below 0 it is owed to the customer."""
    if order.total_outstanding is None:
        return "0"
    said = fields.finite(webhook, "What is outstanding", _said(order.total_outstanding), None)
    if order.financial_status == "paid":  # Shopify's own examples contradict themselves
        said = min(said, ZERO)
    return f"{said:f}"


def _price(webhook: Webhook, line: Line) -> Decimal:
    """What the line costs after its own and its part of the order's discounts, never below 0: the
    parts of a discount are rounded, and may be a cent more than their line.
    """
    where = f"line {line.id}"
    price = line.quantity * fields.amount(
        webhook, f"The price of {where}", line.price, line.price_set
    )
    for one in line.discount_allocations or ():
        price -= fields.amount(webhook, f"A discount of {where}", one.amount, one.amount_set)
    return max(price, ZERO)


def _taxes(webhook: Webhook, order: Order, prices: Sequence[Decimal]) -> list[Decimal]:
    """The tax of each line.

    Some tax services write the tax of all lines on the first one: it is spread over those that
    are taxed, by their price.
    """
    taxes = [
        sum(
            (
                fields.amount(webhook, f"A tax of line {line.id}", one.price, one.price_set)
                for one in line.tax_lines or ()
            ),
            ZERO,
        )
        for line in order.line_items
    ]
    if not taxes or not taxes[0] or any(taxes[1:]) or _is_its_own(order, prices[0], taxes[0]):
        return taxes
    weights = [
        ZERO if line.taxable is False or line.gift_card else price
        for line, price in zip(order.line_items, prices, strict=True)
    ]
    return _spread(taxes[0], weights, money.decimals(order.currency)) if any(weights) else taxes


def _is_its_own(order: Order, price: Decimal, tax: Decimal) -> bool:
    """Whether a tax is no more than its own rates say of its own line's price."""
    line = order.line_items[0]
    rate = sum((_rate(one.rate) for one in line.tax_lines or ()), ZERO)
    own = price * rate / (1 + rate) if order.taxes_included else price * rate
    roundings = line.quantity + len(line.tax_lines or ())
    return tax <= own + roundings * money.unit(order.currency)


def _rate(said: Any) -> Decimal:
    try:
        rate = Decimal(str(said))
    except InvalidOperation:
        return ZERO
    return rate if rate.is_finite() and 0 <= rate <= RATE_MAX else ZERO


def _spread(total: Decimal, weights: Sequence[Decimal], places: int) -> list[Decimal]:
    """`total` in parts proportional to `weights`, rounded to `places`; they add up exactly."""
    whole, unit = sum(weights, ZERO), Decimal(1).scaleb(-places)
    parts, so_far, given = [], ZERO, ZERO
    for place, weight in enumerate(weights, 1):
        so_far += weight
        is_last = place == len(weights)
        up_to = total if is_last else (total * so_far / whole).quantize(unit, ROUND_HALF_UP)
        parts.append(up_to - given)
        given = up_to
    return parts


def _line(line: Line, amount: Decimal, tax: Decimal) -> dict[str, Any]:
    told: dict[str, Any] = {
        "line_id": str(line.id),
        "quantity": line.quantity,
        "amount": f"{amount:f}",
        "gift_card": bool(line.gift_card),
    }
    if line.current_quantity is not None and line.current_quantity != line.quantity:
        told["kept"] = line.current_quantity
    if tax:
        told["tax"] = f"{tax:f}"
    if line.tip_payment_gateway is not UNSET or line.tip is not None:
        told["tip"] = True
    return {**told, **_title(line.title)} if line.title else told


def _title(title: str | None) -> dict[str, str]:
    cleaned = fields.text(title, TITLE_LENGTH_MAX)
    return {"title": cleaned} if cleaned else {}


def _adjustment(webhook: Webhook, one: RefundBody) -> Decimal:
    """Money of a refund that is not the worth of its lines, netted: below 0 what was given back
    beyond it, above 0 what was not given back of it.

    Shipping earned nothing. A payment that is still pending is booked as not given back, in a pair
    with the amount itself: it is on its way, and counts as given.
    """
    given = kept = ZERO
    for adjustment in one.order_adjustments or ():
        if _is_shipping(adjustment):
            continue
        amount = fields.finite(
            webhook, "A refund adjustment", adjustment.amount, adjustment.amount_set
        )
        if adjustment.tax_amount is not None or adjustment.tax_amount_set is not None:
            amount += fields.finite(
                webhook,
                "The tax of a refund adjustment",
                adjustment.tax_amount,
                adjustment.tax_amount_set,
            )
        given += min(ZERO, amount)
        kept += max(ZERO, amount)
    if kept:
        for transaction in one.transactions or ():
            if transaction.status == "pending":
                kept -= fields.amount(webhook, "A pending refund", _said(transaction.amount), None)
    return given + max(ZERO, kept)


def _is_shipping(adjustment: shapes.Adjustment) -> bool:
    if adjustment.kind is None:
        return "shipping" in str(adjustment.reason).lower()
    return adjustment.kind == "shipping_refund"


def _said(amount: Any) -> Decimal | None:
    """An amount whose field may have any shape, as it says nothing where it is not needed."""
    try:
        return Decimal(str(amount))
    except InvalidOperation:
        return None
