"""What the merchant changes about an order is told as it is then, to the cent."""

import itertools
from collections.abc import Iterator

import pytest

from tests.devstore.conftest import SHOP
from tests.devstore.shop.changing import Body, Shop, amounts, mug, piece, sums

# edits


async def test_a_line_added_to_a_paid_order_is_due_and_paid_again(shop: Shop) -> None:
    order = await shop.order(mug("60.00"))
    edited = await shop.act(order, "edit", add=[mug("25.00")])
    added = edited["order_edit"]["line_items"]
    assert [one["delta"] for one in added["additions"]] == [1]
    assert added["removals"] == []
    assert sums(await shop.now(order)) == ("partially_paid", "85.00", "85.00", "25.00")
    await shop.act(order, "pay")
    paid = await shop.told("orders/paid")
    assert [sums(one) for one in paid] == [
        ("paid", "60.00", "60.00", "0.00"),
        ("paid", "85.00", "85.00", "0.00"),
    ]
    assert len(paid[1]["line_items"]) == 2
    assert [one["order_edit"]["order_id"] for one in await shop.told("orders/edited")] == [
        order["id"]
    ]


async def test_more_pieces_are_of_the_same_line_and_can_come_back(shop: Shop) -> None:
    order = await shop.order(mug("50.00"))
    await shop.act(order, "edit", quantities=[piece(order, 3)])
    await shop.act(order, "pay")
    refund = await shop.act(order, "refund", lines=[piece(order, 2)])
    now = await shop.now(order)
    assert [now["line_items"][0][name] for name in ("quantity", "current_quantity")] == [3, 1]
    assert refund["refund_line_items"][0]["subtotal"] == 100.0
    assert sums(now) == ("partially_refunded", "150.00", "50.00", "0.00")


async def test_what_an_edit_takes_off_is_a_refund_without_money_until_it_is_given(
    shop: Shop,
) -> None:
    order = await shop.order(mug("60.00"), mug("25.00"))
    await shop.act(order, "edit", quantities=[piece(order, 0, index=1)])
    refund = (await shop.told("refunds/create"))[0]
    assert refund["refund_line_items"][0]["restock_type"] == "cancel"
    assert (refund["transactions"], refund["order_adjustments"]) == ([], [])
    now = await shop.now(order)
    assert [one["current_quantity"] for one in now["line_items"]] == [1, 0]
    assert sums(now) == ("paid", "85.00", "60.00", "-25.00")
    given = await shop.act(order, "refund", amount="25.00")
    assert (given["order_adjustments"], given["transactions"][0]["amount"]) == ([], "25.00")
    assert sums(await shop.now(order)) == ("partially_refunded", "85.00", "60.00", "0.00")


async def test_an_order_paid_after_an_edit_tells_the_pieces_that_are_kept(shop: Shop) -> None:
    order = await shop.order(mug("10.00", 3), paid=False)
    await shop.act(order, "edit", quantities=[piece(order, 1)])
    await shop.act(order, "pay")
    paid = (await shop.told("orders/paid"))[0]
    assert [paid["line_items"][0][name] for name in ("quantity", "current_quantity")] == [3, 1]
    assert sums(paid) == ("paid", "30.00", "10.00", "0.00")


async def test_part_of_what_is_due_is_paid_without_orders_paid(shop: Shop) -> None:
    order = await shop.order(mug("100.00"), paid=False)
    await shop.act(order, "pay", amount="40.00")
    assert sums(await shop.now(order)) == ("partially_paid", "100.00", "100.00", "60.00")
    assert await shop.told("orders/paid") == []
    await shop.act(order, "pay")
    assert [sums(one)[0] for one in await shop.told("orders/paid")] == ["paid"]


@pytest.mark.parametrize("discount", ["8.01", "8.00"])
async def test_a_discount_by_hand_may_be_a_cent_above_the_price_of_its_line(
    shop: Shop, discount: str
) -> None:
    order = await shop.order(mug("8.00", discount=discount), mug("108.00"))
    line = order["line_items"][0]
    assert line["discount_allocations"][0]["amount"] == discount
    application = order["discount_applications"][0]
    assert (application["type"], application["value"]) == ("manual", discount)
    assert order["discount_codes"] == []
    later = await shop.order(mug("8.00"), mug("108.00"), paid=False)
    taken_off = {"line_id": later["line_items"][0]["id"], "amount": discount}
    await shop.act(later, "edit", discounts=[taken_off])
    paid = await shop.act(later, "pay")
    assert paid["line_items"][0]["discount_allocations"][0]["amount"] == discount
    assert sums(paid) == sums(order)


# exchanges


