"""What an order says of itself in numbers: pieces and money by line, and what refunds bring back.

All money is in the shop's currency, as exact decimals; a line's is that of all its pieces together.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from msgspec import UNSET

from app import money
from app.shopify import fields, order_codes, shapes
from app.shopify.fields import Webhook
from app.shopify.shapes import Line, Order, RefundBody

TITLE_LENGTH_MAX = 64
TAGS_MAX = 250  # Shopify allows no more
RENEWALS = "subscription_contract"  # how the source of an order that a plan made begins
RATE_MAX = 10
AMOUNT_BELOW = 10**12
ZERO = Decimal(0)


def lines(webhook: Webhook, order: Order) -> list[dict[str, Any]]:
    """The lines of an order as facts tell them (`app.facts.OrderLine`)."""
    prices = [_price(webhook, line) for line in order.line_items]
    taxes = _taxes(webhook, order, prices)
    is_included = bool(order.taxes_included)
    source = order.source_name
    is_renewal = isinstance(source, str) and source.startswith(RENEWALS)
    told = [
        _line(line, max(price - tax, ZERO) if is_included else price, tax, is_renewal=is_renewal)
        for line, price, tax in zip(order.line_items, prices, taxes, strict=True)
    ]
    if order.discount_codes:
        for one, off in zip(told, order_codes.offs(webhook, order), strict=True):
            if off:
                one["off"] = off
    if order.refunds:
        _without(told, order.refunds)
    return told


def _without(told: list[dict[str, Any]], refunds: Sequence[RefundBody]) -> None:
    """An order that tells of refunds says that their pieces are gone, whatever its lines say."""
    back: dict[str, int] = {}
    for refund_line in (line for one in refunds for line in one.refund_line_items):
        line_id = str(refund_line.line_item_id)
        back[line_id] = back.get(line_id, 0) + refund_line.quantity
    for line in told:
        if gone := back.get(line["line_id"]):
            left = max(0, line["quantity"] - gone)
            line["kept"] = min(line.get("kept", left), left)


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
        **_told("shipping", _shipping_back(one)),
    }


def shipping(order: Order) -> dict[str, str]:
    """What shipping costs after discounts, and its tax; nothing where it is free. Whatever of it
    makes no sense counts as free: points for it are the exception.
    """
    price = tax = ZERO
    for line in _dicts(order.shipping_lines):
        if line.get("is_removed") is True:
            continue
        full = _money(line, "price")
        off = sum((_money(one, "amount") for one in _dicts(line.get("discount_allocations"))), ZERO)
        price += max(ZERO, min(full - off, _money(line, "discounted_price", full)))
        tax += sum((_money(one, "price") for one in _dicts(line.get("tax_lines"))), ZERO)
    net = max(ZERO, price - tax) if order.taxes_included else price
    return {**_told("shipping", net), **_told("shipping_tax", tax)} if price else {}


def origin(order: Order) -> dict[str, Any]:
    """Where an order comes from, as far as rules may ask: its source, tags, and a company."""
    told: dict[str, Any] = {}
    source = fields.text(order.source_name if isinstance(order.source_name, str) else "", 64)
    if source not in {"", "web"}:
        told["source"] = source
    tags = order.tags if isinstance(order.tags, str) else ""
    if names := [name for part in tags.split(",") if (name := fields.text(part.strip(), 255))]:
        told["tags"] = names[:TAGS_MAX]
    if isinstance(order.company, dict) and order.company.get("id"):
        told["is_b2b"] = True
    return told


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


def _line(line: Line, amount: Decimal, tax: Decimal, *, is_renewal: bool) -> dict[str, Any]:
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
    if isinstance(line.product_id, int) and line.product_id > 0:
        told["product_id"] = str(line.product_id)
    if is_renewal or line.selling_plan_allocation:
        told["subscription"] = True
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
                told = _said(transaction.amount)
                said = fields.amount(webhook, "A pending refund", told, None)
                kept -= _in_shop_money(said, one.order_adjustments or ())
    return given + max(ZERO, kept)


def _in_shop_money(paid: Decimal, adjustments: Sequence[shapes.Adjustment]) -> Decimal:
    """What a payment is in the shop's money: it is told in the customer's, and booked in both."""
    for one in adjustments:
        sets = one.amount_set
        if sets and sets.shop_money and sets.presentment_money:
            told = sets.presentment_money.amount
            if told.is_finite() and abs(told) == paid and sets.shop_money.amount.is_finite():
                return abs(sets.shop_money.amount)
    return paid


def _shipping_back(one: RefundBody) -> Decimal:
    """What a refund gives back of shipping, tax and all: by its adjustments, or by the lines that
    newer versions tell.
    """
    back = ZERO
    for adjustment in one.order_adjustments or ():
        if _is_shipping(adjustment):
            for amount, in_sets in (
                (adjustment.amount, adjustment.amount_set),
                (adjustment.tax_amount, adjustment.tax_amount_set),
            ):
                told = in_sets.shop_money.amount if in_sets and in_sets.shop_money else amount
                back -= told if told is not None and told.is_finite() else ZERO
    if not back:
        for line in _dicts(one.refund_shipping_lines):
            back += _money(line, "subtotal_amount") + _money(line, "tax_amount")
    return max(ZERO, back)


def _dicts(told: Any) -> list[dict[str, Any]]:
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []


def _money(told: dict[str, Any], name: str, otherwise: Decimal = ZERO) -> Decimal:
    """An amount in the shop's money, where it is one."""
    in_sets = told.get(f"{name}_set")
    money_ = in_sets.get("shop_money") if isinstance(in_sets, dict) else None
    said = _said(money_.get("amount") if isinstance(money_, dict) else told.get(name))
    is_amount = said is not None and said.is_finite() and abs(said) < AMOUNT_BELOW
    return said if said is not None and is_amount and said == round(said, 6) else otherwise


def _told(name: str, amount: Decimal) -> dict[str, str]:
    return {name: f"{amount:f}"} if amount else {}


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
