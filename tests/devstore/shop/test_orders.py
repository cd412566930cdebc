"""Orders, discounts and refunds add up to the cent, whatever the order of events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devstore.errors import CodeRefusedError, RefusedError
from devstore.shop import money, orders, refunds, sold, things, totals
from devstore.shop.state import State
from devstore.webhooks import payload_refunds, payloads

SHOP = "alice.myshopify.com"
# price, quantity, gift card
LINE = st.tuples(st.integers(1, 50_000), st.integers(1, 6), st.booleans())
LINES = st.lists(LINE, min_size=1, max_size=6)


def discount(state: State, code: str = "FIVE", **fields: object) -> things.Discount:
    at = "2020-01-01T00:00:00+00:00"
    made = things.Discount(
        id=state.new_id(),
        redeem_code_id=state.new_id(),
        shop=SHOP,
        code=code,
        title=code,
        created_at=at,
        updated_at=at,
        **{"starts_at": at, "amount_cents": 500, **fields},
    )
    state.put("discount", made.id, made)
    return made


def place(
    state: State, lines: list[tuple[int, int, bool]], codes: tuple[str, ...] = ()
) -> sold.Order:
    items = [
        things.Item(f"Thing {n}", price, quantity, gift)
        for n, (price, quantity, gift) in enumerate(lines)
    ]
    return orders.place(
        state, state.shop(SHOP), things.Basket(items, None, "guest@example.com"), codes=codes
    )


@given(LINES, st.integers(1, 100_000))
def test_an_amount_off_the_order_is_spread_over_its_lines_but_gift_cards(
    lines: list[tuple[int, int, bool]], off: int
) -> None:
    state = State(None)
    discount(state, amount_cents=off)
    goods = sum(price * quantity for price, quantity, gift in lines if not gift)
    if not goods:
        with pytest.raises(CodeRefusedError):
            place(state, lines, ("five",))
        return
    order = place(state, lines, ("five",))
    body = payloads.order(state, order)
    allocated = [
        money.cents(allocation["amount"])
        for line in body["line_items"]
        for allocation in line["discount_allocations"]
    ]
    assert sum(allocated) == min(off, goods) == money.cents(body["total_discounts"])
    assert all(
        line["discount_allocations"] == [] for line in body["line_items"] if line["gift_card"]
    )
    assert body["discount_codes"] == [
        {"code": "FIVE", "amount": body["total_discounts"], "type": "fixed_amount"}
    ]
    total = (
        money.cents(body["subtotal_price"]) + money.cents(body["total_tax"]) + order.shipping_cents
    )
    assert money.cents(body["total_price"]) == total


@given(LINES, st.randoms(use_true_random=False))
def test_refunds_in_any_split_and_order_sum_to_the_order_exactly(
    lines: list[tuple[int, int, bool]], dice
) -> None:
    state = State(None)
    if any(not gift for _, _, gift in lines):
        discount(state)
        order = place(state, lines, ("FIVE",))
    else:
        order = place(state, lines)
    pieces = [line.id for line in order.lines for _ in range(line.quantity)]
    dice.shuffle(pieces)
    for line_id in pieces[: len(pieces) // 2]:
        refunds.refund_lines(state, order, [(line_id, 1)])
    refunds.refund_whole(state, order)
    assert sum(refund.money_cents for refund in order.refunds) == totals.received_cents(order)
    for line in order.lines:
        back = [
            item for refund in order.refunds for item in refund.items if item.line_id == line.id
        ]
        assert sum(item.subtotal_cents for item in back) == line.net_cents
        assert sum(item.quantity for item in back) == line.quantity
    body = payloads.order(state, order)
    assert body["financial_status"] == "refunded"
    left = {body[f"current_{name}"] for name in ("total_price", "subtotal_price", "total_tax")}
    assert left == {"0.00"}


def test_an_amount_given_back_is_not_given_back_again_with_the_lines() -> None:
    state = State(None)
    order = place(state, [(1000, 2, False)])
    refunds.refund_amount(state, order, 700)
    refunds.refund_whole(state, order)
    assert sum(refund.money_cents for refund in order.refunds) == totals.received_cents(order)
    amounts = [
        payload_refunds.refund(order, refund)["order_adjustments"] for refund in order.refunds
    ]
    assert [one["amount"] for one in amounts[0]] == ["-7.00"]
    assert {one["kind"]: one["amount"] for one in amounts[1]} == {
        "shipping_refund": "-5.00",
        "refund_discrepancy": "7.00",
    }


@pytest.mark.parametrize("quantity", [0, -1, 3])
def test_no_more_and_no_fewer_pieces_than_there_are_can_be_refunded(quantity: int) -> None:
    state = State(None)
    order = place(state, [(1000, 2, False)])
    with pytest.raises(RefusedError):
        refunds.refund_lines(state, order, [(order.lines[0].id, quantity)])


def test_an_unpaid_order_has_nothing_to_refund_and_can_be_paid_once() -> None:
    state = State(None)
    basket = things.Basket([things.Item("Mug", 1000, 1)], None, "guest@example.com")
    order = orders.place(state, state.shop(SHOP), basket, how=sold.Placing(is_paid=False))
    assert totals.financial_status(order) == "pending"
    with pytest.raises(RefusedError):
        refunds.refund_whole(state, order)
    orders.pay(state, order)
    assert totals.financial_status(order) == "paid"
    with pytest.raises(RefusedError):
        orders.pay(state, order)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"is_active": False}, "not active"),
        ({"ends_at": "2021-01-01T00:00:00+00:00"}, "not active"),
        ({"starts_at": "2999-01-01T00:00:00+00:00"}, "not active"),
        ({"customer_ids": [7]}, "not available"),
        ({"usage_limit": 1, "uses": 1}, "used already"),
        ({"once_per_customer": True, "used_by": ["guest@example.com"]}, "once per customer"),
        ({"minimum_subtotal_cents": 5000}, "50.00"),
        ({"minimum_quantity": 5}, "5 items"),
    ],
)
def test_a_code_that_may_not_be_used_is_refused_with_its_reason(
    fields: dict[str, object], why: str
) -> None:
    state = State(None)
    discount(state, **fields)
    with pytest.raises(CodeRefusedError, match=why):
        place(state, [(1000, 1, False)], ("FIVE",))


def test_two_codes_combine_only_when_both_allow_it() -> None:
    state = State(None)
    discount(state, "ONE", combines_with_orders=True)
    discount(state, "TWO", combines_with_orders=True, amount_cents=None, percent=10.0)
    discount(state, "ALONE")
    order = place(state, [(10_000, 1, False)], ("ONE", "TWO"))
    assert [use.amount_cents for use in order.codes] == [500, 950]
    with pytest.raises(CodeRefusedError, match="combined"):
        place(state, [(10_000, 1, False)], ("ONE", "ALONE"))


def test_a_code_is_used_up_by_the_order_that_uses_it() -> None:
    state = State(None)
    discount(state, usage_limit=1)
    place(state, [(1000, 1, False)], ("FIVE",))
    with pytest.raises(CodeRefusedError):
        place(state, [(1000, 1, False)], ("FIVE",))