@pytest.mark.parametrize(
    ("price", "due"), [("250.00", "150.00"), ("100.00", "0.00"), ("70.00", "-30.00")]
)
async def test_an_exchange_is_a_return_a_refund_without_money_and_a_new_line(
    shop: Shop, price: str, due: str
) -> None:
    order = await shop.order(mug("100.00"))
    told = await shop.act(order, "exchange", back=[piece(order)], lines=[mug(price)])
    assert (told["total_return_line_items"], told["total_exchange_line_items"]) == (1, 1)
    now = await shop.now(order)
    assert now["total_outstanding"] == due
    assert now["current_total_price"] == price
    assert [one["current_quantity"] for one in now["line_items"]] == [0, 1]
    assert [one["id"] for one in now["returns"]] == [told["id"]]
    refund = (await shop.told("refunds/create"))[0]
    assert (refund["return"]["id"], refund["transactions"]) == (told["id"], [])
    if due == "150.00":
        await shop.act(order, "pay")
    if due == "-30.00":
        await shop.act(order, "refund", amount="30.00")
    assert sums(await shop.now(order))[2:] == (price, "0.00")
    assert len(await shop.told("orders/paid")) == (2 if due == "150.00" else 1)


async def test_an_even_swap_by_an_edit_leaves_the_order_paid(shop: Shop) -> None:
    order = await shop.order(mug("100.00"))
    await shop.act(order, "edit", add=[mug("100.00")], quantities=[piece(order, 0)])
    assert sums(await shop.now(order)) == ("paid", "200.00", "100.00", "0.00")
    assert len(await shop.told("orders/paid")) == 1


# refunds


async def test_goods_come_back_first_and_the_money_later(shop: Shop) -> None:
    order = await shop.order(mug("50.00"), mug("50.00"))
    goods = await shop.act(order, "refund", lines=[piece(order)], money="0")
    assert (amounts(goods), goods["transactions"]) == (["50.00"], [])
    assert sums(await shop.now(order)) == ("paid", "100.00", "100.00", "0.00")
    money = await shop.act(order, "refund", amount="50.00")
    assert (amounts(money), money["refund_line_items"]) == (["-50.00"], [])
    assert sums(await shop.now(order)) == ("partially_refunded", "100.00", "50.00", "0.00")


async def test_all_goods_come_back_first(shop: Shop) -> None:
    order = await shop.order(mug("50.00"), mug("50.00", 2))
    goods = await shop.act(order, "refund", lines="all", money="0")
    assert (amounts(goods), goods["transactions"]) == (["150.00"], [])
    assert [one["quantity"] for one in goods["refund_line_items"]] == [1, 2]


async def test_the_money_comes_first_and_the_goods_later(shop: Shop) -> None:
    order = await shop.order(mug("50.00"), mug("50.00"))
    await shop.act(order, "refund", amount="50.00")
    goods = await shop.act(order, "refund", lines=[piece(order)], money="0")
    assert (amounts(goods), goods["transactions"]) == (["50.00"], [])
    assert sums(await shop.now(order)) == ("partially_refunded", "100.00", "50.00", "0.00")


async def test_an_adjustment_has_a_kind_or_has_not(shop: Shop) -> None:
    order = await shop.order(mug("100.00"))
    told = [{"amount": "-30.00", "reason": "Customer discount"}]
    bare = await shop.act(order, "refund", amount="30.00", adjustments=told)
    assert "kind" not in bare["order_adjustments"][0]
    assert bare["order_adjustments"][0]["reason"] == "Customer discount"
    plain = await shop.act(order, "refund", amount="1.00")
    assert plain["order_adjustments"][0]["kind"] == "refund_discrepancy"
    assert sums(await shop.now(order)) == ("partially_refunded", "100.00", "69.00", "0.00")


async def test_pending_money_is_a_pair_of_adjustments_until_it_arrives(shop: Shop) -> None:
    order = await shop.order(mug("100.00"))
    pending = await shop.act(order, "refund", amount="30.00", pending=True)
    assert (amounts(pending), pending["transactions"][0]["status"]) == (
        ["-30.00", "30.00"],
        "pending",
    )
    assert sums(await shop.now(order)) == ("paid", "100.00", "100.00", "0.00")
    settled = await shop.act(order, "settle")
    assert (amounts(settled), settled["transactions"][0]["status"]) == (
        ["-30.00", "30.00", "-30.00"],
        "success",
    )
    assert sums(await shop.now(order)) == ("partially_refunded", "100.00", "70.00", "0.00")


