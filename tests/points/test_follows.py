"""A grant follows its order: every input that apps of this kind got wrong comes to what is right,
in all orders of arrival, doubled, and with one missing where that can happen.
"""

from collections.abc import Sequence
from typing import Any

import pytest

from app.points.ledger.audit import verify
from tests.points.arrivals import come_to, sentences
from tests.points.webhooks import Shop, Webhook, adjustment, line, pair, tell, transaction
from tests.points.world import ALICE, days_ago, figures, one, program

pytestmark = pytest.mark.usefixtures("stores")


async def test_a_tax_that_the_price_includes_earns_nothing() -> None:
    def make(shop: Shop) -> Sequence[Webhook]:
        shop.taxes_included = True
        return [shop.order("orders/paid", line("120.00", tax="20.00"))]

    await come_to(make, 100)


async def test_a_tax_of_all_lines_on_the_first_one_is_spread_over_them() -> None:
    def make(shop: Shop, back: int = 0) -> Sequence[Webhook]:
        shop.taxes_included = True
        lines = [line("60.00", tax="20.00"), line("60.00")]
        paid = shop.order("orders/paid", *lines)
        return [paid, shop.refund([(lines[back], 1)])]

    await come_to(make, 50)
    await come_to(lambda shop: make(shop, 1), 50)


async def test_lines_that_are_not_taxed_keep_their_price() -> None:
    def make(shop: Shop) -> Sequence[Webhook]:
        shop.taxes_included = True
        lines = [line("60.00", tax="10.00"), line("30.00")]
        return [shop.order("orders/paid", *lines), shop.refund([(lines[0], 1)])]

    await come_to(make, 30)


@pytest.mark.parametrize(
    "tip", [{"tip_payment_gateway": None}, {"tip_payment_gateway": "bogus"}, {"tip": {"id": 1}}]
)
async def test_a_tip_earns_nothing(tip: dict[str, Any]) -> None:
    await come_to(lambda shop: [shop.order("orders/paid", line("50.00"), line("9.00", **tip))], 50)


async def test_a_line_added_and_paid_earns_once_it_is_paid() -> None:
    first, added = line("60.00"), line("25.00", title="Cup", name="Cup")

    def make(shop: Shop) -> Sequence[Webhook]:
        return [
            shop.order("orders/paid", first),
            shop.order(
                "orders/updated", first, added, status="partially_paid", outstanding="25.00"
            ),
            shop.order("orders/paid", first, added),
        ]

    await come_to(make, 85, may_miss=[0, 1])
    shop = Shop()
    paid, edited, again = make(shop)
    await tell(paid, edited)
    assert await figures() == {"available": 60}, "what is not paid yet earns nothing yet"
    await tell(again)
    assert await figures() == {"available": 85}
    assert "1 piece of Cup was added and paid: 25 points" in await sentences()


async def test_an_unpaid_line_takes_nothing_from_those_that_are_paid() -> None:
    first, added = line("100.00"), line("50.00", tax="5.00", rate=0.1)

    def make(shop: Shop) -> Sequence[Webhook]:
        return [
            shop.order("orders/paid", first),
            shop.order(
                "orders/updated", first, added, status="partially_paid", outstanding="55.00"
            ),
        ]

    await come_to(make, 100)


async def test_pieces_added_paid_and_brought_back() -> None:
    def make(shop: Shop) -> Sequence[Webhook]:
        many = line("50.00", 3, 77)
        return [
            shop.order("orders/paid", line("50.00", 1, 77)),
            shop.order("orders/paid", many),
            shop.refund([(many, 2)], transactions=[transaction("100.00")]),
            shop.order("orders/updated", line("50.00", 3, 77, kept=1), status="partially_refunded"),
        ]

    await come_to(make, 50, may_miss=[0, 1, 2, 3])


async def test_an_exchange_for_more_with_the_difference_paid() -> None:
    def make(shop: Shop) -> Sequence[Webhook]:
        old, new = line("100.00", 1, 77), line("250.00")
        gone = line("100.00", 1, 77, kept=0)
        return [
            shop.order("orders/paid", old),
            shop.refund([(old, 1)], [adjustment("100.00")]),
            shop.order("orders/updated", gone, new, status="partially_paid", outstanding="150.00"),
            shop.order("orders/paid", gone, new),
        ]

    await come_to(make, 250, may_miss=[0, 1, 2])


async def test_an_even_swap_moves_nothing() -> None:
    def make(shop: Shop) -> Sequence[Webhook]:
        return [
            shop.order("orders/paid", line("100.00", 1, 77)),
            shop.order("orders/updated", line("100.00", 1, 77, kept=0), line("100.00", 1, 78)),
        ]

    await come_to(make, 100, may_miss=[0])
    await tell(*make(Shop()))
    assert await one("SELECT count(*) FROM ledger WHERE shop = $1", ALICE) == 1


async def test_an_exchange_for_less_with_the_difference_given_back() -> None:
    def make(shop: Shop) -> Sequence[Webhook]:
        gone, new = line("250.00", 1, 77, kept=0), line("100.00", 1, 78)
        return [
            shop.order("orders/paid", line("250.00", 1, 77)),
            shop.order("orders/updated", gone, new, outstanding="-150.00"),
            shop.refund([], [adjustment("-150.00")], [transaction("150.00")]),
        ]

    await come_to(make, 100)


