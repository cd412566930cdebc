"""POST /webhooks answers what Shopify must hear, and 200 only for what is on disk."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from app import db, webhooks
from app.flow.lanes import spill
from app.flow.lanes.admission import Admission
from tests.conftest import SECRET
from tests.door import ALICE, BODY, client_of, error, headers, kept, waiting


@pytest.fixture
async def client(stores: db.Stores):
    async with client_of(stores) as found:
        yield found


async def test_a_signed_webhook_is_in_its_lane_with_all_its_headers_when_200_is_answered(
    client, stores
):
    before = int(time.time() * 1000)
    answer = await client.post(
        "/webhooks", content=BODY, headers={**headers(), "X-Request-Id": "follow-me-1"}
    )
    assert (answer.status_code, answer.headers["x-request-id"]) == (200, "follow-me-1")
    (item,) = await waiting(stores)
    assert (item.shop, item.topic, item.webhook_id, item.body) == (ALICE, "orders/paid", "w1", BODY)
    assert (item.api_version, item.request_id) == ("2026-07", "follow-me-1")
    assert item.triggered_at
    assert item.event_id
    assert before <= item.received_ms <= time.time() * 1000


async def test_without_a_request_id_one_is_made_and_goes_along(client, stores):
    answer = await client.post("/webhooks", content=BODY, headers=headers())
    (item,) = await waiting(stores)
    assert item.request_id == answer.headers["x-request-id"] != ""


async def test_a_repeated_delivery_gets_200_and_is_kept_once(client, stores):
    for _ in range(3):
        assert (await client.post("/webhooks", content=BODY, headers=headers())).status_code == 200
    assert len(await waiting(stores)) == 1


async def test_a_webhook_signed_by_the_previous_secret_is_taken_while_secrets_rotate(
    stores: db.Stores,
):
    rotated = replace(stores, config=replace(stores.config, api_secrets=("a-new-secret", SECRET)))
    async with client_of(rotated) as client:
        assert (await client.post("/webhooks", content=BODY, headers=headers())).status_code == 200
        assert error(
            await client.post("/webhooks", content=BODY, headers=headers(secret="older"))
        ) == (
            401,
            "unauthorized",
        )


@pytest.mark.parametrize(
    "digest", ["", "x", "é", base64.b64encode(b"0" * 32).decode(), "=" * 44, "A" * 10_000]
)
async def test_a_wrong_digest_gets_401_and_nothing_is_kept(client, stores, digest):
    signed = {**headers(), "X-Shopify-Hmac-Sha256": digest.encode("latin-1")}
    assert error(await client.post("/webhooks", content=BODY, headers=signed)) == (
        401,
        "unauthorized",
    )
    assert await kept(stores) == []


async def test_a_changed_body_gets_401(client):
    assert error(await client.post("/webhooks", content=BODY + b" ", headers=headers())) == (
        401,
        "unauthorized",
    )


async def test_a_digest_in_hex_is_not_a_digest(client):
    digest = hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()
    answer = await client.post(
        "/webhooks", content=BODY, headers=headers(X_Shopify_Hmac_Sha256=digest)
    )
    assert error(answer) == (401, "unauthorized")


@pytest.mark.parametrize(
    "name",
    ["X-Shopify-Hmac-Sha256", "X-Shopify-Shop-Domain", "X-Shopify-Topic", "X-Shopify-Webhook-Id"],
)
async def test_a_missing_header_gets_400_and_is_named(client, stores, name):
    answer = await client.post("/webhooks", content=BODY, headers=headers(**{name: None}))
    assert error(answer) == (400, "bad_input")
    assert name in answer.json()["error"]["message"]
    assert await kept(stores) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Shopify-Shop-Domain", "alice.example.com"),
        ("X-Shopify-Shop-Domain", "alice.myshopify.com.evil.com"),
        ("X-Shopify-Shop-Domain", "-alice.myshopify.com"),
        ("X-Shopify-Shop-Domain", "a" * 64 + ".myshopify.com"),
        ("X-Shopify-Topic", "orders/paid'; DROP TABLE"),
        ("X-Shopify-Topic", "x" * 65),
        ("X-Shopify-Topic", "orders/" + "x" * 58),
        ("X-Shopify-Topic", "orders/paid/twice"),
        ("X-Shopify-Topic", "orders/"),
        ("X-Shopify-Webhook-Id", "x" * 129),
        ("X-Shopify-Webhook-Id", "a b"),
    ],
)
async def test_a_header_that_is_not_usable_gets_400(client, stores, name, value):
    answer = await client.post("/webhooks", content=BODY, headers=headers(**{name: value}))
    assert error(answer) == (400, "bad_input")
    assert await kept(stores) == []


@pytest.mark.parametrize(
    "topic",
    [
        "orders/partially_fulfilled",
        "customers/purchasing_summary",
        "customers_email_marketing_consent/update",
        "fulfillment_orders/line_items_prepared_for_local_delivery",
        "customer.tags_added",
    ],
)
async def test_a_topic_may_be_as_long_as_shopifys_are(client, stores, topic):
    answer = await client.post("/webhooks", content=BODY, headers=headers(X_Shopify_Topic=topic))
    assert answer.status_code == 200
    assert [item.topic for item in await waiting(stores)] == [topic]


@pytest.mark.parametrize(
    "name", ["X-Shopify-Shop-Domain", "X-Shopify-Topic", "X-Shopify-Hmac-Sha256"]
)
async def test_a_header_of_shopify_that_comes_twice_gets_400(client, stores, name):
    twice = [*headers().items(), (name.lower(), "orders/create")]
    answer = await client.post("/webhooks", content=BODY, headers=twice)
    assert error(answer) == (400, "bad_input")
    assert "several times" in answer.json()["error"]["message"]
    assert await kept(stores) == []
    forwarded = [*headers().items(), ("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-For", "2.2.2.2")]
    assert (await client.post("/webhooks", content=BODY, headers=forwarded)).status_code == 200


async def test_a_body_that_does_not_come_gets_408_and_the_connection_is_closed(
    client, stores, monkeypatch
):
    monkeypatch.setattr(webhooks.inbound, "room", webhooks.inbound.Room(seconds_max=0.1))
    never = asyncio.Event()

    async def stalled():
        yield BODY[:2]
        await never.wait()

    answer = await client.post("/webhooks", content=stalled(), headers=headers())
    assert error(answer) == (408, "too_slow")
    assert answer.headers["connection"] == "close"
    assert await kept(stores) == []


async def test_a_shop_is_the_same_in_capitals(client, stores):
    await client.post(
        "/webhooks", content=BODY, headers=headers(X_Shopify_Shop_Domain="Alice.MyShopify.com")
    )
    assert len(await waiting(stores)) == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD"])
async def test_another_method_gets_405(client, method):
    answer = await client.request(method, "/webhooks")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


async def test_a_body_of_five_megabytes_is_taken_and_a_larger_one_refused_unread(client, stores):
    fits = b" " * webhooks.BODY_BYTES_MAX
    assert (await client.post("/webhooks", content=fits, headers=headers(fits))).status_code == 200
    assert len((await waiting(stores))[0].body) == len(fits)
    large = fits + b" "
    assert error(await client.post("/webhooks", content=large, headers=headers(large))) == (
        413,
        "too_large",
    )

    async def chunks():
        for _ in range(6):
            yield b" " * 1024 * 1024

    assert error(await client.post("/webhooks", content=chunks(), headers=headers())) == (
        413,
        "too_large",
    )


async def test_a_body_in_pieces_is_put_together_again(client, stores):
    async def pieces():
        for index in range(len(BODY)):
            yield BODY[index : index + 1]

    assert (await client.post("/webhooks", content=pieces(), headers=headers())).status_code == 200
    assert (await waiting(stores))[0].body == BODY


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"\xff\x00\xfe", json.dumps({"name": "𝄞 مرحبا <script>"}).encode()]
)
async def test_nothing_is_parsed_before_it_is_durable(client, stores, body):
    assert (await client.post("/webhooks", content=body, headers=headers(body))).status_code == 200
    assert (await waiting(stores))[0].body == body


async def test_with_redis_away_the_answer_is_200_and_postgres_has_the_webhook(stores: db.Stores):
    lost = replace(stores, queue=db.redis_client("redis://127.0.0.1:9/0"))
    async with client_of(lost) as client:
        assert (await client.post("/webhooks", content=BODY, headers=headers())).status_code == 200
    await spill.unspill(stores)
    assert [item.webhook_id for item in await waiting(stores)] == ["w1"]
    await lost.queue.aclose()


async def test_an_unexpected_failure_gets_500_without_its_inside_and_one_log_line(
    client, monkeypatch
):
    async def bug(_self, _item):
        raise KeyError("a secret of the inside")

    monkeypatch.setattr(Admission, "admit", bug)
    with capture_logs() as lines:
        answer = await client.post("/webhooks", content=BODY, headers=headers())
    assert error(answer) == (500, "internal_error")
    assert "secret" not in answer.text
    assert [line["event"] for line in lines] == ["webhook failed"]


async def test_a_refusal_is_one_log_line_with_its_request_id(client):
    with capture_logs() as lines:
        await client.post(
            "/webhooks", content=BODY + b" ", headers={**headers(), "X-Request-Id": "follow-me-1"}
        )
    assert [(line["event"], line["status"], line["request_id"]) for line in lines] == [
        ("webhook refused", 401, "follow-me-1")
    ]


@pytest.mark.parametrize("given", ["short", "x" * 129, "has space", "<script>alert(1)</script>"])
async def test_a_request_id_that_is_not_sane_is_replaced(client, given):
    answer = await client.post(
        "/webhooks", content=BODY, headers={**headers(), "X-Request-Id": given}
    )
    assert len(answer.headers["x-request-id"]) == 32


async def test_with_both_stores_away_the_answer_is_503(stores: db.Stores, monkeypatch):
    async def down(_rows):
        raise OSError("Postgres is away")

    monkeypatch.setattr(spill, "spill", down)
    lost = replace(stores, queue=db.redis_client("redis://127.0.0.1:9/0"))
    async with client_of(lost) as client:
        assert error(await client.post("/webhooks", content=BODY, headers=headers())) == (
            503,
            "unavailable",
        )
    await lost.queue.aclose()
