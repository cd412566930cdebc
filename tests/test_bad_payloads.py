"""Bad input from Shopify: kept, judged later, set aside with a sentence, nothing half-written."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from app import db
from app.core import handlers as core_handlers
from app.core import reads as core_reads
from app.flow import dead_letters, due_letters, shown_letters
from app.flow.bus import consumer, places
from app.flow.bus.buses import open_bus
from app.flow.lanes import ingest, translation
from app.points import handlers
from app.points.ledger.audit import verify
from app.shopify import payloads
from tests.admin.staff import Staff
from tests.conftest import SECRET
from tests.points.world import ALICE, BOB, figures, one
from tests.web_app import fresh_process, install, running_programs
from tests.webhook import ORDER, signed_headers

CHARLIES = "charlie.myshopify.com"
ODD = (
    '"O\'Brien" <script>alert(1)</script> '
    "\u202e\u0645\u0631\u062d\u0628\u0627\u202c 𝄞🛍 {{7*7}} %s \\"
)


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    fresh_process()


@pytest.fixture
async def http(stores: db.Stores) -> AsyncIterator[httpx2.AsyncClient]:
    """The app with real stores, two installed shops with their rewards, and every service alive."""
    async with running_programs(stores, ALICE, CHARLIES) as asking:
        yield asking


def order(**changed: Any) -> bytes:
    return json.dumps({**ORDER, **changed}).encode()


def line(**changed: Any) -> list[dict[str, Any]]:
    return [{**ORDER["line_items"][0], **changed}]


async def deliver(
    http: httpx2.AsyncClient, body: bytes, topic: str = "orders/paid", shop: str = ALICE
) -> None:
    answer = await http.post(
        "/webhooks", content=body, headers=signed_headers(body, topic, shop, SECRET)
    )
    assert answer.status_code == 200, "what Shopify signed is kept, and judged later"


async def drive(stores: db.Stores) -> None:
    """Everything between a lane and the ledger, by the workers' own functions."""
    await ingest.drain_once(stores, payloads.translate, core_reads.known_shops)
    bus = open_bus(stores.config)
    points = ("points", handlers.TOPICS, handlers.handler(stores))
    for reader in (points, ("core", core_handlers.TOPICS, core_handlers.handle)):
        await places.ensure(reader[0])
        while (await bus.lag(*reader[:2])).count:
            await consumer.run_once(*reader, bus, stores)


# webhooks


BAD_PAYLOADS = {
    "not JSON": b"not json",
    "cut off": order()[:-5],
    "no text": b"\xff\xfe",
    "nested without end": b"[" * 100_000,
    "a list": b"[]",
    "a number": b"7",
    "nothing": b"null",
    "no id": b"{}",
    "id as text": order(id="1001"),
    "id below 1": order(id=-1),
    "id too large": order(id=2**63),
    "lines as text": order(line_items="none"),
    "customer as text": order(customer="Bob"),
    "no currency": order(currency=None),
    "price no number": order(line_items=line(price="abc")),
    "price NaN": order(line_items=line(price="NaN")),
    "price without end": order(line_items=line(price="Infinity")),
    "price huge": order(line_items=line(price="1e400")),
    "price negative": order(line_items=line(price="-1.00")),
    "price empty": order(line_items=line(price="")),
    "price too fine": order(line_items=line(price="0.0000001")),
    "price missing": order(line_items=line(price=None)),
    "quantity negative": order(line_items=line(quantity=-1)),
    "quantity huge": order(line_items=line(quantity=10**9)),
    "quantity broken": order(line_items=line(quantity=1.5)),
    "no date": order(processed_at="yesterday"),
    "worth more than the world": order(line_items=line(price="999999999999", quantity=1_000_000)),
}


@pytest.mark.parametrize("name", BAD_PAYLOADS)
async def test_a_payload_that_cannot_be_used_is_set_aside_and_holds_up_nobody(
    http, stores, name: str
) -> None:
    await deliver(http, BAD_PAYLOADS[name])
    await deliver(http, order(id=1002))
    with capture_logs() as lines:
        await drive(stores)
    aside = [line for line in lines if line["event"] == "set aside"]
    assert [(line["shop"], line["state"]) for line in aside] == [(ALICE, "dead")]
    assert "exc_info" not in str(lines), "a shop's bad payload is no error of ours"
    (letter,) = (await shown_letters.list_for_shop(ALICE)).letters
    assert letter.reason.endswith((".", "`"))
    assert "Traceback" not in letter.reason
    assert letter.payload, "nothing is lost: it can be read, and replayed"
    assert await figures() == {"available": 49}, (
        "the good order beside it counts, and nothing of the bad one"
    )
    assert await one("SELECT count(*) FROM grants") == 1
    assert (await verify()).is_sound


