"""What the world sends and Shopify would not: forged headers, vast bodies, wrong clocks, bursts."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devstore.webhooks.sending import padded
from tests.devstore.conftest import SHOP, Store

OTHER = "charlie.myshopify.com"


async def captured(store: Store) -> str:
    """The id of a delivered `orders/paid`."""
    await store.order()
    await store.until(lambda: len(store.app.webhooks()) == 2)
    found = await store.control("GET", "deliveries?topic=orders/paid")
    return str(found[0]["id"])


async def test_a_captured_body_is_sent_under_another_topic_shop_and_id(store: Store) -> None:
    delivery = await captured(store)
    asked = {"topic": "app/uninstalled", "shop": OTHER, "webhook_id": "made-up"}
    await store.control("POST", f"deliveries/{delivery}/forge", asked)
    await store.until(lambda: store.app.webhooks("app/uninstalled"))
    request, body = store.app.webhooks("app/uninstalled")[0]
    true_request, true_body = store.app.webhooks("orders/paid")[0]
    assert body == true_body
    assert request.headers["x-shopify-shop-domain"] == OTHER
    assert request.headers["x-shopify-webhook-id"] == "made-up"
    for same in ("x-shopify-hmac-sha256", "x-shopify-event-id", "x-shopify-triggered-at"):
        assert request.headers[same] == true_request.headers[same]


async def test_what_is_not_asked_for_stays_as_it_was_captured(store: Store) -> None:
    delivery = await captured(store)
    again = await store.control("POST", f"deliveries/{delivery}/forge", {})
    await store.control("POST", f"deliveries/{again['id']}/forge", {"shop": OTHER})
    await store.until(lambda: len(store.app.webhooks("orders/paid")) == 3)
    sent = [request.headers for request, _ in store.app.webhooks("orders/paid")]
    assert {one["x-shopify-webhook-id"] for one in sent} == {delivery}
    assert sorted(one["x-shopify-shop-domain"] for one in sent) == [SHOP, SHOP, OTHER]


async def test_any_object_is_sent_as_any_topic_by_any_clock(store: Store) -> None:
    asked = {"topic": "app/uninstalled", "payload": {"a": 1}, "clock_hours": -2, "webhook_id": "w"}
    await store.control("POST", f"shops/{SHOP}/webhooks", asked)
    await store.until(lambda: store.app.webhooks("app/uninstalled"))
    request, body = store.app.webhooks()[0]
    assert json.loads(body) == {"a": 1}
    assert request.headers["x-shopify-webhook-id"] == "w"
    assert off(request.headers["x-shopify-triggered-at"]) == -2
    assert store.shop.is_installed, "it was only said"


async def test_the_clock_of_all_webhooks_can_be_wrong(store: Store) -> None:
    assert (await store.control("POST", "webhooks", {"clock_hours": 2}))["clock_hours"] == 2
    await store.customer()
    await store.until(store.app.webhooks)
    request, body = store.app.webhooks()[0]
    assert off(request.headers["x-shopify-triggered-at"]) == 2
    assert off(json.loads(body)["created_at"]) == 0


def off(at: str) -> int:
    """Whole hours that a time is ahead."""
    return round((datetime.fromisoformat(at) - datetime.now(UTC)) / timedelta(hours=1))


async def test_an_order_can_have_bodies_of_four_megabytes(store: Store) -> None:
    order = await store.order(size_bytes=4_000_000)
    await store.control("POST", f"shops/{SHOP}/orders/{order['id']}/refund", {"lines": "all"})
    await store.until(lambda: len(store.app.webhooks()) == 4)
    assert {len(body) for _, body in store.app.webhooks()} == {4_000_000}
    paid = store.app.payloads("orders/paid")[0]
    paid.pop("padding")
    assert paid == order
    stored = store.world.state.tables["delivery"].values()
    assert max(len(one.body) for one in stored) < 100_000, "padded only while it is sent"


@given(st.dictionaries(st.text(), st.text(), max_size=3), st.integers(0, 5000))
def test_a_padded_body_has_the_size_asked_for_and_says_the_same(
    payload: dict[str, str], size_bytes: int
) -> None:
    plain = json.dumps(payload)
    body = padded(plain, size_bytes)
    if body == plain.encode():
        assert size_bytes < len(plain) + len(', "padding": [""]')
    else:
        assert len(body) == size_bytes
    assert {**json.loads(body), **payload} == json.loads(body)


async def test_a_burst_is_so_many_paid_orders(store: Store) -> None:
    made = await store.control("POST", f"shops/{SHOP}/burst", {"count": 120, "price": "7.00"})
    await store.until(lambda: len(store.app.webhooks()) == 120)
    orders = store.app.payloads("orders/paid")
    assert sorted(str(one["id"]) for one in orders) == sorted(made["orders"])
    assert {one["subtotal_price"] for one in orders} == {"7.00"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("deliveries/none/forge", {}),
        ("shops/alice.myshopify.com/burst", {"count": 0}),
        ("shops/alice.myshopify.com/burst", {"count": 5001}),
        ("shops/alice.myshopify.com/burst", {"count": 1, "size_bytes": 20_000_000}),
        ("shops/alice.myshopify.com/webhooks", {"topic": "a b", "payload": {}}),
        ("shops/alice.myshopify.com/webhooks", {"topic": "a", "payload": {}, "clock_hours": 1e9}),
        ("shops/alice.myshopify.com/orders", {"lines": [{"price": "1"}], "size_bytes": -1}),
        ("webhooks", {"clock_hours": 1e9}),
    ],
)
async def test_what_cannot_be_sent_is_refused_and_nothing_is_sent(
    store: Store, path: str, body: object
) -> None:
    answer = await store.http.post(f"/control/{path}", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]
    assert store.world.state.tables["delivery"] == {}


async def test_people_forge_and_send_bursts_on_pages(store: Store) -> None:
    delivery = await captured(store)
    fields = {"topic": "orders/create", "shop": OTHER, "webhook_id": "", "clock_hours": "2"}
    answer = await store.http.post(f"/deliveries/{delivery}/forge", data=fields)
    assert OTHER in (await store.http.get(answer.headers["location"])).text
    wrong = await store.http.post(f"/deliveries/{delivery}/forge", data={"topic": "a b"})
    assert "without%20spaces" in wrong.headers["location"]
    await store.http.post("/break/burst", data={"count": "3", "size_bytes": "50000"})
    await store.until(lambda: len(store.app.webhooks()) == 6)
    assert [len(body) for _, body in store.app.webhooks()].count(50_000) == 3
    refused = await store.http.post("/break/burst", data={"count": "many"})
    assert "whole%20number" in refused.headers["location"]
