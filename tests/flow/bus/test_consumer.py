"""A service handles each event once, whatever is repeated, poisoned, killed or away."""

import asyncio
import dataclasses
import random

import asyncpg
import msgspec
import pytest
import structlog
from redis.exceptions import ConnectionError as RedisConnectionError

from app import db
from app.errors import RefusedError
from app.flow import event as envelope
from app.flow.bus import consumer
from app.flow.bus.interface import Bus, Delivery
from tests.flow.helpers import (
    TOPIC,
    Service,
    consumer_of,
    left_over,
    letters,
    make_letters_due,
    order,
    publish,
    until,
)


async def test_a_batch_is_handled_in_one_call_and_in_order(
    service: Service, bus: Bus, stores: db.Stores
) -> None:
    await publish(bus, stores, *(order(number) for number in range(50)))
    assert await service.run_once() == 50
    assert service.batches == [list(range(50))]
    assert await service.effects() == list(range(50))
    assert await left_over(service) == 0


async def test_a_backlog_is_handled_in_batches_of_the_configured_size(
    service: Service, bus: Bus, stores: db.Stores
) -> None:
    service.topics = (TOPIC, "order.refunded")
    config = dataclasses.replace(stores.config, consumer_batch=20)
    service.stores = dataclasses.replace(stores, config=config)
    await publish(
        bus, stores, *(order(number, topic=service.topics[number % 2]) for number in range(100))
    )
    assert await service.run_once() == 100
    assert max(len(batch) for batch in service.batches) == 20
    assert sorted(await service.effects()) == list(range(100))


async def test_events_repeated_by_the_relay_are_dropped(
    service: Service, bus: Bus, stores: db.Stores
) -> None:
    events = [order(number) for number in range(5)]
    await publish(bus, stores, *events, *events[:3])
    await publish(bus, stores, *events)
    assert await service.run_once() == 13
    await publish(bus, stores, events[4], order(5))
    await service.run_once()
    assert await service.effects() == [0, 1, 2, 3, 4, 5]


async def test_each_service_gets_every_event(service: Service, bus: Bus, stores: db.Stores) -> None:
    await publish(bus, stores, order(1))
    await service.run_once()
    await dataclasses.replace(service, name="campaigns").run_once()
    assert await service.effects() == [1, 1]


async def test_a_poisoned_event_holds_up_none_of_fifty(
    service: Service, bus: Bus, stores: db.Stores
) -> None:
    service.poison = lambda number: ZeroDivisionError("of course") if number == 20 else None
    await publish(bus, stores, *(order(number) for number in range(51)))
    await service.run_once()
    assert await service.effects() == [number for number in range(51) if number != 20]
    assert await left_over(service) == 0
    [letter] = await letters()
    assert (
        letter["service"],
        letter["shop"],
        letter["topic"],
        letter["state"],
        letter["attempts"],
    ) == ("points", "alice.myshopify.com", TOPIC, "waiting", 1)
    assert letter["reason"] == "ZeroDivisionError: of course"


async def test_an_event_refused_for_good_is_dead_at_once(
    service: Service, bus: Bus, stores: db.Stores
) -> None:
    service.poison = lambda number: RefusedError("Points cannot be earned here.")
    await publish(bus, stores, order(1))
    await service.run_once()
    [letter] = await letters()
    assert (letter["state"], letter["reason"], letter["next_attempt_at"]) == (
        "dead",
        "Points cannot be earned here.",
        None,
    )


async def test_a_waiting_event_is_handled_when_its_time_comes(
    service: Service, bus: Bus, stores: db.Stores
) -> None:
    service.poison = lambda number: ZeroDivisionError() if number == 1 else None
    await publish(bus, stores, order(1), order(2))
    await service.run_once()
    service.poison = lambda number: None
    await service.run_once()
    assert await service.effects() == [2], "not before its time"
    await make_letters_due()
    assert await service.run_once() == 1
    assert await service.effects() == [2, 1]
    assert [letter["state"] for letter in await letters()] == ["done"]
    await make_letters_due()
    await service.run_once()
    assert await service.effects() == [2, 1]


