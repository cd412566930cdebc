"""What campaigns gave: each fact counts once, in any order, for who is there now."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from app import db
from app.campaigns import actions, handlers, reads
from app.campaigns.views import Results
from app.flow import event as envelope
from app.flow.bus import consumer
from app.flow.bus.buses import open_bus
from app.flow.event import Event
from tests.campaigns.test_actions import ALICE, CHARLIE, double
from tests.flow.helpers import emit, letters

AT = "2026-11-27T10:00:00+00:00"
BOB, DORA = "7001", "7002"


def moved(
    topic: str,
    customer: str,
    source: str,
    bonuses: list[list[Any]] | None,
    shop: str = ALICE,
    **fields: Any,
) -> Event:
    data = {"customer_id": customer, "source": source, "points": 10, "sequence": 3, **fields}
    more = {} if bonuses is None else {"bonuses": bonuses}
    at = data.pop("at", AT)
    return envelope.new(topic, shop, shop, data | more, trace="t", occurred_at=at)


def fact(topic: str, data: dict[str, Any], shop: str = ALICE) -> Event:
    return envelope.new(topic, shop, shop, data, trace="t", occurred_at=AT)


async def handle(*events: Event) -> None:
    async with db.transaction() as conn:
        await handlers.handle(conn, list(events))


async def results(campaign_id: str, shop: str = ALICE) -> Results:
    return (await reads.campaign(shop, campaign_id)).results


@pytest.fixture
async def campaign_id(stores: db.Stores) -> str:
    return (await actions.make(ALICE, double(), key="k1", by="42")).campaign_id


async def test_what_is_given_and_taken_back_is_summed_with_who_and_what(campaign_id) -> None:
    await handle(
        moved("points.earned", BOB, "order:1", [[campaign_id, 1, 50]]),
        moved("points.earned", BOB, "order:2", [[campaign_id, 2, 30], ["other", 1, 5]]),
        moved("points.earned", DORA, "order:3", [[campaign_id, 2, 20]]),
        moved("points.earned", DORA, "order:4", None),
        moved("points.reversed", BOB, "order:1", [[campaign_id, 1, 50]]),
    )
    assert await results(campaign_id) == Results(
        given=100,
        taken_back=50,
        orders=3,
        customers=2,
        as_of=datetime(2026, 11, 27, 10, tzinfo=UTC),
    )


async def test_facts_that_come_again_in_any_order_change_nothing(campaign_id) -> None:
    events = [
        moved("points.earned", BOB, "order:1", [[campaign_id, 1, 50], [campaign_id, 1, 7]]),
        moved("points.earned", DORA, "order:2", [[campaign_id, 1, 30]]),
        moved("points.reversed", BOB, "order:1", [[campaign_id, 1, 20]]),
        moved("points.reversed", DORA, "order:2", [[campaign_id, 1, 30]]),
    ]
    chance = random.Random(27)
    for _ in range(5):
        many = [*events, *chance.sample(events, 2)]
        chance.shuffle(many)
        cut = chance.randrange(len(many))
        await handle(*many[:cut])
        await handle(*many[cut:])
    found = await results(campaign_id)
    assert (found.given, found.taken_back, found.net) == (87, 50, 37)
    assert (found.orders, found.customers) == (2, 2)


async def test_an_orders_movements_are_one_order_and_what_moves_between_two_is_neither_lost(
    campaign_id,
) -> None:
    other = (await actions.make(ALICE, double(name="Other"), key="k2", by="42")).campaign_id
    await handle(
        moved("points.earned", BOB, "order:1", [[campaign_id, 1, 50]], order_id="1"),
        moved(
            "points.earned", BOB, "order:1:1", [[campaign_id, 1, -20], [other, 1, 30]], order_id="1"
        ),
        moved("points.reversed", BOB, "refund:9", [[other, 1, 10]], order_id="1"),
    )
    first, second = await results(campaign_id), await results(other)
    assert (first.given, first.taken_back, first.orders) == (50, 20, 1)
    assert (second.given, second.taken_back, second.orders) == (30, 10, 1)


async def test_what_it_gave_is_known_by_days_of_the_shops_zone_and_adds_up(campaign_id) -> None:
    midnight = datetime(2026, 11, 26, 18, 30, tzinfo=UTC)  # in Kolkata
    events = [
        moved(
            "points.earned", BOB, f"order:{number}", [[campaign_id, 1, points]], at=at.isoformat()
        )
        for number, points, at in (
            (1, 50, midnight - timedelta(minutes=1)),
            (2, 30, midnight),
            (3, 20, midnight + timedelta(hours=5)),
        )
    ]
    back = moved("points.reversed", BOB, "order:1", [[campaign_id, 1, 50]], at=midnight.isoformat())
    events.append(back)
    await handle(*events, events[0])
    await handle(*events)
    days = [date(2026, 11, 25), date(2026, 11, 26), date(2026, 11, 27)]
    kolkata = await reads.by_day(ALICE, campaign_id, days, "Asia/Kolkata")
    assert kolkata == [(days[0], 0, 0), (days[1], 50, 0), (days[2], 50, 50)]
    there = await reads.by_day(ALICE, campaign_id, days, "America/New_York")
    assert there == [(days[0], 0, 0), (days[1], 100, 50), (days[2], 0, 0)]
    found = await results(campaign_id)
    assert (found.given, found.taken_back) == (100, 50)


async def test_customers_who_became_one_count_as_one(campaign_id) -> None:
    await handle(
        moved("points.earned", BOB, "order:1", [[campaign_id, 1, 50]]),
        moved("points.earned", DORA, "order:2", [[campaign_id, 1, 30]]),
    )
    merged = fact("customer.merged", {"customer_id": DORA, "kept_id": BOB})
    await handle(merged)
    await handle(merged)
    found = await results(campaign_id)
    assert (found.given, found.customers) == (80, 1)


async def test_a_redacted_shop_is_forgotten_and_no_other_shop_with_it(campaign_id) -> None:
    other = await actions.make(CHARLIE, double(), key="k1", by="42")
    await handle(moved("points.earned", BOB, "order:1", [[campaign_id, 1, 50]]))
    for topic, domain in (
        ("customers/redact", ALICE),
        ("shop/redact", CHARLIE),  # a body of another shop, under this one's name
    ):
        asked = {"topic": topic, "payload": {"shop_id": 1, "shop_domain": domain}}
        await handle(fact("compliance.requested", asked))
    assert (await results(campaign_id)).given == 50
    asked = {"topic": "shop/redact", "payload": {"shop_id": 1, "shop_domain": ALICE}}
    await handle(fact("compliance.requested", asked))
    async with db.connection() as conn:
        for table in (
            "campaigns",
            "campaign_versions",
            "campaign_stackings",
            "campaign_results",
            "campaign_sums",
            "campaign_quarters",
        ):
            left = f"SELECT count(*) FROM {table} WHERE shop = $1"
            assert await conn.fetchval(left, ALICE) == 0, table
    assert (await reads.campaign(CHARLIE, other.campaign_id)).campaign == other


async def test_a_fact_that_makes_no_sense_is_set_aside_and_holds_nobody_up(
    campaign_id, stores
) -> None:
    wrong = moved("points.earned", BOB, "order:1", [[campaign_id, 1]])
    right = moved("points.earned", BOB, "order:2", [[campaign_id, 1, 30]])
    await emit(wrong, right)
    bus = open_bus(stores.config)
    while (await bus.lag(handlers.SERVICE, handlers.TOPICS)).count or not await letters():
        await consumer.run_once(handlers.SERVICE, handlers.TOPICS, handlers.handle, bus, stores)
    (letter,) = await letters()
    assert (letter["service"], letter["state"]) == ("campaigns", "dead")
    assert (await results(campaign_id)).given == 30