async def test_goods_back_first_and_money_later() -> None:
    def make(shop: Shop) -> Sequence[Webhook]:
        sold = line("50.00", 2)
        return [
            shop.order("orders/paid", sold),
            shop.refund([(sold, 1)], [adjustment("50.00")]),
            shop.refund([], [adjustment("-50.00")], [transaction("50.00")]),
        ]

    await come_to(make, 50)


async def test_by_money_a_return_without_money_counts_nothing_until_it_is_given() -> None:
    await program(returns="money")
    shop, sold = Shop(), line("50.00", 2)
    await tell(shop.order("orders/paid", sold), shop.refund([(sold, 1)], [adjustment("50.00")]))
    assert await figures() == {"available": 100}
    await tell(shop.refund([], [adjustment("-50.00")], [transaction("50.00")]))
    assert await figures() == {"available": 50, "reversed": 50}


@pytest.mark.parametrize(("returns", "points"), [("goods", 50), ("money", 60)])
async def test_a_restocking_fee_counts_as_the_merchant_chose(returns: str, points: int) -> None:
    await program(returns=returns)
    shop, sold = Shop(), line("50.00", 2)
    fee = shop.refund([(sold, 1)], [adjustment("10.00")], [transaction("40.00")])
    await tell(shop.order("orders/paid", sold), fee)
    assert (await figures())["available"] == points


async def test_a_discount_a_cent_above_its_line_is_no_dead_letter() -> None:
    await come_to(
        lambda shop: [
            shop.order("orders/paid", line("9.99", off=["10.00"]), line("120.00", off=["12.00"]))
        ],
        108,
    )


async def test_an_amount_given_back_counts_with_or_without_a_kind_and_while_it_is_pending() -> None:
    def make(shop: Shop, *adjustments: Any, status: str = "success") -> Sequence[Webhook]:
        given = [transaction("30.00", status)]
        return [
            shop.order("orders/paid", line("100.00")),
            shop.refund([], adjustments, given),
            shop.order("orders/updated", line("100.00"), status="partially_refunded"),
        ]

    await come_to(lambda shop: make(shop, adjustment("-30.00", None)), 70, may_miss=[1, 2])
    pending = [adjustment("-30.00"), adjustment("30.00")]
    await come_to(lambda shop: make(shop, *pending, status="pending"), 70, may_miss=[1, 2])
    await come_to(lambda shop: make(shop, *pending, status="failure"), 100)


async def test_a_pending_refund_that_fails_gives_the_points_again() -> None:
    shop = Shop()
    await tell(shop.order("orders/paid", line("100.00", 1, 77)))
    pair_ = [adjustment("-30.00"), adjustment("30.00")]
    await tell(shop.refund([], pair_, [transaction("30.00", "pending")]))
    assert await figures() == {"available": 70, "reversed": 30}
    shop.refunds[0]["transactions"][0]["status"] = "failure"
    failed = shop.order("orders/updated", line("100.00", 1, 77))
    await tell(failed, failed)
    assert (await figures())["available"] == 100
    assert (await verify()).is_sound


async def test_shipping_given_back_is_no_merchandise() -> None:
    shop = Shop()
    shipping = {**adjustment("-9.00", None), "reason": "Shipping refund"}
    await tell(
        shop.order("orders/paid", line("100.00")),
        shop.refund([], [adjustment("-9.00", "shipping_refund"), shipping]),
    )
    assert await figures() == {"available": 100}


@pytest.mark.parametrize("is_listed", [True, False])
async def test_pieces_taken_out_before_payment_never_count(is_listed: bool) -> None:
    def make(shop: Shop) -> Sequence[Webhook]:
        sold = line("50.00", 3, 77)
        gone = shop.refund([(sold, 1)], is_listed=is_listed)
        return [shop.order("orders/paid", line("50.00", 3, 77, kept=2)), gone]

    await come_to(make, 100, may_miss=[1])


async def test_an_amount_given_back_is_merchandise_and_its_tax() -> None:
    def make(shop: Shop) -> Sequence[Webhook]:
        return [
            shop.order("orders/paid", line("100.00", tax="20.00")),
            shop.refund([], [adjustment("-60.00")], [transaction("60.00")]),
        ]

    await come_to(make, 50)


@pytest.mark.parametrize(
    ("currency", "price", "points", "written"),
    [("JPY", "500", 500, "¥500 of"), ("KWD", "1.250", 1, "1.250 KWD of")],
)
async def test_money_is_that_of_the_shop_in_its_decimals(
    currency: str, price: str, points: int, written: str
) -> None:
    sold = {**line(price), **pair("price", "9999.99")}
    sold["price_set"]["shop_money"] = {"amount": price, "currency_code": currency}
    await tell(Shop(currency=currency).order("orders/paid", sold))
    assert await figures() == {"available": points}
    assert written in await sentences()


async def test_an_update_of_an_order_of_long_ago_earns_nothing_by_itself() -> None:
    shop = Shop(placed=days_ago(400))
    tagged = shop.order("orders/updated", line("10.00", 1, 77))
    await tell(tagged)
    assert await figures() == {}
    await tell(shop.order("orders/paid", line("10.00", 1, 77)))
    assert await figures() == {"available": 10}


async def test_a_deposit_earns_nothing_until_all_is_paid() -> None:
    shop, sold = Shop(), line("100.00")
    await tell(shop.order("orders/create", sold, status="pending", outstanding="100.00"))
    await tell(shop.order("orders/updated", sold, status="partially_paid", outstanding="70.00"))
    assert await figures() == {}
    await tell(shop.order("orders/paid", sold))
    assert await figures() == {"available": 100}
