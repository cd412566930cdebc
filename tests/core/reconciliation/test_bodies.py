"""A body made from what the Admin API answers is the part of the webhook's own body that we read,
and gives the very same facts.
"""

import asyncio
import itertools
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.reconciliation import asking
from app.shopify import payloads as ours
from app.shopify.retold import people
from devstore.errors import RefusedError
from devstore.shop import edits, orders, refunds, sold, things
from devstore.shop.state import State
from devstore.webhooks import payload_people, payload_refunds, payloads
from tests.core.reconciliation.standin import StandIn
from tests.devstore.shop.test_any_history import STEPS, step
from tests.shopify.webhooks import ALICE, Webhook

TIP_MARKS = {"tip_payment_gateway", "tip_payment_method", "tip"}


def store() -> StandIn:
    return StandIn(State(None), ALICE)


def place(shop: StandIn, *items: things.Item, codes: Any = (), **how: Any) -> sold.Order:
    buyer = how.pop("customer", None)
    basket = things.Basket([*items], buyer, None if buyer else "guest@example.com")
    return orders.place(shop.state, shop.shop, basket, codes=codes, how=sold.Placing(**how))


def item(title: str = "Mug", cents: int = 1999, quantity: int = 1, **fields: Any) -> things.Item:
    return things.Item(title, cents, quantity, **fields)


def facts(topic: str, body: Any) -> list[Any]:
    encoded = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return [
        (one.topic, one.data, one.occurred_at) for one in ours.translate(Webhook(topic, encoded))
    ]


async def body_of(shop: StandIn, order: sold.Order) -> dict[str, Any]:
    found = await asking.order(shop.ask, shop.gid(order))
    assert found is not None
    return found


async def check(shop: StandIn, order: sold.Order) -> dict[str, Any]:
    """The body, after it was compared with the webhook's."""
    found = await body_of(shop, order)
    told = payloads.order(shop.state, order)
    is_part(found, told)
    for topic in ("orders/updated", "orders/create"):
        assert facts(topic, found) == facts(topic, told)
    for one, refund in zip(found["refunds"], order.refunds, strict=True):
        alone = payload_refunds.refund(order, refund)
        assert facts("refunds/create", one) == facts("refunds/create", alone)
    return found


def is_part(found: Any, told: Any, where: str = "") -> None:
    """All that is found is told in the webhook, too, in the same words: but times, which it tells
    with the shop's offset, what a guest is, how a tip is marked, and what shipping came back.
    """
    name = where.rpartition(".")[2]
    if name in {"customer", "selling_plan_allocation", "order_adjustments", "reason"}:
        return
    if name == "discount_applications":
        assert [one.get("code") for one in found] == [one.get("code") for one in told]
    elif isinstance(found, dict):
        for key, value in found.items():
            if key not in TIP_MARKS:
                assert key in told, f"{where}.{key}"
                is_part(value, told[key], f"{where}.{key}")
    elif isinstance(found, list):
        assert len(found) == len(told), where
        for place_, (one, other) in enumerate(zip(found, told, strict=True)):
            is_part(one, other, f"{where}.{place_}")
    elif name.endswith("_at") and found:
        assert datetime.fromisoformat(found) == datetime.fromisoformat(told), where
    else:
        assert found == told, where


PLACED: dict[str, dict[str, Any]] = {
    "plain": {},
    "not paid": {"is_paid": False},
    "a test": {"is_test": True},
    "taxes included": {"taxes_included": True, "tax_percent": 19.0},
    "the tax of all on the first": {"is_tax_on_first_line": True},
    "two currencies": {"presentment_currency": "KWD", "exchange_rate": 0.3075},
    "yen": {"presentment_currency": "JPY", "exchange_rate": 151.37},
    "at a till": {"source": "pos"},
    "a plan's": {"source": "subscription_contract"},
    "a draft's": {"source": "shopify_draft_order"},
    "a company's": {"company_id": 77},
    "tagged": {"tags": ("vip", "gift wrap")},
    "dear shipping": {"shipping_cents": 1234},
    "long ago": {"at": "2025-01-02T03:04:05.678+00:00"},
}