async def test_pending_money_that_is_refused_stays_with_the_shop(shop: Shop) -> None:
    order = await shop.order(mug("100.00"))
    pending = await shop.act(order, "refund", lines=[piece(order)], pending=True)
    assert amounts(pending) == ["100.00"]
    failed = await shop.act(order, "settle", success=False)
    assert failed["transactions"][0]["status"] == "failure"
    assert sums(await shop.now(order)) == ("paid", "100.00", "100.00", "0.00")
    assert (await shop.act(order, "refund", amount="100.00"))["transactions"]


# tills, guests, deletions


@pytest.mark.parametrize("paid_again", [False, True])
async def test_a_sale_at_a_till_gets_its_customer_later(shop: Shop, paid_again: bool) -> None:
    order = await shop.order(mug("20.00"), source="pos")
    assert (order["source_name"], order["customer"], order["email"]) == ("pos", None, None)
    assert order["billing_address"] is None
    bob = await shop.store.customer()
    await shop.act(order, "attach", customer_id=bob, paid_again=paid_again)
    assert [str(one["customer"]["id"]) for one in await shop.told("orders/updated")] == [bob]
    paid = await shop.told("orders/paid")
    assert [one["customer"] is not None for one in paid] == [False, *([True] * paid_again)]


async def test_nobody_is_told_as_null_as_an_empty_object_or_by_an_id_that_is_null(
    shop: Shop,
) -> None:
    shapes = {
        one: (await shop.order(mug("20.00"), guest_as=one))["customer"]
        for one in ("null", "empty", "id_null")
    }
    assert shapes["null"] is None
    assert shapes["empty"] == {}
    assert shapes["id_null"]["id"] is None


async def test_a_deleted_order_is_told_by_its_id_alone(shop: Shop) -> None:
    order = await shop.order(mug("20.00"))
    await shop.store.control("DELETE", f"shops/{SHOP}/orders/{order['id']}")
    assert await shop.told("orders/delete") == [{"id": order["id"]}]
    assert await shop.store.control("GET", f"shops/{SHOP}/orders") == []


async def test_an_order_placed_long_ago_is_paid_today(shop: Shop) -> None:
    order = await shop.order(mug("20.00"), paid=False, days_ago=45)
    await shop.act(order, "pay")
    paid = (await shop.told("orders/paid"))[0]
    assert paid["processed_at"] == paid["created_at"] == order["created_at"]
    assert paid["updated_at"] > order["updated_at"]


# `updated_at`


def growing(bodies: list[Body]) -> Iterator[bool]:
    moments = [one["updated_at"] for one in bodies]
    return (before < after for before, after in itertools.pairwise(moments))


async def test_each_change_is_a_second_later_unless_they_are_to_share_one(shop: Shop) -> None:
    order = await shop.order(mug("20.00"))
    bodies = [order]
    for _ in range(3):
        await shop.act(order, "edit", add=[mug("1.00")])
        bodies.append(await shop.now(order))
    assert all(growing(bodies))
    await shop.store.control("POST", "webhooks", {"share_seconds": True})
    before = await shop.now(order)
    await shop.act(order, "edit", add=[mug("1.00")])
    assert (await shop.now(order))["updated_at"] == before["updated_at"]


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("edit", {}),
        ("edit", {"quantities": [{"line_id": 7, "quantity": 1}]}),
        ("edit", {"add": [{"price": "1.00", "tip": "bitcoin"}]}),
        ("exchange", {"back": [], "lines": [{"price": "1.00"}]}),
        ("exchange", {"back": [{"line_id": 7, "quantity": 1}], "lines": [{"price": "1.00"}]}),
        ("pay", {}),
        ("refund", {"lines": "some"}),
        ("refund", {"amount": "0"}),
        ("refund", {"amount": "20.01"}),
        ("settle", {}),
        ("attach", {"customer_id": 7}),
        ("fulfill", {"lines": [{"line_id": 7, "quantity": 1}]}),
        ("tell", {"topics": []}),
        ("tell", {"topics": ["orders/eaten"]}),
        ("refund", {"amount": "1.00", "days_ago": -1}),
        ("refund", {"amount": "1.00", "is_pending": True}),
        ("refund", {"amount": "1.00", "money": "0"}),
        ("refund", {"lines": "all", "adjustments": [{"amount": "-1.00"}]}),
    ],
)
async def test_what_an_order_cannot_do_is_refused_and_changes_nothing(
    shop: Shop, verb: str, body: Body
) -> None:
    order = await shop.order(mug("20.00"))
    path = f"/control/shops/{SHOP}/orders/{order['id']}/{verb}"
    answer = await shop.store.http.post(path, json=body)
    assert answer.status_code in {404, 422}
    assert answer.json()["error"]
    assert await shop.now(order) == order