async def test_a_poisoned_event_that_comes_again_keeps_its_one_letter(
    service: Service, bus: Bus, stores: db.Stores
) -> None:
    service.poison = lambda number: ZeroDivisionError()
    event = order(1)
    await publish(bus, stores, event)
    await service.run_once()
    await publish(bus, stores, event)
    await service.run_once()
    service.poison = lambda number: None
    await publish(bus, stores, event)
    await make_letters_due()
    await service.run_once()
    assert await service.effects() == [1]
    assert [letter["state"] for letter in await letters()] == ["done"]


@pytest.mark.parametrize("forgery", ["signature", "body", "event_id", "timestamp"])
async def test_a_badly_signed_event_is_set_aside_and_never_handled(
    service: Service, bus: Bus, stores: db.Stores, forgery: str
) -> None:
    await publish(bus, stores, order(1))
    [(_, entry)] = await stores.queue.xrange("bus:order.paid")
    changed = {"signature": b"s", "body": b"b", "event_id": b"i", "timestamp": b"t"}[forgery]
    entry[changed] = envelope.encode(order(1_000_000)) if forgery == "body" else b"7"
    await stores.queue.xadd("bus:order.paid", entry)
    await service.run_once()
    assert await service.effects() == [1]
    [letter] = await letters()
    assert (letter["state"], letter["shop"]) == ("dead", ""), "nobody knows whose shop it is"
    await stores.queue.xadd("bus:order.paid", entry)
    async with db.connection() as connection:
        await connection.execute(
            "UPDATE dead_letters SET state = 'waiting', next_attempt_at = now()"
        )
    await service.run_once()
    assert await service.effects() == [1], "replayed, it is still not signed"
    assert {letter["state"] for letter in await letters()} == {"dead"}


async def test_events_signed_before_a_rotation_are_handled_after_it(
    service: Service, bus: Bus, stores: db.Stores
) -> None:
    def with_secrets(*secrets: str) -> db.Stores:
        return dataclasses.replace(
            stores, config=dataclasses.replace(stores.config, event_secrets=secrets)
        )

    await publish(bus, with_secrets("old"), order(1))
    await publish(bus, with_secrets("new", "old"), order(2))
    service.stores = with_secrets("new", "old")
    await service.run_once()
    assert await service.effects() == [1, 2]
    await publish(bus, with_secrets("old"), order(3))
    service.stores = with_secrets("new")
    await service.run_once()
    assert await service.effects() == [1, 2], "the old secret is retired"
    service.stores = with_secrets("new", "old")
    async with db.connection() as connection:
        await connection.execute(
            "UPDATE dead_letters SET state = 'waiting', next_attempt_at = now()"
        )
    await service.run_once()
    assert await service.effects() == [1, 2, 3], "an operator who retired it too early can replay"


