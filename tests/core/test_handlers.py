"""Core: shops that leave, requests about personal data."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from app import db
from app.core import reads
from app.core.handlers import SERVICE, TOPICS, handle
from app.core.models import ComplianceRequest, Shop
from app.flow import event as envelope
from app.flow.bus import consumer
from app.flow.bus.buses import open_bus
from app.flow.event import Event
from tests.flow.helpers import emit, letters

ALICE = "alice.myshopify.com"
INSTALLED = datetime(2026, 3, 1, 12, tzinfo=UTC)


def uninstalled(at: datetime, shop: str = ALICE) -> Event:
    return envelope.new(
        "app.uninstalled", shop, shop, {}, trace="request-1", occurred_at=at.isoformat()
    )


def asked(
    topic: str, payload: object, at: str = "2026-03-02T10:00:00Z", shop: str = ALICE
) -> Event:
    data = {"topic": topic, "payload": payload}
    return envelope.new("compliance.requested", shop, shop, data, trace="request-1", occurred_at=at)


async def deliver(stores: db.Stores, *events: Event) -> None:
    bus = open_bus(stores.config)
    await emit(*events)
    await consumer.run_once(SERVICE, TOPICS, handle, bus, stores)
    while (await bus.lag(SERVICE, TOPICS)).count:  # a transaction of Postgres' own keeps it back
        await consumer.run_once(SERVICE, TOPICS, handle, bus, stores)
    assert not await letters()


async def alices_shop(**fields: object) -> Shop:
    shop = await Shop.create(
        domain=ALICE, access_token=b"a", refresh_token=b"r", access_expires_at=INSTALLED, **fields
    )
    await Shop.filter(domain=ALICE).update(installed_at=INSTALLED)
    return shop


async def test_a_shop_that_is_said_to_leave_keeps_everything_until_shopify_confirms_it(
    stores: db.Stores,
) -> None:
    await alices_shop()
    await Shop.create(domain="bobs.myshopify.com", access_token=b"b")
    at = INSTALLED + timedelta(days=1)
    await deliver(stores, uninstalled(at))
    shop = await Shop.get(domain=ALICE)
    assert (shop.status, shop.access_token, shop.refresh_token) == ("active", b"a", b"r")
    assert (shop.leaving_at, shop.uninstalled_at) == (at, None)
    assert (await Shop.get(domain="bobs.myshopify.com")).leaving_at is None


async def test_an_uninstall_older_than_the_last_install_is_ignored(stores: db.Stores) -> None:
    await alices_shop()
    await deliver(stores, uninstalled(INSTALLED - timedelta(seconds=1)))
    assert (await Shop.get(domain=ALICE)).leaving_at is None


async def test_an_uninstall_told_twice_keeps_its_first_moment_and_one_of_tomorrow_is_now(
    stores: db.Stores,
) -> None:
    await alices_shop()
    first = INSTALLED + timedelta(hours=1)
    await deliver(stores, uninstalled(first))
    await deliver(stores, uninstalled(first + timedelta(hours=1)))
    assert (await Shop.get(domain=ALICE)).leaving_at == first
    await Shop.create(domain="bobs.myshopify.com", access_token=b"b")
    await deliver(stores, uninstalled(datetime.now(UTC) + timedelta(days=1), "bobs.myshopify.com"))
    told = (await Shop.get(domain="bobs.myshopify.com")).leaving_at
    assert told is not None
    assert told <= datetime.now(UTC) + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (
            "customers/data_request",
            {"shop_id": 1, "customer": {"id": 7}, "data_request": {"id": 99}},
        ),
        ("customers/redact", {"shop_id": 1, "customer": {"id": 7}, "orders_to_redact": [1]}),
        ("shop/redact", {"shop_id": 1, "shop_domain": ALICE}),
    ],
)
async def test_a_compliance_request_is_recorded_once(
    stores: db.Stores, topic: str, payload: dict[str, object]
) -> None:
    await deliver(stores, asked(topic, payload), asked(topic, payload))
    await deliver(stores, asked(topic, payload))
    request = await ComplianceRequest.get()
    assert (request.shop, request.topic, request.state, request.payload) == (
        ALICE,
        topic,
        "received",
        payload,
    )


async def test_the_same_customer_can_be_redacted_again_later(stores: db.Stores) -> None:
    payload = {"customer": {"id": 7, "email": 'Bob "; DROP 🛍 \u202e'}}
    await deliver(
        stores,
        asked("customers/redact", payload),
        asked("customers/redact", payload, "2027-03-02T10:00:00Z"),
    )
    assert await ComplianceRequest.all().count() == 2


async def test_a_request_of_another_shape_is_set_aside_with_its_payload(stores: db.Stores) -> None:
    bus = open_bus(stores.config)
    good = asked("shop/redact", {})
    await emit(asked("customers/redact", {"customer": "Bob"}), good)
    await consumer.run_once(SERVICE, TOPICS, handle, bus, stores)
    assert await ComplianceRequest.all().count() == 1
    [letter] = await letters()
    assert (letter["service"], letter["shop"], letter["state"]) == ("core", ALICE, "dead")
    assert json.loads(letter["payload"])["data"]["payload"] == {"customer": "Bob"}


async def test_an_older_word_of_a_shop_that_comes_late_changes_nothing(stores: db.Stores) -> None:
    await alices_shop(name="Alice")
    newer, older = {"name": "New", "currency": "JPY"}, {"name": "Old", "currency": "EUR"}
    for said, day in ((newer, 2), (older, 1), ({**newer, "name": ""}, 3)):
        told = {"timezone": "", **said}
        at = f"2026-11-0{day}T10:00:00+00:00"
        await deliver(
            stores, envelope.new("shop.updated", ALICE, ALICE, told, trace="1", occurred_at=at)
        )
    shop = await Shop.get(domain=ALICE)
    assert (shop.name, shop.currency, shop.timezone) == ("New", "JPY", "UTC")


async def test_known_shops_are_those_that_ever_installed(stores: db.Stores) -> None:
    await alices_shop(status="uninstalled")
    assert await reads.known_shops([ALICE, "charlie.myshopify.com"]) == {ALICE}
    assert await reads.known_shops([]) == set()


async def test_a_shop_is_read_with_what_pages_need(stores: db.Stores) -> None:
    await alices_shop(name="Alice's", currency="EUR", timezone="Europe/Berlin", plan="plus")
    shop = await reads.shop(ALICE)
    assert shop is not None
    assert (shop.name, shop.currency, shop.timezone, shop.plan, shop.status) == (
        "Alice's",
        "EUR",
        "Europe/Berlin",
        "plus",
        "active",
    )
    assert await reads.shop("charlie.myshopify.com") is None