@pytest.mark.parametrize("kind", PLACED)
@pytest.mark.parametrize("is_guest", [False, True], ids=["customer", "guest"])
async def test_an_order_is_told_as_its_webhook_tells_it(kind: str, is_guest: bool) -> None:
    shop = store()
    buyer = None if is_guest else shop.customer()
    wanted = [item(), item("Bag", 3200, 3, product_id=5), item("Card", 5000, is_gift_card=True)]
    order = place(shop, *wanted, customer=buyer, **PLACED[kind])
    found = await check(shop, order)
    assert len(found["line_items"]) == 3


@pytest.mark.parametrize("guest_as", sold.GUESTS)
async def test_nobody_is_nobody_however_webhooks_say_it(guest_as: str) -> None:
    shop = store()
    assert (await check(shop, place(shop, item(), guest_as=guest_as)))["customer"] is None


@pytest.mark.parametrize("told", sold.TIPS)
@pytest.mark.parametrize("others", [[], [item("Wrapping")]], ids=["alone", "beside goods"])
async def test_a_tip_is_found_by_the_sum_of_tips(told: str, others: list[things.Item]) -> None:
    shop = store()
    order = place(shop, item(), *others, item("Tip", 900, tip=told), item("More", 50, tip=told))
    found = await check(shop, order)
    marked = [one["title"] for one in found["line_items"] if "tip_payment_gateway" in one]
    assert marked == ["Tip", "More"]


async def test_codes_and_what_is_off_by_hand_are_told_with_their_places() -> None:
    shop, at = store(), things.now()
    for code, cents in (("FIVE", 500), ("TWO", 200)):
        made = things.Discount(
            id=shop.state.new_id(),
            redeem_code_id=shop.state.new_id(),
            shop=ALICE,
            code=code,
            title=code,
            created_at=at,
            updated_at=at,
            starts_at=at,
            amount_cents=cents,
            combines_with_orders=True,
        )
        shop.state.put("discount", made.id, made)
    wanted = [item(cents=3333, quantity=3), item("Bag", 100, discount_cents=700)]
    order = place(shop, *wanted, codes=("FIVE", "TWO"), customer=shop.customer())
    found = await check(shop, order)
    assert [one["code"] for one in found["discount_codes"]] == ["FIVE", "TWO"]
    assert [one.get("code") for one in found["discount_applications"]] == ["FIVE", "TWO", None]


async def test_what_came_back_is_told_shipping_and_pending_money_too() -> None:
    shop = store()
    order = place(shop, item(quantity=4), customer=shop.customer(), shipping_cents=500)
    refunds.refund_lines(shop.state, order, [(order.lines[0].id, 1)])
    refunds.refund_amount(shop.state, order, 300, is_pending=True)
    refunds.refund_lines(shop.state, order, [(order.lines[0].id, 1)], money_cents=0)
    refunds.refund_whole(shop.state, order, note="All of it")
    found = await check(shop, order)
    assert len(found["refunds"]) == 4
    assert found["refunds"][3]["refund_shipping_lines"]


async def test_an_order_of_a_hundred_lines_and_many_refunds_is_read_page_by_page() -> None:
    shop = store()
    wanted = [item(f"Mug {number}", 100 + number, 2) for number in range(100)]
    order = place(shop, *wanted, customer=shop.customer())
    edits.edit(shop.state, order, edits.Wish(add=[item("Late", 5)]))
    for number in range(30):
        refunds.refund_lines(shop.state, order, [(order.lines[number].id, 1)])
    refunds.refund_lines(shop.state, order, [(line.id, 1) for line in order.lines[:101]][30:])
    found = await check(shop, order)
    assert len(found["line_items"]) == 101
    assert shop.asked.count("order_told") == 6
    assert all(cost <= 1000 for cost in shop.costs.values()), "what Shopify allows of one query"
    print(shop.costs)