async def test_an_event_of_a_future_version_waits_as_a_dead_letter_of_its_shop(
    service: Service, bus: Bus, stores: db.Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    future = msgspec.structs.replace(order(1), version=2)
    await publish(bus, stores, future, order(2))
    await service.run_once()
    assert await service.effects() == [2]
    [letter] = await letters()
    assert (letter["state"], letter["shop"], letter["reference"]) == (
        "dead",
        future.shop,
        future.id,
    )
    assert letter["reason"] == "order.paid version 2 is not known here; the newest known is 1."
    monkeypatch.setitem(
        envelope.UPCASTS, (TOPIC, 1), lambda data: data
    )  # the program learns version 2
    async with db.connection() as connection:
        await connection.execute(
            "UPDATE dead_letters SET state = 'waiting', next_attempt_at = now()"
        )
    await service.run_once()
    assert await service.effects() == [2, 1]


async def test_killed_before_the_commit_the_next_start_does_the_work(
    service: Service, bus: Bus, stores: db.Stores
) -> None:
    await publish(bus, stores, *(order(number) for number in range(10)))
    killed = consumer_of(service)
    await bus.ensure("points", service.topics)
    assert len(await bus.read("points", killed.name, service.topics, 100, 0)) == 10
    assert await consumer_of(service).run_once() == 10, "the same slot finds its own work at once"
    assert await service.effects() == list(range(10))


async def test_killed_between_commit_and_acknowledgement_nothing_is_done_twice(
    service: Service, bus: Bus, stores: db.Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def killed(group: str, deliveries: list[Delivery]) -> None:
        raise RedisConnectionError("connection reset")

    await publish(bus, stores, *(order(number) for number in range(10)))
    with monkeypatch.context() as patch:
        patch.setattr(bus, "ack", killed)
        with pytest.raises(RedisConnectionError):
            await consumer_of(service).run_once()
    assert await service.effects() == list(range(10))
    assert await left_over(service) == 10
    assert await consumer_of(service).run_once() == 10
    assert await service.effects() == list(range(10))
    assert await left_over(service) == 0


async def test_what_another_slot_left_behind_is_claimed(
    service: Service, bus: Bus, stores: db.Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "CLAIM_IDLE_MILLISECONDS", 0)
    await publish(bus, stores, *(order(number) for number in range(10)))
    await bus.ensure("points", service.topics)
    await bus.read("points", "points-2", service.topics, 100, 0)
    assert await consumer_of(service, "1").run_once() == 10
    assert await service.effects() == list(range(10))


async def test_two_consumers_of_a_service_share_the_work(
    service: Service, bus: Bus, stores: db.Stores
) -> None:
    config = dataclasses.replace(stores.config, consumer_batch=7)
    service.stores = dataclasses.replace(stores, config=config)
    stop = asyncio.Event()
    running = [asyncio.create_task(consumer_of(service, slot).run(stop)) for slot in ("1", "2")]
    events = [order(number) for number in range(200)]
    repeated = random.sample(events, 50)
    await publish(bus, stores, *events[:100], *repeated, *events[100:])
    assert await until(lambda: len(service.batches) > 1)

    async def is_done() -> bool:
        return len(await service.effects()) >= 200 and await left_over(service) == 0

    assert await until(is_done)
    stop.set()
    await asyncio.wait_for(asyncio.gather(*running), 3)
    assert sorted(await service.effects()) == list(range(200))
    assert not await letters()


async def test_caches_are_refreshed_after_the_commit_and_their_failure_undoes_nothing(
    service: Service, bus: Bus, stores: db.Stores
) -> None:
    seen: list[list[int]] = []

    async def handle(
        connection: asyncpg.Connection, events: list[envelope.Event]
    ) -> consumer.AfterCommit:
        await service.handle(connection, events)

        async def refresh() -> None:
            seen.append(await service.effects())
            raise RedisConnectionError("cache away")

        return refresh

    await publish(bus, stores, order(1))
    assert await consumer.run_once("points", service.topics, handle, bus, stores) == 1
    assert seen == [[1]], "outside the transaction the effect is there already"
    assert await left_over(service) == 0


async def test_a_single_event_is_handled_with_its_request_id_in_the_logs(
    service: Service, bus: Bus, stores: db.Stores
) -> None:
    bound: list[dict[str, object]] = []

    def poison(number: int) -> Exception | None:
        bound.append(structlog.contextvars.get_contextvars())
        return ZeroDivisionError() if number == 1 else None

    service.poison = poison
    event = order(1)
    await publish(bus, stores, event)
    await service.run_once()
    assert {"request_id": "request-1", "shop": event.shop, "event_id": event.id}.items() <= bound[
        -1
    ].items()
    assert "request_id" not in structlog.contextvars.get_contextvars()


async def test_what_was_consumed_long_ago_is_forgotten_in_steps(
    service: Service, bus: Bus, stores: db.Stores
) -> None:
    await publish(bus, stores, *(order(number) for number in range(10)))
    await service.run_once()
    assert await consumer.prune() == 0
    async with db.connection() as connection:
        await connection.execute(
            "UPDATE consumed SET consumed_at = now() - interval '15 days' "
            "WHERE id IN (SELECT id FROM consumed ORDER BY id LIMIT 7)"
        )
    assert [await consumer.prune(step=5) for _ in range(3)] == [5, 2, 0]
