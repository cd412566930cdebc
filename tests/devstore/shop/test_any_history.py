"""Whatever happens to an order and in whatever order, what is told of it adds up to the cent."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from devstore.errors import RefusedError
from devstore.shop import edits, money, orders, refunds, sold, things, totals
from devstore.shop.state import State
from devstore.webhooks import payloads

SHOP = "alice.myshopify.com"
ACTS = (
    "pay",
    "part",
    "add",
    "change",
    "discount",
    "exchange",
    "goods",
    "lines",
    "amount",
    "settle",
)
STEPS = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(1, 4000)), max_size=12)


def step(state: State, order: sold.Order, act: str, number: int) -> None:
    """One act with amounts and pieces taken from the number; raises RefusedError."""
    line = order.lines[number % len(order.lines)]
    pieces = [(line.id, 1 + number % 3)]
    item = things.Item("Teapot", number, 1 + number % 2, tip="null" if number % 7 == 0 else "")
    if act == "pay":
        orders.pay(state, order)
    elif act == "part":
        orders.pay(state, order, number)
    elif act == "add":
        edits.edit(state, order, edits.Wish(add=[item]))
    elif act == "change":
        edits.edit(state, order, edits.Wish(quantities=[(line.id, number % 4)]))
    elif act == "discount":
        edits.edit(state, order, edits.Wish(discounts=[(line.id, number % 50)]))
    elif act == "exchange":
        edits.exchange(state, order, pieces, [item])
    elif act == "settle":
        for one in order.refunds:
            refunds.settle(state, order, one, is_success=number % 2 == 0)
    elif act == "amount":
        refunds.refund_amount(state, order, number, is_pending=number % 2 == 0)
    else:
        given = 0 if act == "goods" else None
        refunds.refund_lines(state, order, pieces, money_cents=given, is_pending=number % 2 == 0)


def cents(body: dict[str, Any], name: str) -> int:
    return money.signed_cents(body[name])


@given(STEPS, st.booleans(), st.booleans(), st.integers(1, 3000), st.integers(1, 4))
def test_what_is_told_adds_up(
    steps: list[tuple[str, int]],
    taxes_included: bool,
    is_paid: bool,
    price_cents: int,
    quantity: int,
) -> None:
    state = State(None)
    basket = things.Basket([things.Item("Mug", price_cents, quantity)], email="guest@example.com")
    how = sold.Placing(taxes_included=taxes_included, tax_percent=19.0, is_paid=is_paid)
    order = orders.place(state, state.shop(SHOP), basket, how=how)
    moments = [order.updated_at]
    for act, number in steps:
        before = payloads.order(state, order)
        try:
            step(state, order, act, number)
        except RefusedError:
            if act != "settle":  # of several pending refunds, some may be settled before one is not
                assert payloads.order(state, order) == before, "a refusal changes nothing"
            continue
        moments.append(order.updated_at)
    assert moments == sorted(moments)
    body = payloads.order(state, order)
    tax = 0 if taxes_included else cents(body, "total_tax")
    parts = cents(body, "subtotal_price") + tax + order.shipping_cents
    assert cents(body, "total_price") == parts + cents(body, "total_tip_received")
    paid = sum(one.amount_cents for one in order.payments)
    moved = sum(one.money_cents for one in order.refunds if one.money_status == "success")
    assert cents(body, "current_total_price") - cents(body, "total_outstanding") == paid - moved
    assert 0 <= totals.refundable_cents(order) <= paid
    for line in body["line_items"]:
        back = [
            item
            for one in body["refunds"]
            for item in one["refund_line_items"]
            if item["line_item_id"] == line["id"]
        ]
        assert line["current_quantity"] == line["quantity"] - sum(one["quantity"] for one in back)
        assert line["current_quantity"] >= 0
