"""Webhooks come as from Shopify: again after a failure, twice or shuffled, never to nobody."""

import asyncio
import base64
import hashlib
import hmac
import time

import httpx
import pytest
from starlette.responses import JSONResponse, RedirectResponse

from devstore import main
from devstore.webhooks import sending
from tests.devstore.conftest import SECRET, SHOP, FakeApp, Store, settings_for


def webhook_ids(store: Store) -> set[str]:
    return {request.headers["x-shopify-webhook-id"] for request, _ in store.app.webhooks()}


async def test_a_webhook_carries_every_header_and_a_good_signature(store: Store) -> None:
    await store.order(await store.customer())
    await store.until(lambda: len(store.app.webhooks()) == 3)
    request, body = store.app.webhooks("orders/paid")[0]
    digest = base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha256).digest()).decode()
    assert request.headers["x-shopify-hmac-sha256"] == digest
    assert request.headers["x-shopify-shop-domain"] == SHOP
    assert request.headers["x-shopify-api-version"] == "2026-07"
    assert request.headers["x-shopify-triggered-at"]
    create = store.app.webhooks("orders/create")[0][0]
    assert create.headers["x-shopify-event-id"] == request.headers["x-shopify-event-id"]
    assert create.headers["x-shopify-webhook-id"] != request.headers["x-shopify-webhook-id"]


async def test_a_failed_delivery_comes_again_with_the_same_id_and_body(store: Store) -> None:
    answers = [
        JSONResponse({}, 503),
        RedirectResponse("/elsewhere"),
        JSONResponse({}, 404),
        JSONResponse({}),
    ]
    store.app.answer = lambda _: answers.pop(0) if len(answers) > 1 else answers[0]
    await store.control("POST", "webhooks", {"time_scale": 0.0001})
    await store.customer()
    await store.until(lambda: len(store.app.webhooks()) == 4)
    assert len(webhook_ids(store)) == 1
    assert len({body for _, body in store.app.webhooks()}) == 1
    await store.until(
        lambda: next(iter(store.world.state.tables["delivery"].values())).state == "delivered"
    )
    listed = await store.control("GET", "deliveries")
    assert [attempt["status"] for attempt in listed[0]["tries"]] == [503, 307, 404, 200]


async def test_after_eight_retries_shopify_gives_up(store: Store) -> None:
    store.app.answer = lambda _: JSONResponse({}, 500)
    await store.control("POST", "webhooks", {"time_scale": 0.000001})
    await store.customer()
    delivery = next(iter(store.world.state.tables["delivery"].values()))
    await store.until(lambda: delivery.state == "failed")
    assert len(delivery.tries) == 9


def test_the_eight_waits_add_up_to_four_hours() -> None:
    waits = [sending.FIRST_RETRY_SECONDS * 2**number for number in range(sending.RETRIES)]
    assert sum(waits) == pytest.approx(4 * 3600)


async def test_an_app_that_takes_too_long_has_failed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "TOTAL_SECONDS", 0.05)
    store.app.delay_seconds = 0.5
    await store.customer()
    delivery = next(iter(store.world.state.tables["delivery"].values()))
    await store.until(lambda: delivery.state == "retrying")
    assert delivery.tries[0].status == 0


async def test_compressing_time_wakes_what_waits_already(store: Store) -> None:
    store.app.answer = lambda _: JSONResponse({}, 500)
    await store.customer()
    delivery = next(iter(store.world.state.tables["delivery"].values()))
    await store.until(lambda: delivery.state == "retrying")
    assert delivery.due_at - time.time() > 50
    store.app.answer = lambda _: JSONResponse({})
    await store.control("POST", "webhooks", {"time_scale": 0.0001})
    await store.until(lambda: delivery.state == "delivered", 2)


async def test_on_request_everything_comes_twice_and_out_of_order(store: Store) -> None:
    await store.control("POST", "webhooks", {"duplicate_ratio": 1.0, "shuffle": True})
    sent = [await store.customer(f"Bob{number}") for number in range(20)]
    await store.until(lambda: len(store.app.webhooks()) == 40)
    first_seen = list(
        dict.fromkeys(str(one["id"]) for one in store.app.payloads("customers/create"))
    )
    assert sorted(first_seen) == sorted(sent)
    assert first_seen != sent
    assert len(webhook_ids(store)) == 20


async def test_send_again_uses_the_same_id(store: Store) -> None:
    await store.customer()
    await store.until(lambda: len(store.app.webhooks()) == 1)
    delivery_id = store.app.webhooks()[0][0].headers["x-shopify-webhook-id"]
    assert (await store.http.post(f"/deliveries/{delivery_id}/again")).status_code == 303
    await store.until(lambda: len(store.app.webhooks()) == 2)
    assert store.app.webhooks()[1][0].headers["x-shopify-webhook-id"] == delivery_id
    assert (await store.http.get(f"/deliveries/{delivery_id}")).status_code == 200


async def test_an_uninstalled_app_hears_nothing_more(store: Store) -> None:
    await store.control("POST", f"shops/{SHOP}/webhooks", {"topic": "app/uninstalled"})
    await store.customer()
    await store.until(lambda: store.app.webhooks("app/uninstalled"))
    await asyncio.sleep(0.05)
    assert store.app.webhooks("customers/create") == []


async def test_what_waits_is_sent_after_a_restart_and_ids_go_on(
    fake_app: FakeApp, tmp_path
) -> None:
    fake_app.answer = lambda _: JSONResponse({}, 500)
    ids, names = [], []
    for run in range(2):
        app = main.make_app(settings_for(tmp_path))
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://store.test"
            ) as http,
        ):
            store = Store(app.state.world, fake_app, http)
            if run:
                fake_app.answer = lambda _: JSONResponse({})
                await store.control("POST", "webhooks", {"time_scale": 0.0001})
                await store.until(lambda: not store.world.webhooks.waiting)  # noqa: B023
            order = await store.order()
            ids += [order["id"], order["line_items"][0]["id"]]
            names.append(order["name"])
            await store.until(lambda: len(fake_app.webhooks("orders/paid")) > run)  # noqa: B023
    assert len(set(ids)) == 4
    assert max(ids[:2]) < min(ids[2:])
    assert names == ["#1001", "#1002"]
    seen = [one["name"] for one in fake_app.payloads("orders/paid")]
    assert seen.count("#1001") >= 2, "the first try failed and the restarted store tried again"
