"""A database or a bus lost in the middle costs no event a try, and only an event that did it is
blamed.
"""

import asyncio
import logging
from collections.abc import Iterator

import asyncpg
import pytest

from app.flow import event as envelope
from app.flow.bus import consumer, places, starts
from tests.flow.helpers import (
    Service,
    consumer_of,
    emit,
    left_over,
    letters,
    order,
    until,
)


@pytest.fixture
def quiet() -> Iterator[None]:
    """asyncpg warns on stderr of connections that were cut, which is what these tests do."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


async def kill_own_session(connection: asyncpg.Connection) -> None:
    await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.mark.usefixtures("quiet")
async def test_a_database_lost_in_the_middle_of_a_batch_makes_no_dead_letter(
    service: Service,
) -> None:
    await emit(*(order(number) for number in range(20)))
    handle, losses = service.handle, 2

    async def loses_the_database(
        connection: asyncpg.Connection, events: list[envelope.Event]
    ) -> None:
        nonlocal losses
        await handle(connection, events)
        if losses:
            losses -= 1
            await kill_own_session(connection)

    service.handle = loses_the_database  # type: ignore[method-assign,assignment] # the failing one
    stop = asyncio.Event()
    running = asyncio.create_task(consumer_of(service).run(stop))
    assert await until(service.effects)
    stop.set()
    await asyncio.wait_for(running, 30)
    assert await service.effects() == list(range(20))
    assert service.batches == [list(range(20))] * 3, "repeated as a batch, not in halves"
    assert not await letters()
    assert await left_over(service) == 0


@pytest.mark.parametrize("state", ["40P01", "40001", "57P03", "53300"])
async def test_deadlocks_conflicts_and_refused_connections_cost_no_event_a_try(
    service: Service, state: str
) -> None:
    await emit(order(1), order(2))
    error = asyncpg.PostgresError.new({"C": state, "M": "not now"})
    service.poison = lambda number: error if number == 2 else None
    for _ in range(3):
        with pytest.raises(type(error)):
            await service.run_once()
    assert not await letters()
    assert await left_over(service) == 2
    service.poison = lambda number: None
    await service.run_once()
    assert await service.effects() == [1, 2]


async def test_a_statement_that_runs_out_of_time_blames_its_event_alone(service: Service) -> None:
    error = asyncpg.PostgresError.new(
        {"C": "57014", "M": "canceling statement due to statement timeout"}
    )
    service.poison = lambda number: error if number == 2 else None
    await emit(order(1), order(2), order(3))
    await service.run_once()
    assert await service.effects() == [1, 3]
    assert [letter["state"] for letter in await letters()] == ["waiting"]


async def test_an_event_that_always_breaks_its_connection_is_found_out(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "SETBACKS_MAX", 2)
    monkeypatch.setattr(starts, "CAREFUL_EVENTS", 20)
    service.poison = lambda number: ConnectionResetError() if number == 2 else None
    await emit(order(1), order(2), order(3))
    stop = asyncio.Event()
    running = asyncio.create_task(consumer_of(service).run(stop))

    async def both() -> bool:
        return await service.effects() == [1, 3]

    assert await until(both)
    await emit(order(4))

    async def the_next() -> bool:
        return await service.effects() == [1, 3, 4]

    assert await until(the_next), "and holds up nobody while it waits"
    stop.set()
    await asyncio.wait_for(running, 30)
    assert [letter["state"] for letter in await letters()] == ["dead"]


async def test_nobody_is_blamed_while_postgres_does_not_answer(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_answer() -> bool:
        return False

    monkeypatch.setattr(consumer, "SETBACKS_MAX", 0)
    monkeypatch.setattr(starts, "postgres_answers", no_answer)
    service.poison = lambda number: ConnectionResetError()
    await emit(order(1))
    process = consumer_of(service)
    await places.ensure(service.name)
    await process.starts.begin()
    for _ in range(5):
        assert await until(lambda: service.bus.heads(service.name, service.topics, 1))
        with pytest.raises(ConnectionResetError):
            await process.run_once()
        await process._suspect(ConnectionResetError())
    assert process.starts.careful_events == 0
    assert not await letters()
    assert await left_over(service) == 1


async def test_a_redis_that_has_lost_everything_costs_no_fact(service: Service) -> None:
    stop = asyncio.Event()
    process = consumer_of(service)
    running = asyncio.gather(process.wakes.listen(service.topics, stop), process.run(stop))
    await emit(order(1))
    assert await until(service.effects)
    await emit(order(2))
    await service.stores.queue.flushall()
    await emit(order(3))

    async def all_three() -> bool:
        return await service.effects() == [1, 2, 3]

    assert await until(all_three)
    stop.set()
    await asyncio.wait_for(running, 30)