async def test_an_order_with_more_refunds_than_are_read_says_so() -> None:
    shop = store()
    order = place(shop, item(cents=10_000, quantity=60))
    for _ in range(asking.REFUNDS_MAX + 1):
        refunds.refund_lines(shop.state, order, [(order.lines[0].id, 1)])
    with pytest.raises(asking.TooLargeError, match="more than 49 refunds"):
        await asking.order(shop.ask, shop.gid(order))


async def test_an_order_that_changes_while_it_is_read_is_read_again() -> None:
    shop = store()
    order = place(shop, *[item(f"Mug {number}") for number in range(25)], is_paid=False)
    ask, changes = shop.ask, itertools.count()

    async def changing(document: str, variables: Any) -> Any:
        if variables.get("after") and next(changes) == 0:
            orders.pay(shop.state, order)
        return await ask(document, variables)

    found = await asking.order(changing, shop.gid(order))
    assert found is not None
    assert (found["financial_status"], len(found["line_items"])) == ("paid", 25)
    assert await asking.order(shop.ask, "gid://shopify/Order/1") is None, "one that is gone"


async def test_a_customer_who_was_deleted_is_nobody_and_the_order_stays() -> None:
    shop = store()
    bob = shop.customer()
    order = place(shop, item(), customer=bob)
    bob.is_deleted = True
    found = await body_of(shop, order)
    assert found["customer"] is None
    assert facts("orders/updated", found)[0][1]["lines"]


async def test_customers_and_their_word_on_e_mails_are_told_as_their_webhooks_tell_them() -> None:
    shop = store()
    bob = shop.customer(has_half_emoji=False)
    bob.consent, bob.consented_at = "subscribed", things.now()
    (told,), cursor = await asking.customers(shop.ask, datetime(2020, 1, 1, tzinfo=UTC), None)
    assert cursor is None
    is_part(people.customer(told), payload_people.customer(bob, "USD"))
    consent = people.consent(told)
    assert consent is not None
    topic = "customers_email_marketing_consent/update"
    assert facts(topic, consent) == facts(topic, payload_people.consent(bob))
    bob.tags = ["vip", "Gift"]
    ((told,), _) = await asking.customers(shop.ask, datetime(2020, 1, 1, tzinfo=UTC), None)
    tags = people.tags(told)
    assert tags is not None
    webhook = payload_people.tags(bob, bob.tags, bob.updated_at)
    (one,), (other,) = facts("customer.tags_added", tags), facts("customer.tags_added", webhook)
    assert one[1] | {"at": ""} == other[1] | {"at": ""}
    webhook = payload_people.customer(bob, "USD")
    assert facts("customers/update", people.customer(told)) == facts("customers/update", webhook)


async def test_the_shop_is_told_as_its_webhook_tells_it() -> None:
    shop = store()
    found, told = await asking.shop(shop.ask), payload_people.shop(shop.shop)
    first, second = facts("shop/update", found)[0], facts("shop/update", told)[0]
    assert first[:2] == second[:2]


@settings(max_examples=60)
@given(
    STEPS,
    st.sampled_from(list(PLACED)),
    st.booleans(),
    st.integers(1, 3000),
    st.integers(1, 4),
    st.booleans(),
)
def test_whatever_happens_to_an_order_both_ways_tell_the_same(
    steps: list[tuple[str, int]],
    kind: str,
    is_guest: bool,
    price_cents: int,
    quantity: int,
    is_cancelled: bool,
) -> None:
    shop = store()
    buyer = None if is_guest else shop.customer()
    order = place(shop, item(cents=price_cents, quantity=quantity), customer=buyer, **PLACED[kind])
    for act, number in steps:
        try:
            step(shop.state, order, act, number)
        except RefusedError:
            continue
    if is_cancelled:
        orders.cancel(shop.state, order)
    asyncio.run(check(shop, order))
