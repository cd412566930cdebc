"""The bus on Redis Streams keeps order, remembers what was not acknowledged, and forgets by age."""

import asyncio
import dataclasses
import time

import pytest

from app import config as settings
from app import db
from app.flow.bus.buses import open_bus
from app.flow.bus.interface import Bus, Message
from tests.flow.helpers import SHOP

TOPICS = ["order.paid", "order.refunded"]


def message(number: int, topic: str = "order.paid") -> Message:
    return Message(topic, SHOP, str(number), 5, "v1,signature", b"body \x00\xff of %d" % number)


@pytest.fixture
async def joined(bus: Bus) -> Bus:
    await bus.ensure("points", TOPICS)
    return bus


async def read(
    bus: Bus, count: int = 100, consumer: str = "points-1", group: str = "points"
) -> list[str]:
    return [delivery.event_id for delivery in await bus.read(group, consumer, TOPICS, count, 0)]


async def test_each_topic_keeps_its_order_and_each_message_its_bytes(joined: Bus) -> None:
    sent = [message(number, TOPICS[number % 2]) for number in range(10)]
    await joined.publish(sent)
    found = await joined.read("points", "points-1", TOPICS, 100, 0)
    for topic in TOPICS:
        of_topic = [one for one in found if one.topic == topic]
        assert [(one.event_id, one.timestamp, one.signature, one.body) for one in of_topic] == [
            (one.event_id, one.timestamp, one.signature, one.body)
            for one in sent
            if one.topic == topic
        ]
    assert await read(joined) == [], "given out once"


async def test_nothing_is_published_without_messages(joined: Bus) -> None:
    await joined.publish([])
    await joined.ack("points", [])
    assert await read(joined) == []


async def test_a_batch_larger_than_lua_can_unpack_is_published_whole(joined: Bus) -> None:
    await joined.publish([message(number) for number in range(3_000)])
    assert len(await read(joined, 5_000)) == 3_000


async def test_what_was_read_and_not_acknowledged_is_unfinished(joined: Bus) -> None:
    await joined.publish([message(number) for number in range(3)])
    first, *rest = await joined.read("points", "points-1", TOPICS, 100, 0)
    await joined.ack("points", [first])
    assert await joined.unfinished("points", "points-1", TOPICS, 100) == rest
    assert await joined.unfinished("points", "points-2", TOPICS, 100) == []


async def test_a_living_consumer_takes_over_from_a_dead_one(joined: Bus) -> None:
    await joined.publish([message(1), message(2, TOPICS[1])])
    left = await joined.read("points", "dead", TOPICS, 100, 0)
    assert await joined.claim("points", "alive", TOPICS, 60_000, 100) == [], "it may be busy"
    assert await joined.claim("points", "alive", TOPICS, 0, 100) == left
    assert await joined.unfinished("points", "dead", TOPICS, 100) == []


async def test_every_group_gets_everything_even_when_it_joins_later(joined: Bus) -> None:
    await joined.publish([message(1)])
    assert await read(joined) == ["1"]
    await joined.ensure("campaigns", TOPICS)
    await joined.ensure("campaigns", TOPICS)
    assert await read(joined, group="campaigns") == ["1"]


async def test_lag_counts_what_waits_and_what_is_in_hand(joined: Bus) -> None:
    assert (await joined.lag("points", [*TOPICS, "never.seen"])).count == 0
    await joined.publish([message(1), message(2), message(3, TOPICS[1])])
    await asyncio.sleep(0.02)
    lag = await joined.lag("points", TOPICS)
    assert lag.count == 3
    assert 0.02 <= lag.age_seconds < 5
    in_hand = await joined.read("points", "points-1", TOPICS, 1, 0)
    assert (await joined.lag("points", TOPICS)).count == 3
    await joined.ack("points", in_hand)
    assert (await joined.lag("points", TOPICS)).count == 1


async def test_old_events_are_forgotten_and_those_in_hand_do_not_come_back_as_ghosts(
    joined: Bus, stores: db.Stores
) -> None:
    old = int((time.time() - 100) * 1000)
    for number in range(200):  # whole blocks are trimmed, of a hundred entries each
        fields = {"i": str(number), "t": "5", "s": "v1,", "b": "old"}
        await stores.queue.xadd("bus:order.paid", fields, id=f"{old}-{number}")
    assert len(await read(joined, 150)) == 150
    await joined.publish([message(1_000)])
    assert await joined.topics() == sorted(TOPICS)
    await joined.trim(TOPICS, keep_seconds=50)
    left = await stores.queue.xlen("bus:order.paid")
    assert left < 150
    ghosts_gone = await joined.unfinished("points", "points-1", TOPICS, 500)
    assert all(delivery.body for delivery in ghosts_gone)
    await joined.claim("points", "points-2", TOPICS, 0, 500)
    assert "1000" in await read(joined, 500)


async def test_trimmed_events_left_by_a_dead_consumer_are_claimed_away(
    joined: Bus, stores: db.Stores
) -> None:
    await joined.publish([message(1), message(2)])
    gone, kept = await joined.read("points", "dead", TOPICS, 100, 0)
    await stores.queue.xdel("bus:order.paid", gone.position)
    assert await joined.claim("points", "alive", TOPICS, 0, 100) == [kept]
    assert (await joined.lag("points", TOPICS)).count == 1


async def test_an_entry_somebody_else_wrote_has_no_valid_signature(
    joined: Bus, stores: db.Stores
) -> None:
    await stores.queue.xadd("bus:order.paid", {"hello": "world"})
    await stores.queue.xadd("bus:order.paid", {"i": b"\xff", "t": "soon", "s": "", "b": ""})
    found = await joined.read("points", "points-1", TOPICS, 100, 0)
    assert [one.signature for one in found] == ["", ""]
    assert b"hello" in found[0].body


def test_the_bus_is_chosen_by_its_address(stores: db.Stores) -> None:
    assert open_bus("redis://127.0.0.1:1/0", stores)
    with pytest.raises(
        settings.MissingSettingsError, match="BUS_URL names Kafka, which is not built yet"
    ):
        open_bus("kafka://127.0.0.1:9092", stores)
    with pytest.raises(settings.MissingSettingsError, match="BUS_URL"):
        open_bus("amqp://127.0.0.1", dataclasses.replace(stores))