@pytest.mark.parametrize(
    "body",
    [
        {"id": 5, "order_id": 1001, "refund_line_items": [{"line_item_id": 1, "quantity": -1}]},
        {"id": 5, "order_id": 1001, "refund_line_items": [{"line_item_id": 1, "quantity": 10**12}]},
        {
            "id": 5,
            "order_id": 1001,
            "refund_line_items": [],
            "order_adjustments": [{"kind": "refund_discrepancy", "amount": "lots"}],
        },
        {"id": 5, "order_id": "1001", "refund_line_items": []},
        {"id": 5, "order_id": 1001},
    ],
)
async def test_a_refund_that_makes_no_sense_takes_nothing_back(
    http, stores, body: dict[str, Any]
) -> None:
    await deliver(http, order())
    await deliver(http, json.dumps(body).encode(), "refunds/create")
    await drive(stores)
    assert await figures() == {"available": 49}
    assert await shown_letters.count_for_shop(ALICE) == 1


async def test_a_refund_of_more_than_was_bought_takes_back_what_was_earned(http, stores) -> None:
    await deliver(http, order())
    refund = {
        "id": 5,
        "order_id": 1001,
        "refund_line_items": [{"line_item_id": 1, "quantity": 1_000}],
    }
    await deliver(http, json.dumps(refund).encode(), "refunds/create")
    await drive(stores)
    assert await figures() == {"reversed": 49}
    assert (await verify()).is_sound


async def test_an_order_before_the_app_is_opened_is_kept_and_counts_once_it_is(
    http, stores
) -> None:
    stranger = "stranger.myshopify.com"
    for _ in range(2):
        await deliver(http, order(), shop=stranger)
        await drive(stores)
    assert await one("SELECT count(*) FROM members") == 0
    assert await one("SELECT reason FROM dead_letters") == (
        "The app has not been opened in this shop yet."
    )
    await install(stranger)
    async with db.transaction() as connection:  # as the first opening does
        await due_letters.come_due(connection, "ingest", stranger)
    replayer = ingest.replayer(payloads.translate, core_reads.known_shops)
    assert await dead_letters.retry_due("ingest", replayer) == 2
    await drive(stores)
    assert await figures(shop=stranger) == {"available": 49}
    assert await one("SELECT count(*) FROM dead_letters WHERE state <> 'done'") == 0
    assert (await verify()).is_sound


async def test_of_a_shop_that_never_opens_the_app_a_limited_number_is_kept(
    http, stores, monkeypatch
) -> None:
    monkeypatch.setattr(translation, "UNOPENED_MAX", 2)
    for number in range(4):
        await deliver(http, order(id=100 + number), shop="stranger.myshopify.com")
        await drive(stores)
    assert await one("SELECT count(*) FROM dead_letters") == 2
    assert await one("SELECT count(*) FROM receipts WHERE outcome = 'recorded'") == 2


async def test_another_shops_customer_is_another_member(http, stores) -> None:
    await deliver(http, order())
    await deliver(http, order(line_items=line(price="10.00")), shop=CHARLIES)
    await drive(stores)
    assert (await figures(), await figures(shop=CHARLIES)) == ({"available": 49}, {"available": 10})


async def test_odd_text_is_kept_as_it_is_and_a_nul_is_left_out(http, stores) -> None:
    buyer = {"id": int(BOB), "first_name": ODD, "last_name": "\x00Nul", "email": "bob@example.com"}
    with capture_logs() as lines:
        await deliver(http, order(customer=buyer, name=f"#1001 {ODD}"[:60]))
        await drive(stores)
    assert await one("SELECT name FROM customers") == f"{ODD} Nul"
    assert await figures() == {"available": 49}
    assert "O'Brien" not in str(lines), "no personal data in logs"
    assert "bob@" not in str(lines)
    page = await Staff(http, stores.config, ALICE).get(f"/customers/{BOB}")
    assert "<script>alert" not in page.text
    assert "مرحبا" in page.text
    assert "{{7*7}}" in page.text
