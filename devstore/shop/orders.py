"""What happens to an order: it is placed, paid, refunded by lines or by amount, and cancelled."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from devstore.errors import RefusedError
from devstore.shop import discounts, money, things
from devstore.shop.state import State

TAX_PERCENT = 8.0
SHIPPING_CENTS = 500
FREE_SHIPPING_FROM_CENTS = 5000
LINES_LIMIT = 100
QUANTITY_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Quote:
    lines: list[things.Line]
    codes: list[things.CodeUse]
    shipping_cents: int

    @property
    def subtotal_cents(self) -> int:
        return sum(line.net_cents for line in self.lines)

    @property
    def tax_cents(self) -> int:
        return sum(line.tax_cents for line in self.lines)

    @property
    def total_cents(self) -> int:
        return self.subtotal_cents + self.tax_cents + self.shipping_cents


def quote(
    items: Sequence[things.Item], used: Sequence[things.Discount], new_id: Iterable[int]
) -> Quote:
    """Lines with discounts and taxes, and shipping: what the checkout shows and the order keeps."""
    ids = iter(new_id)
    lines = [
        things.Line(
            id=next(ids),
            product_id=item.product_id,
            variant_id=item.variant_id,
            title=item.title,
            price_cents=item.price_cents,
            quantity=item.quantity,
            is_gift_card=item.is_gift_card,
        )
        for item in items
    ]
    codes = [discounts.apply(discount, lines) for discount in used]
    for line in lines:
        line.tax_cents = 0 if line.is_gift_card else money.percentage(line.net_cents, TAX_PERCENT)
    goods = sum(line.net_cents for line in lines if not line.is_gift_card)
    ships = any(not line.is_gift_card for line in lines)
    return Quote(lines, codes, SHIPPING_CENTS if ships and goods < FREE_SHIPPING_FROM_CENTS else 0)


def place(
    state: State,
    shop: things.Shop,
    basket: things.Basket,
    *,
    codes: Sequence[str] = (),
    is_test: bool = False,
    is_paid: bool = True,
    processed_at: str | None = None,
    size_bytes: int = 0,
) -> things.Order:
    """Place an order; each code is used up by it.

    Raises RefusedError when there is nothing to buy, CodeRefusedError when a code may not be used.
    """
    if not basket.items or len(basket.items) > LINES_LIMIT:
        raise RefusedError(f"An order has between 1 and {LINES_LIMIT} lines.")
    if any(not 1 <= item.quantity <= QUANTITY_LIMIT for item in basket.items):
        raise RefusedError(f"A quantity is between 1 and {QUANTITY_LIMIT}.")
    used = discounts.check_all(state, shop, codes, basket)
    quoted = quote(basket.items, used, iter(state.new_id, None))
    customer = basket.customer
    at = processed_at or things.now()
    order = things.Order(
        id=state.new_id(),
        shop=shop.domain,
        number=shop.next_order_number,
        token=uuid.uuid4().hex,
        customer_id=customer.id if customer else None,
        email=customer.email if customer else basket.email,
        currency=shop.currency,
        created_at=at,
        processed_at=at,
        updated_at=at,
        lines=quoted.lines,
        codes=quoted.codes,
        shipping_cents=quoted.shipping_cents,
        transaction_id=state.new_id(),
        shipping_line_id=state.new_id(),
        is_paid=is_paid,
        is_test=is_test,
        size_bytes=size_bytes,
    )
    shop.next_order_number += 1
    state.put("shop", shop.domain, shop)
    state.put("order", order.id, order)
    for discount in used:
        discount.uses += 1
        discount.used_by.append(basket.buyer)
        state.put("discount", discount.id, discount)
    return order


def pay(state: State, order: things.Order) -> None:
    """Raises RefusedError when it is paid or cancelled."""
    if order.is_paid or order.cancelled_at:
        raise RefusedError("This order is paid or cancelled already.")
    order.is_paid = True
    _changed(state, order)


def refundable(order: things.Order, line: things.Line) -> int:
    """How many pieces of the line have not been refunded."""
    back = sum(
        item.quantity
        for refund in order.refunds
        for item in refund.items
        if item.line_id == line.id
    )
    return line.quantity - back


def refundable_cents(order: things.Order) -> int:
    return paid_cents(order) - sum(refund.amount_cents for refund in order.refunds)


def paid_cents(order: things.Order) -> int:
    lines = sum(line.net_cents + line.tax_cents for line in order.lines)
    return lines + order.shipping_cents if order.is_paid else 0


def refund_lines(
    state: State,
    order: things.Order,
    wanted: Sequence[tuple[int, int]],
    *,
    note: str | None = None,
    at: str = "",
) -> things.Refund:
    """Refund `(line id, quantity)` pairs; all refunds of a line together are the line exactly.

    Raises RefusedError for an unknown line, or more than is left.
    """
    by_id = {line.id: line for line in order.lines}
    asked: dict[int, int] = {}
    for line_id, quantity in wanted:
        if line_id not in by_id:
            raise RefusedError("That line is not part of this order.")
        asked[line_id] = asked.get(line_id, 0) + quantity
    items = [
        _refund_item(state, order, by_id[line_id], quantity) for line_id, quantity in asked.items()
    ]
    if not items:
        raise RefusedError("Nothing to refund.")
    return _refund(state, order, items, note=note, at=at)


def _refund_item(
    state: State, order: things.Order, line: things.Line, quantity: int
) -> things.RefundItem:
    left = refundable(order, line)
    if not 1 <= quantity <= left:
        raise RefusedError(f"Of “{line.title}” only {left} can still be refunded.")
    before, after = line.quantity - left, line.quantity - left + quantity
    subtotal, tax = (
        money.part(whole, after, line.quantity) - money.part(whole, before, line.quantity)
        for whole in (line.net_cents, line.tax_cents)
    )
    return things.RefundItem(state.new_id(), line.id, quantity, subtotal, tax)


def refund_whole(
    state: State, order: things.Order, *, note: str | None = None, at: str = ""
) -> things.Refund:
    """Everything that is left, with the shipping.

    Raises RefusedError when nothing is left.
    """
    left = [(line, refundable(order, line)) for line in order.lines if refundable(order, line)]
    shipping_cents = order.shipping_cents - sum(one.shipping_cents for one in order.refunds)
    if not left and not shipping_cents:
        raise RefusedError("Everything has been refunded already.")
    items = [_refund_item(state, order, line, quantity) for line, quantity in left]
    return _refund(state, order, items, shipping_cents=shipping_cents, note=note, at=at)


def refund_amount(
    state: State, order: things.Order, amount_cents: int, *, note: str | None = None, at: str = ""
) -> things.Refund:
    """Give back an amount without naming lines (an order adjustment).

    Raises RefusedError when it is more than what is left.
    """
    if not 0 < amount_cents <= refundable_cents(order):
        raise RefusedError(
            f"Between 0.01 and {money.text(refundable_cents(order))} can be refunded."
        )
    return _refund(state, order, [], adjustment_cents=amount_cents, note=note, at=at)


def cancel(state: State, order: things.Order, *, reason: str = "customer", at: str = "") -> None:
    """Raises RefusedError when it is cancelled already."""
    if order.cancelled_at:
        raise RefusedError("This order is cancelled already.")
    order.cancelled_at = at or things.now()
    order.cancel_reason = reason
    _changed(state, order, at)


def _refund(
    state: State,
    order: things.Order,
    items: list[things.RefundItem],
    *,
    shipping_cents: int = 0,
    adjustment_cents: int = 0,
    note: str | None,
    at: str,
) -> things.Refund:
    if not order.is_paid:
        raise RefusedError("An order that is not paid cannot be refunded.")
    refund = things.Refund(
        id=state.new_id(),
        transaction_id=state.new_id(),
        created_at=at or things.now(),
        note=note,
        items=items,
        shipping_cents=shipping_cents,
        adjustment_cents=adjustment_cents,
        adjustment_id=state.new_id(),
    )
    # what was given back as an amount earlier is not given back again with its lines
    refund.adjustment_cents -= max(0, refund.amount_cents - refundable_cents(order))
    order.refunds.append(refund)
    _changed(state, order, at)
    return refund


def _changed(state: State, order: things.Order, at: str = "") -> None:
    order.updated_at = at or things.now()
    state.put("order", order.id, order)


def financial_status(order: things.Order) -> str:
    """`pending`, `paid`, `partially_refunded`, `refunded` or `voided`."""
    if not order.is_paid:
        return "voided" if order.cancelled_at else "pending"
    if not order.refunds:
        return "paid"
    return "refunded" if refundable_cents(order) <= 0 else "partially_refunded"
