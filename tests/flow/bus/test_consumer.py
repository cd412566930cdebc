"""A service handles each event once, whoever is killed and however many share the work."""

import asyncio
import dataclasses
import time
from typing import Any

import asyncpg
import msgspec
import pytest
from prometheus_client import REGISTRY
from redis.exceptions import ConnectionError as RedisConnectionError

from app import db
from app.flow import event as envelope
from app.flow.bus import consumer
from tests.flow.helpers import (
    TOPIC,
    Service,
    consumer_of,
    emit,
    left_over,
    letters,
    order,
    until,
)


async def replay_all_letters() -> None:
    async with db.connection() as connection:
        await connection.execute(
            "UPDATE dead_letters SET state = 'waiting', next_attempt_at = now()"
        )


async def test_a_batch_is_handled_in_one_call_and_in_order(service: Service) -> None:
    await emit(*(order(number) for number in range(50)))
    assert await service.run_once() == 1
    assert service.batches == [list(range(50))]
    assert await service.effects() == list(range(50))
    assert await left_over(service) == 0


async def test_a_backlog_is_handled_in_batches_of_about_the_configured_size(
    service: Service,
) -> None:
    service.topics = (TOPIC, "order.refunded")
    config = dataclasses.replace(service.stores.config, consumer_batch=20)
    service.stores = dataclasses.replace(service.stores, config=config)
    for start in range(0, 100, 10):
        await emit(
            *(order(start + number, topic=service.topics[number % 2]) for number in range(10))
        )
    assert await service.run_once() == 10
    assert [len(batch) for batch in service.batches] == [20] * 5
    assert await service.effects() == list(range(100))


def effects_seen() -> tuple[float, float]:
    """How many batches had their effect seen, and the seconds from their webhooks until then."""
    labels = {"service": "points"}
    count, seconds = (
        REGISTRY.get_sample_value(f"holdfast_effect_seconds_{what}", labels) or 0.0
        for what in ("count", "sum")
    )
    return count, seconds


async def test_from_a_webhook_to_its_effect_is_counted_once_a_batch_by_its_oldest(
    service: Service,
) -> None:
    now_ms = time.time_ns() // 1_000_000
    ages_ms = (None, 2_000, 7_000, None, 3_000)
    before = effects_seen()
    await emit(
        *(
            msgspec.structs.replace(order(number), received_ms=now_ms - age if age else 0)
            for number, age in enumerate(ages_ms)
        )
    )
    await dataclasses.replace(service, name="points").run_once()
    count, seconds = (now - then for now, then in zip(effects_seen(), before, strict=True))
    assert count == 1
    assert 7 <= seconds < 10
    await emit(order(9))
    await dataclasses.replace(service, name="points").run_once()
    assert effects_seen()[0] == before[0] + 1, "what no webhook caused says nothing"


async def test_each_service_gets_every_event(service: Service) -> None:
    await emit(order(1))
    await service.run_once()
    await dataclasses.replace(service, name="campaigns").run_once()
    assert await service.effects() == [1, 1]


async def test_facts_signed_before_a_rotation_are_handled_after_it(service: Service) -> None:
    stores = service.stores

    def knows(*secrets: str) -> None:
        envelope.use_secrets(secrets)
        config = dataclasses.replace(stores.config, event_secrets=secrets)
        service.stores = dataclasses.replace(stores, config=config)

    try:
        knows("old")
        await emit(order(1))
        knows("new", "old")
        await emit(order(2))
        await service.run_once()
        assert await service.effects() == [1, 2]
        knows("old")
        await emit(order(3))
        knows("new")
        await service.run_once()
        assert await service.effects() == [1, 2], "the old secret is retired"
        knows("new", "old")
        await replay_all_letters()
        await service.run_once()
        assert await service.effects() == [1, 2, 3], "one retired too early can be replayed"
    finally:
        envelope.use_secrets(stores.config.event_secrets)


async def test_killed_in_the_middle_of_a_batch_it_is_handled_once_by_whoever_comes_next(
    service: Service,
) -> None:
    await emit(*(order(number) for number in range(10)))
    killed = consumer_of(service)

    async def is_killed(connection: Any, events: list[envelope.Event]) -> None:
        await service.handle(connection, events)
        raise asyncio.CancelledError

    killed.handle = is_killed  # type: ignore[assignment] # nothing comes back from it
    await consumer.places.ensure(service.name)
    with pytest.raises(asyncio.CancelledError):
        await killed.run_once()
    assert await service.effects() == []
    assert await consumer_of(service, "2").run_once() == 1
    assert await service.effects() == list(range(10))
    assert await consumer_of(service).run_once() == 0


async def test_any_number_of_processes_share_the_work_and_each_event_is_handled_once(
    service: Service,
) -> None:
    config = dataclasses.replace(service.stores.config, consumer_batch=7)
    service.stores = dataclasses.replace(service.stores, config=config)
    stop = asyncio.Event()
    running = [asyncio.create_task(consumer_of(service, slot).run(stop)) for slot in "123"]
    for start in range(0, 300, 20):
        await emit(
            *(
                order(number, shop=f"shop-{number % 30}.myshopify.com")
                for number in range(start, start + 20)
            )
        )

    async def is_done() -> bool:
        return len(await service.effects()) >= 300 and await left_over(service) == 0

    assert await until(is_done)
    stop.set()
    await asyncio.wait_for(asyncio.gather(*running), 30)
    assert sorted(await service.effects()) == list(range(300))
    assert not await letters()


async def test_caches_are_refreshed_after_the_commit_and_their_failure_undoes_nothing(
    service: Service,
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

    await emit(order(1))
    found = await consumer.run_once("points", service.topics, handle, service.bus, service.stores)
    assert found == 1
    assert seen == [[1]], "outside the transaction the effect is there already"
    assert await left_over(service) == 0
