"""An order is placed, paid, perhaps in parts, given to a customer, and cancelled."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from devstore.errors import RefusedError
from devstore.shop import credits as credits_
from devstore.shop import discounts, money, sold, things, totals
from devstore.shop.state import State

SHIPPING_CENTS = 500
FREE_SHIPPING_FROM_CENTS = 5000
LINES_LIMIT = 100
QUANTITY_LIMIT = 10_000
TAX_PERCENT_LIMIT = 100.0
RATE_LIMIT = 1_000_000.0


@dataclass(frozen=True, slots=True)
class Terms:
    """In which currency prices are, and how they are taxed."""

    currency: str
    tax_percent: float
    taxes_included: bool


@dataclass(frozen=True, slots=True)
class Quote:
    lines: list[sold.Line]
    codes: list[sold.CodeUse]
    shipping_cents: int


def quote(
    items: Sequence[things.Item],
    used: Sequence[things.Discount],
    new_id: Iterable[int],
    terms: Terms,
    products: Mapping[int, set[int] | None] | None = None,
) -> Quote:
    """Lines with discounts and taxes, and shipping: what the checkout shows and the order keeps.
    `products` are those that discounts are for, by the discount.
    """
    ids, of = iter(new_id), products or {}
    lines = [new_line(next(ids), item) for item in items]
    codes = [discounts.apply(one, lines, terms.currency, of.get(one.id)) for one in used]
    for line, item in zip(lines, items, strict=True):
        if item.discount_cents:
            codes.append(take_off(line, item.discount_cents, len(codes)))
    tax = money.percentage_inside if terms.taxes_included else money.percentage
    for line in lines:
        if is_taxed(line):
            line.tax_cents = tax(max(0, line.net_cents), terms.tax_percent)
    goods = sum(line.net_cents for line in lines if is_taxed(line))
    ships = any(is_taxed(line) for line in lines)
    shipping_cents = SHIPPING_CENTS if ships and goods < FREE_SHIPPING_FROM_CENTS else 0
    for code in codes:
        if code.is_shipping:
            code.amount_cents, shipping_cents = shipping_cents, 0
    return Quote(lines, codes, shipping_cents)


def products_of(
    state: State, shop: things.Shop, used: Sequence[things.Discount]
) -> dict[int, set[int] | None]:
    """The products these discounts are for, by the discount's id."""
    return {one.id: discounts.products_of(state, shop, one) for one in used}


def terms_of(shop: things.Shop) -> Terms:
    return Terms(shop.currency, shop.tax_percent, shop.taxes_included)


def new_line(line_id: int, item: things.Item) -> sold.Line:
    return sold.Line(
        id=line_id,
        product_id=item.product_id,
        variant_id=item.variant_id,
        title=item.title,
        price_cents=item.price_cents,
        quantity=item.quantity,
        is_gift_card=item.is_gift_card,
        tip=item.tip,
        is_subscription=item.is_subscription,
    )


def take_off(line: sold.Line, amount_cents: int, index: int) -> sold.CodeUse:
    """Something off the line by hand, more than it costs if so wished, as discount `index`."""
    line.allocations += [0] * (index - len(line.allocations))
    line.allocations.append(amount_cents)
    return sold.CodeUse("", amount_cents, "", "fixed_amount")


def is_taxed(line: sold.Line) -> bool:
    """Goods are taxed and sent; gift cards and tips are not."""
    return not line.is_gift_card and not line.tip


