"""Whether a process reaches Postgres: known soon, told with its beat, and known to be over."""

import asyncio
import time

import pytest

from app import rooms
from app.resilience import health, reach
from app.resilience.breaker import State
from app.resilience.guard import Resource
from tests.paused import paused


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch):
    monkeypatch.setattr(health, "_witnesses", {})
    monkeypatch.setattr(health, "MEMO_SECONDS", 0)
    reach.forget()
    yield
    reach.forget()


async def away() -> None:
    raise ConnectionRefusedError("postgres is away")


async def test_a_database_that_answers_is_reached_and_asked_in_the_room_of_health(
    stores, monkeypatch
) -> None:
    found = []
    ask, stop = reach._ask, asyncio.Event()

    async def seen() -> None:
        await ask()
        found.append(rooms.current.get())
        stop.set()

    monkeypatch.setattr(reach, "_ask", seen)
    async with asyncio.timeout(30):
        await asyncio.create_task(reach.watch(stop))
    assert found == [rooms.HEALTH]
    assert reach.is_database_reached()


async def test_a_database_that_is_silent_is_known_within_two_seconds_and_so_is_its_return(
    stores, embedded
) -> None:
    assert reach.EVERY_SECONDS + reach.ANSWER_SECONDS < 2
    await reach.look()
    with paused(embedded.postgres_port):
        began = time.monotonic()
        await reach.look()
        assert not reach.is_database_reached()
        assert time.monotonic() - began < 5
    for _ in range(50):
        await reach.look()
        if reach.is_database_reached():
            break
        await asyncio.sleep(0.1)
    assert reach.is_database_reached()


async def test_a_process_that_is_cut_off_says_so_and_is_late_whatever_its_lag(
    stores, monkeypatch
) -> None:
    await health.beat(stores.queue, "relay", 0.0)
    before = (await health.board(stores.queue))["relay"]
    assert before.is_database_reached
    monkeypatch.setattr(reach, "_ask", away)
    await reach.look()
    await health.beat(stores.queue, "relay", 0.0)
    board = await health.board(stores.queue)
    assert not board["relay"].is_database_reached
    assert health.service_notice(board, "relay") == "late"
    assert board["relay"].caught_up_at == before.caught_up_at, "since then nothing is known"
    monkeypatch.undo()
    monkeypatch.setattr(health, "MEMO_SECONDS", 0)
    await reach.look()
    await health.beat(stores.queue, "relay", 0.0)
    board = await health.board(stores.queue)
    assert health.service_notice(board, "relay") == "healthy"
    assert board["relay"].caught_up_at > before.caught_up_at


async def test_when_the_database_is_back_no_circuit_before_it_waits_for_a_probe(
    stores, monkeypatch
) -> None:
    waits = Resource("pages in this test", room=rooms.ADMIN, by_shop=True)
    other = Resource("not the database")
    monkeypatch.setattr(reach, "_ask", away)
    await reach.look()
    for resource in (waits, other):
        for _ in range(20):
            resource.failed("it is away", "alice.myshopify.com" if resource.by_shop else "")
            resource.failed("it is away", "")
    assert waits.breaker.state is other.breaker.state is State.OPEN
    monkeypatch.undo()
    await reach.look()
    assert waits.breaker.state is State.CLOSED
    assert {one.state for one in waits.shops.values()} == {State.CLOSED}
    assert other.breaker.state is State.OPEN, "of another store nothing is known"
