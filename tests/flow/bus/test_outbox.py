"""Facts leave the outbox in order, at least once, through one process at a time."""

import asyncio
import dataclasses
from collections.abc import Sequence

import asyncpg
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from app import db
from app.flow import event as envelope
from app.flow.bus import outbox
from app.flow.bus.interface import Bus, Message
from app.flow.bus.outbox import Relay
from tests.flow.helpers import SHOP, emit, order, until


class Recorder:
    """Stands before the real bus; keeps what was published, and is away as long as a test says
    so.
    """

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.published: list[str] = []
        self.is_away = False

    async def publish(self, messages: Sequence[Message]) -> None:
        if self.is_away:
            raise RedisConnectionError("connection refused")
        await self.bus.publish(messages)
        self.published += [message.event_id for message in messages]

    def __getattr__(self, name: str) -> object:
        return getattr(self.bus, name)


@pytest.fixture
def recorder(bus: Bus) -> Recorder:
    return Recorder(bus)


async def test_facts_are_published_in_the_order_they_were_written(
    recorder: Recorder, stores: db.Stores
) -> None:
    events = [order(number, topic=f"order.{number % 3}") for number in range(25)]
    await emit(*events)
    assert [await outbox.relay_once(recorder, stores.config, limit=10) for _ in range(4)] == [
        10,
        10,
        5,
        0,
    ]
    assert recorder.published == [event.id for event in events]
    assert await outbox.depth_and_age() == (0, 0.0)


async def test_what_is_published_is_signed_with_the_first_secret(
    bus: Bus, stores: db.Stores
) -> None:
    config = dataclasses.replace(stores.config, event_secrets=("new", "old"))
    await emit(order(1))
    await outbox.relay_once(bus, config)
    await bus.ensure("points", ["order.paid"])
    [delivery] = await bus.read("points", "points-1", ["order.paid"], 10, 0)
    envelope.verify(
        delivery.event_id, delivery.timestamp, delivery.body, delivery.signature, ["new"]
    )
    assert envelope.decode(delivery.body).id == delivery.event_id


async def test_a_fact_of_a_transaction_that_failed_was_never_there(
    recorder: Recorder, stores: db.Stores
) -> None:
    async def fails() -> None:
        async with db.transaction() as connection:
            await outbox.emit(connection, [order(1)])
            await connection.execute("SELECT 1 / 0")

    with pytest.raises(asyncpg.DivisionByZeroError):
        await fails()
    assert await outbox.relay_once(recorder, stores.config) == 0


async def test_a_lower_id_that_commits_later_is_not_jumped_over(
    recorder: Recorder, stores: db.Stores
) -> None:
    slow, fast = order(1, "alice.myshopify.com"), order(2, "bobs.myshopify.com")
    async with db.transaction() as connection:
        await outbox.emit(connection, [slow])  # takes the lower id, and does not commit yet
        other = await asyncpg.connect(stores.config.database_url)
        await outbox.emit(other, [fast])
        await other.close()
        assert await outbox.relay_once(recorder, stores.config) == 1
    assert await outbox.relay_once(recorder, stores.config) == 1
    assert recorder.published == [fast.id, slow.id]


async def test_one_relay_holds_the_office_and_another_follows_when_its_session_ends(
    recorder: Recorder, stores: db.Stores
) -> None:
    await emit(*(order(number) for number in range(3)))
    first, second = Relay(recorder, stores.config), Relay(recorder, stores.config)
    assert await first.run_once(limit=1) == 1
    assert await second.run_once(limit=1) is None
    await first.connection.execute("SELECT 1")
    async with (
        db.connection() as connection
    ):  # the first loses its session, as it would with its machine
        await connection.execute(
            "SELECT pg_terminate_backend($1)", first.connection.get_server_pid()
        )
    assert await until(lambda: second.run_once(limit=1)) == 1
    assert await until(first.connection.is_closed)
    assert await first.run_once() is None, "who lost the office must stand by, not publish on"
    assert await second.run_once() == 1
    await first.close()
    await second.close()


async def test_a_relay_without_its_session_cannot_publish(
    recorder: Recorder, stores: db.Stores
) -> None:
    relay = Relay(recorder, stores.config)
    assert await relay.run_once() == 0
    await emit(order(1))
    relay.connection.terminate()
    other = Relay(recorder, stores.config)
    assert await until(other.run_once) == 1
    assert await relay.run_once() is None
    assert len(recorder.published) == 1
    await relay.close()
    await other.close()


async def test_a_relay_that_hangs_loses_the_office(
    recorder: Recorder, stores: db.Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "SILENCE_MILLISECONDS_MAX", 200)
    hangs = Relay(recorder, stores.config)
    assert await hangs.run_once() == 0
    monkeypatch.undo()
    await emit(order(1))
    follows = Relay(recorder, stores.config)
    assert await follows.run_once() is None
    assert await until(follows.run_once) == 1
    await hangs.close()
    await follows.close()


async def test_a_crash_between_publishing_and_deleting_repeats_the_batch(
    recorder: Recorder, stores: db.Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [order(number) for number in range(5)]
    await emit(*events)
    monkeypatch.setattr(
        outbox,
        "DELETE",
        "SELECT pg_terminate_backend(pg_backend_pid()) WHERE $1::bigint[] IS NOT NULL",
    )
    with pytest.raises((asyncpg.PostgresError, OSError)):
        await outbox.relay_once(recorder, stores.config)
    monkeypatch.undo()
    assert await until(lambda: outbox.relay_once(recorder, stores.config)) == 5
    assert recorder.published == [event.id for event in events] * 2


async def test_facts_wait_while_the_bus_is_away(recorder: Recorder, stores: db.Stores) -> None:
    recorder.is_away = True
    stop = asyncio.Event()
    running = asyncio.create_task(Relay(recorder, stores.config).run(stop))
    events = [order(number) for number in range(5)]
    await emit(*events)
    await asyncio.sleep(0.3)
    depth = await outbox.depth_and_age()
    assert depth.waiting == 5
    assert 0.2 < depth.age_seconds < 5
    recorder.is_away = False
    assert await until(lambda: len(recorder.published) == 5)
    stop.set()
    await asyncio.wait_for(running, 1)
    assert recorder.published == [event.id for event in events]


async def test_two_relays_side_by_side_lose_and_reorder_nothing(
    recorder: Recorder, stores: db.Stores
) -> None:
    stop = asyncio.Event()
    running = [asyncio.create_task(Relay(recorder, stores.config).run(stop)) for _ in range(2)]
    events = [order(number) for number in range(300)]
    for start in range(0, 300, 30):
        await emit(*events[start : start + 30])
        await asyncio.sleep(0.01)
    assert await until(lambda: len(recorder.published) == 300)
    stop.set()
    await asyncio.wait_for(asyncio.gather(*running), 3)
    assert recorder.published == [event.id for event in events]
    assert {event.shop for event in events} == {SHOP}
