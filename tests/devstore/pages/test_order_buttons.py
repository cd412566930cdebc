"""Every button of an order's page does what it says, and the app is told of it."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from devstore.pages import order_buttons
from tests.devstore.conftest import SHOP, Store

LINES = [{"title": "Mug", "price": "10.00", "quantity": 3}]
ITEM = {"title": "Kettle", "price": "45.00", "quantity": "1"}
# button, its fields (the first line of the order is LINE), topics that follow, words of the answer
PRESSES: list[tuple[str, dict[str, str], list[str], str]] = [
    ("add_line", ITEM, ["orders/edited", "orders/updated"], "added"),
    (
        "change_quantities",
        {"LINE": "1"},
        ["orders/edited", "refunds/create", "orders/updated"],
        "quantities",
    ),
    ("swap_evenly", {}, ["orders/edited", "refunds/create", "orders/updated"], "swapped"),
    ("add_tip", {"amount": "5", "tip": "null"}, ["orders/edited", "orders/updated"], "tip"),
    ("take_off_too_much", {}, ["orders/edited", "orders/updated"], "above its price"),
    (
        "exchange",
        {**ITEM, "LINE": "1"},
        ["returns/approve", "returns/close", "refunds/create", "orders/updated"],
        "35.00 is to be paid",
    ),
    ("refund_lines", {"LINE": "1"}, ["refunds/create", "orders/updated"], "refunded"),
    (
        "refund_lines",
        {"LINE": "1", "money": "later"},
        ["refunds/create", "orders/updated"],
        "the money did not",
    ),
    ("refund_all", {}, ["refunds/create", "orders/updated"], "Everything"),
    (
        "refund_amount",
        {"amount": "5", "told": "no_kind"},
        ["refunds/create", "orders/updated"],
        "amount",
    ),
    ("name_nobody", {"guest_as": "empty"}, ["orders/updated", "orders/paid"], "nobody"),
    (
        "change_shop",
        {"currency": "JPY", "timezone": "Asia/Tokyo", "tax_percent": "10"},
        ["shop/update"],
        "from now on",
    ),
    ("send_one", {}, ["orders/partially_fulfilled", "orders/updated"], "One piece"),
    ("send_all", {}, ["orders/fulfilled", "orders/updated"], "Everything"),
    ("tell", {"topic": "orders/paid"}, ["orders/paid"], "sent again"),
    ("cancel", {"with_refund": "on"}, ["refunds/create", "orders/cancelled", "orders/updated"], ""),
]


async def press(store: Store, order: dict[str, Any], action: str, **fields: str) -> str:
    """What the page says afterwards."""
    named = {
        f"line_{order['line_items'][0]['id']}" if name == "LINE" else name: value
        for name, value in fields.items()
    }
    address = f"/shops/{SHOP}/orders/{order['id']}"
    answer = await store.http.post(address, data={"action": action, **named})
    assert answer.status_code == 303
    page = await store.http.get(answer.headers["location"])
    assert page.status_code == 200
    said = re.search(r'role="status">(.*?)</p>', page.text, re.DOTALL)
    assert said
    return said[1]


async def topics_after(store: Store, already: int) -> list[str]:
    await store.until(lambda: not store.world.webhooks.waiting)
    kept = list(store.world.state.tables["delivery"].values())
    return [one.topic for one in kept[already:]]


@pytest.mark.parametrize(("action", "fields", "topics", "words"), PRESSES)
async def test_a_button_is_pressed(
    store: Store, action: str, fields: dict[str, str], topics: list[str], words: str
) -> None:
    order = await store.order(lines=LINES, tax_percent=0)
    said = await press(store, order, action, **fields)
    assert words in said
    assert await topics_after(store, 2) == topics


async def test_an_order_is_paid_in_parts(store: Store) -> None:
    order = await store.order(lines=LINES, tax_percent=0, shipping="0", paid=False)
    assert await press(store, order, "pay", amount="12.00") == "18.00 is left to pay."
    assert await press(store, order, "pay") == "The order is paid."
    assert await topics_after(store, 1) == ["orders/updated", "orders/paid", "orders/updated"]


@pytest.mark.parametrize(("button", "said"), [("settle", "has arrived"), ("fail", "refused")])
async def test_pending_money_arrives_or_does_not(store: Store, button: str, said: str) -> None:
    order = await store.order(lines=LINES)
    assert await press(store, order, button) == "No money of this order is pending."
    await press(store, order, "refund_amount", amount="5", told="pending")
    page = (await store.http.get(f"/shops/{SHOP}/orders/{order['id']}")).text
    assert "The pending money arrives" in page
    assert said in await press(store, order, button)


async def test_somebody_bought_it_at_the_till(store: Store) -> None:
    order = await store.order(lines=LINES, source="pos")
    bob = await store.customer()
    assert await press(store, order, "tell_purchases") == "A guest has no summary."
    assert "Bob Buyer" in await press(store, order, "attach", customer_id=bob, paid_again="on")
    assert "purchasing_summary" in await press(store, order, "tell_purchases")
    assert await topics_after(store, 3) == [
        "orders/updated",
        "orders/paid",
        "customers/purchasing_summary",
    ]


async def test_a_deleted_order_is_gone_from_the_list(store: Store) -> None:
    order = await store.order(lines=LINES)
    address = f"/shops/{SHOP}/orders/{order['id']}"
    answer = await store.http.post(address, data={"action": "delete"})
    assert answer.headers["location"].startswith("/store/alice/orders")
    assert (await store.http.get(address)).status_code == 404
    assert await topics_after(store, 2) == ["orders/delete"]


async def test_every_button_on_the_page_is_one_that_works(store: Store) -> None:
    order = await store.order(lines=LINES)
    await press(store, order, "refund_amount", amount="5", told="pending")
    page = (await store.http.get(f"/shops/{SHOP}/orders/{order['id']}")).text
    shown = set(re.findall(r'name="action"\s+value="(\w+)"', page))
    bought = await store.order(await store.customer(), lines=LINES)
    page = (await store.http.get(f"/shops/{SHOP}/orders/{bought['id']}")).text
    shown |= set(re.findall(r'name="action"\s+value="(\w+)"', page))
    assert shown == {*order_buttons.BUTTONS, "delete"}


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("explode", {}),
        ("pay", {}),
        ("add_line", {"price": "ten"}),
        ("add_tip", {"amount": "5", "tip": "bitcoin"}),
        ("attach", {"customer_id": "7"}),
        ("name_nobody", {"guest_as": "everybody"}),
        ("change_shop", {"currency": "yen", "timezone": "Asia/Tokyo"}),
        ("change_shop", {"currency": "JPY", "timezone": "Asia/Tokyo", "tax_percent": "much"}),
        ("tell", {"topic": "orders/eaten"}),
    ],
)
async def test_a_refusal_is_a_sentence_and_nothing_is_sent(
    store: Store, action: str, fields: dict[str, str]
) -> None:
    order = await store.order(lines=LINES)
    before = await store.control("GET", f"shops/{SHOP}/orders/{order['id']}")
    assert await press(store, order, action, **fields)
    assert await store.control("GET", f"shops/{SHOP}/orders/{order['id']}") == before
    assert await topics_after(store, 2) == []


async def test_customers_are_merged_and_named_by_half_an_emoji_on_their_page(
    store: Store,
) -> None:
    bob, bert = await store.customer("Bob"), await store.customer("Bert")
    answer = await store.http.post("/store/alice/merge", data={"gone": bert, "kept": bob})
    assert "Bert%20Buyer%20was%20merged" in answer.headers["location"]
    again = await store.http.post("/store/alice/merge", data={"gone": bob, "kept": bob})
    assert "merged" in again.headers["location"]
    fields = {"action": "save", "half_emoji": "on"}
    await store.http.post(f"/store/alice/customers/{bob}", data=fields)
    await store.until(lambda: not store.world.webhooks.waiting)
    assert store.app.payloads("customers/update")[-1]["first_name"] == "Bob\ud83c"
    assert (await store.http.get("/store/alice/customers")).status_code == 200


async def test_the_checkout_sells_at_a_till_and_orders_of_long_ago(store: Store) -> None:
    mug = next(one for one in store.world.state.of_shop("product", SHOP) if one.picture == "mug")
    front = f"/shops/{SHOP}"
    await store.http.post(f"{front}/cart", data={"product_id": str(mug.id), "add": "2"})
    fields = {"payment": "later", "till": "on", "days_ago": "45"}
    await store.http.post(f"{front}/checkout", data=fields)
    order = (await store.control("GET", f"shops/{SHOP}/orders"))[0]
    assert (order["source_name"], order["financial_status"]) == ("pos", "pending")
    placed = datetime.fromisoformat(order["created_at"])
    assert (datetime.now(UTC) - placed).days == 45