def place(
    state: State,
    shop: things.Shop,
    basket: things.Basket,
    *,
    codes: Sequence[str] = (),
    how: sold.Placing | None = None,
) -> sold.Order:
    """Place an order; each code is used up by it.

    Raises RefusedError when there is nothing to buy, CodeRefusedError when a code may not be used.
    """
    how = how or sold.Placing()
    check_items(basket.items)
    used = discounts.check_all(state, shop, codes, basket)
    terms = Terms(
        shop.currency,
        _given(how.tax_percent, shop.tax_percent),
        _given(how.taxes_included, shop.taxes_included),
    )
    presentment = _given(how.presentment_currency, shop.presentment_currency)
    rate = _given(how.exchange_rate, shop.exchange_rate)
    check_terms(terms.tax_percent, rate)
    products = products_of(state, shop, used)
    quoted = quote(basket.items, used, iter(state.new_id, None), terms, products)
    customer = basket.customer
    at = how.at or things.now()
    order = sold.Order(
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
        shipping_cents=_given(how.shipping_cents, quoted.shipping_cents),
        shipping_line_id=state.new_id(),
        presentment_currency=presentment,
        exchange_rate=rate if presentment else 1.0,
        taxes_included=terms.taxes_included,
        tax_percent=terms.tax_percent,
        is_tax_on_first_line=_given(how.is_tax_on_first_line, shop.is_tax_on_first_line),
        source=how.source,
        tags=[*how.tags],
        company_id=how.company_id,
        guest_as=how.guest_as,
        is_test=how.is_test,
        size_bytes=how.size_bytes,
    )
    if how.is_paid:
        order.payments = [sold.Payment(state.new_id(), at, max(0, totals.total_cents(order)))]
        order.paid_by = credits_.pay(state, order, how.cards, with_credit=how.with_credit)
    shop.next_order_number += 1
    state.put("shop", shop.domain, shop)
    state.put("order", order.id, order)
    for discount in used:
        discount.uses += 1
        discount.used_by.append(basket.buyer)
        state.put("discount", discount.id, discount)
    return order


Value = TypeVar("Value")


def _given(asked: Value | None, otherwise: Value) -> Value:
    return otherwise if asked is None else asked


def check_items(items: Sequence[things.Item]) -> None:
    """Raises RefusedError for too few or too many lines or pieces."""
    if not items or len(items) > LINES_LIMIT:
        raise RefusedError(f"An order has between 1 and {LINES_LIMIT} lines.")
    if any(not 1 <= item.quantity <= QUANTITY_LIMIT for item in items):
        raise RefusedError(f"A quantity is between 1 and {QUANTITY_LIMIT}.")
    if any(item.tip and item.tip not in sold.TIPS for item in items):
        raise RefusedError(f"A tip is told by {', '.join(sold.TIPS)}.")


def check_terms(tax_percent: float, exchange_rate: float) -> None:
    """Raises RefusedError."""
    if not 0 <= tax_percent <= TAX_PERCENT_LIMIT:
        raise RefusedError(f"The tax is between 0 and {TAX_PERCENT_LIMIT:.0f} percent.")
    if not 0 < exchange_rate <= RATE_LIMIT:
        raise RefusedError(f"The exchange rate is above 0 and at most {RATE_LIMIT:.0f}.")


def pay(
    state: State, order: sold.Order, amount_cents: int | None = None, *, at: str = ""
) -> sold.Payment:
    """Pay what is outstanding, or a part of it.

    Raises RefusedError when nothing is, when it is cancelled, or for more than that.
    """
    due = max(0, totals.outstanding_cents(order))
    if order.cancelled_at or (order.is_paid and not due):
        raise RefusedError("This order is paid or cancelled already.")
    amount = due if amount_cents is None else amount_cents
    if not min(1, due) <= amount <= due:
        raise RefusedError(f"Between 0 and {money.text(due, order.currency)} can be paid.")
    made = sold.Payment(state.new_id(), at or things.now(), amount)
    order.payments.append(made)
    changed(state, order, at)
    return made


def attach(state: State, order: sold.Order, customer: things.Customer, *, at: str = "") -> None:
    """Say afterwards who bought it, as at a till; raises RefusedError when somebody did already."""
    if order.customer_id is not None:
        raise RefusedError("This order has a customer already.")
    order.customer_id, order.email = customer.id, customer.email
    changed(state, order, at)


def cancel(state: State, order: sold.Order, *, reason: str = "customer", at: str = "") -> None:
    """Raises RefusedError when it is cancelled already."""
    if order.cancelled_at:
        raise RefusedError("This order is cancelled already.")
    order.cancelled_at = at or things.now()
    order.cancel_reason = reason
    changed(state, order, at)


def changed(state: State, order: sold.Order, at: str = "") -> None:
    """Keep the order; `updated_at` grows with each change, by a second at least, because that is
    as fine as Shopify tells it, unless the state is asked to let changes share a second.
    """
    moment = datetime.fromisoformat(at or things.now())
    before = datetime.fromisoformat(order.updated_at)
    least = before if state.shares_seconds else before + timedelta(seconds=1)
    order.updated_at = max(moment, least).isoformat(timespec="milliseconds")
    state.put("order", order.id, order)
