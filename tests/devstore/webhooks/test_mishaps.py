"""Webhooks of a topic get lost, come twice, or wait until they are sent in the order wanted."""

import json
from typing import Any

import pytest
from starlette.responses import JSONResponse

from tests.devstore.conftest import SHOP, Store


def topics(store: Store) -> list[str]:
    return [request.headers["x-shopify-topic"] for request, _ in store.app.webhooks()]


async def quiet(store: Store) -> None:
    await store.until(lambda: not store.world.webhooks.waiting)


async def kept(store: Store) -> dict[str, dict[str, Any]]:
    """Deliveries by topic, oldest first."""
    return {one["topic"]: one for one in reversed(await store.control("GET", "deliveries"))}


async def test_webhooks_of_a_topic_are_lost_and_can_be_sent_later(store: Store) -> None:
    await store.control("POST", "webhooks", {"lose": ["orders/paid"]})
    await store.order()
    await quiet(store)
    assert topics(store) == ["orders/create"]
    lost = (await kept(store))["orders/paid"]
    assert lost["state"] == "lost"
    answer = await store.control("POST", f"deliveries/{lost['id']}/send")
    assert answer["status"] == 200
    assert topics(store) == ["orders/create", "orders/paid"]
    assert (await kept(store))["orders/paid"]["state"] == "delivered"


async def test_webhooks_of_a_topic_come_twice_with_one_id(store: Store) -> None:
    await store.control("POST", "webhooks", {"double": ["orders/paid"]})
    await store.order()
    await quiet(store)
    assert sorted(topics(store)) == ["orders/create", "orders/paid", "orders/paid"]
    seen = {request.headers["x-shopify-webhook-id"] for request, _ in store.app.webhooks()}
    assert len(seen) == 2


async def test_what_is_held_back_arrives_one_by_one_in_the_order_asked_for(store: Store) -> None:
    await store.control("POST", "webhooks", {"hold": ["*"]})
    order = await store.order()
    await store.control("POST", f"shops/{SHOP}/orders/{order['id']}/refund", {"lines": "all"})
    await quiet(store)
    assert topics(store) == []
    held = await kept(store)
    wanted = ["refunds/create", "orders/updated", "orders/paid", "orders/create"]
    for topic in wanted:
        await store.control("POST", f"deliveries/{held[topic]['id']}/send")
    assert topics(store) == wanted


@pytest.mark.parametrize("order", ["first_first", "last_first", "shuffled"])
async def test_all_that_is_held_back_is_released_at_once(store: Store, order: str) -> None:
    await store.control("POST", "webhooks", {"hold": ["customers/create"]})
    for number in range(5):
        await store.customer(f"Bob{number}")
    await store.control("POST", "webhooks", {"hold": []})
    assert await store.control("POST", "webhooks/release", {"order": order}) == {"released": 5}
    await quiet(store)
    assert len(store.app.webhooks("customers/create")) == 5
    assert await store.control("POST", "webhooks/release", {}) == {"released": 0}


async def test_a_webhook_sent_by_hand_that_fails_comes_again(store: Store) -> None:
    await store.control("POST", "webhooks", {"hold": ["*"], "time_scale": 0.0001})
    await store.customer()
    held = (await kept(store))["customers/create"]
    answers = [JSONResponse({}, 503), JSONResponse({})]
    store.app.answer = lambda _: answers.pop(0)
    assert (await store.control("POST", f"deliveries/{held['id']}/send"))["status"] == 503
    await store.until(lambda: len(store.app.webhooks()) == 2)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("webhooks", {"lose": ["a"] * 51}),
        ("webhooks", {"hold": "orders/paid"}),
        ("webhooks/release", {"order": "sideways"}),
        ("deliveries/none/send", {}),
    ],
)
async def test_no_mishap_is_like_that(store: Store, path: str, body: object) -> None:
    assert (await store.http.post(f"/control/{path}", json=body)).status_code == 422


async def test_people_lose_and_hold_webhooks_on_the_break_it_page(store: Store) -> None:
    fields = {"lose": "orders/paid, orders/edited", "hold": "*", "double": ""}
    await store.http.post("/break/webhooks", data=fields)
    assert store.world.webhooks.lost == {"orders/paid", "orders/edited"}
    assert 'value="orders/edited, orders/paid"' in (await store.http.get("/break")).text
    await store.order()
    assert topics(store) == []
    said = await store.http.post("/break/release", data={"order": "last_first"})
    assert "1%20webhooks" in said.headers["location"]
    await store.until(lambda: topics(store) == ["orders/create"])
    lost = (await kept(store))["orders/paid"]
    await store.http.post(f"/deliveries/{lost['id']}/again")
    await store.until(lambda: len(topics(store)) == 2)


async def test_a_shop_that_never_opened_the_app_sends_webhooks_all_the_same(store: Store) -> None:
    shop = "bob-has-not-opened-it.myshopify.com"
    await store.control("POST", f"shops/{shop}/orders", {"lines": [{"price": "20.00"}]})
    await store.until(lambda: len(store.app.webhooks()) == 2)
    assert {request.headers["x-shopify-shop-domain"] for request, _ in store.app.webhooks()} == {
        shop
    }
    assert {request.url.path for request, _ in store.app.requests} == {"/webhooks"}


async def test_half_a_surrogate_pair_in_a_name_is_sent_as_json_can_say_it(store: Store) -> None:
    fields = {"first_name": "Bob", "last_name": "Buyer", "half_emoji": "on"}
    bob = await store.control("POST", f"shops/{SHOP}/customers", fields)
    await store.order(str(bob["id"]))
    await store.until(lambda: store.app.payloads("orders/paid"))
    body = store.app.webhooks("orders/paid")[0][1]
    assert rb"Bob\ud83c" in body
    assert json.loads(body)["customer"]["first_name"] == "Bob\ud83c"
    page = await store.http.get(f"/deliveries/{(await kept(store))['orders/paid']['id']}")
    assert page.status_code == 200


async def test_merged_customers_are_one_with_the_orders_of_both(store: Store) -> None:
    bob, bert = await store.customer("Bob"), await store.customer("Bert")
    first, second = await store.order(bob), await store.order(bert)
    await store.control("POST", f"shops/{SHOP}/customers/{bert}/merge", {"into": bob})
    await quiet(store)
    told = store.app.payloads("customers/merge")[0]
    assert told["admin_graphql_api_customer_kept_id"] == f"gid://shopify/Customer/{bob}"
    assert told["admin_graphql_api_customer_deleted_id"] == f"gid://shopify/Customer/{bert}"
    assert (told["status"], told["errors"]) == ("completed", [])
    orders = await store.control("GET", f"shops/{SHOP}/orders")
    assert {one["id"] for one in orders} == {first["id"], second["id"]}
    assert {str(one["customer"]["id"]) for one in orders} == {bob}
    again = {"into": bob}
    gone = await store.http.post(f"/control/shops/{SHOP}/customers/{bert}/merge", json=again)
    assert gone.status_code == 422


@pytest.mark.parametrize("status", ["failed", "in_progress"])
async def test_a_merge_that_is_not_done_changes_nobody(store: Store, status: str) -> None:
    bob, bert = await store.customer("Bob"), await store.customer("Bert")
    asked = {"into": bob, "status": status}
    await store.control("POST", f"shops/{SHOP}/customers/{bert}/merge", asked)
    await quiet(store)
    told = store.app.payloads("customers/merge")[0]
    assert (told["status"], bool(told["errors"])) == (status, status == "failed")
    assert store.app.payloads("customers/update") == []
    await store.order(bert)
