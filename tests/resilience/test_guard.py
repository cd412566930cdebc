"""Deadline, tickets, circuit and fallback around a call."""

import asyncio
import time

import pytest

from app.errors import NotFoundError
from app.resilience.breaker import Breaker, State
from app.resilience.guard import (
    BusyError,
    RefusedByCircuitError,
    Resource,
    SlowError,
    guard,
    on_behalf_of,
)
from app.rooms import Room
from tests.resilience.calls import ALICE, BOBS, CHARLIES, answer, broken, for_shops, never, resource


async def test_an_answer_in_time_comes_through() -> None:
    assert await guard(resource(), answer) == "here"


async def test_slow_counts_as_down() -> None:
    slow = resource()
    for _ in range(3):
        with pytest.raises(SlowError):
            await guard(slow, never)
    assert slow.breaker.state is State.OPEN


async def test_waiting_for_a_ticket_is_part_of_the_deadline() -> None:
    room = Room("one that is waited for", 1, 1.0, 1.0, "kept")
    crowded = Resource("crowded", breaker=Breaker("crowded", calls_min=1), room=room)
    first = asyncio.create_task(guard(crowded, lambda: asyncio.sleep(0.8)))
    await asyncio.sleep(0)
    began = time.monotonic()
    with pytest.raises(SlowError):
        await guard(crowded, never)
    assert time.monotonic() - began < 1.6, "it waited for its ticket, and then as long as any"
    await first
    assert crowded.breaker.state is State.CLOSED, "it had no time to show how it is"


async def test_refused_by_an_open_circuit_is_told_apart_from_failed() -> None:
    down = resource()
    for _ in range(3):
        with pytest.raises(ConnectionError):
            await guard(down, broken)
    calls = 0

    async def count() -> None:
        nonlocal calls
        calls += 1

    with pytest.raises(RefusedByCircuitError) as refused:
        await guard(down, count)
    assert (refused.value.code, refused.value.status, calls) == ("circuit_open", 503, 0)


async def test_a_refusal_gives_its_ticket_back() -> None:
    down = resource(tickets=1, calls_min=1)
    with pytest.raises(ConnectionError):
        await guard(down, broken)
    for _ in range(3):
        with pytest.raises(RefusedByCircuitError):
            await guard(down, answer)


async def test_errors_of_the_caller_open_nothing_and_skip_the_fallback() -> None:
    fine = resource()

    async def no_such() -> str:
        raise NotFoundError("No such customer.")

    async def fallback(_: Exception) -> str:
        return "from the fallback"

    for _ in range(10):
        with pytest.raises(NotFoundError):
            await guard(fine, no_such, fallback)
    assert fine.breaker.state is State.CLOSED


async def test_a_constraint_of_the_database_is_the_callers_fault(stores: object) -> None:
    from app import db

    fine = resource(deadline_seconds=5)

    async def divide() -> None:
        async with db.connection() as connection:
            await connection.fetchval("SELECT 1 / 0")

    for _ in range(4):
        with pytest.raises(Exception, match="division by zero"):
            await guard(fine, divide)
    assert fine.breaker.state is State.CLOSED


async def test_the_fallback_learns_why() -> None:
    async def fallback(error: Exception) -> str:
        return type(error).__name__

    down = resource(calls_min=2)
    assert await guard(down, broken, fallback) == "ConnectionError"
    assert await guard(down, never, fallback) == "SlowError"
    assert await guard(down, answer, fallback) == "RefusedByCircuitError"


async def test_more_calls_than_tickets_are_turned_away_at_once() -> None:
    crowded = resource(deadline_seconds=5, tickets=2)
    release = asyncio.Event()

    async def hold() -> str:
        await release.wait()
        return "held"

    inside = [asyncio.create_task(guard(crowded, hold)) for _ in range(2)]
    await asyncio.sleep(0)
    began = time.monotonic()
    with pytest.raises(BusyError):
        await guard(crowded, answer)
    assert time.monotonic() - began < 3, "and not only after five seconds"
    assert crowded.breaker.state is State.CLOSED, "our own crowd says nothing about the other side"
    release.set()
    assert await asyncio.gather(*inside) == ["held", "held"]
    assert await guard(crowded, answer) == "here"


async def test_a_caller_that_leaves_opens_nothing_and_gives_its_ticket_back() -> None:
    single = resource(deadline_seconds=5, tickets=1, calls_min=1)
    for _ in range(3):
        leaving = asyncio.create_task(guard(single, never))
        await asyncio.sleep(0.01)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
    assert single.breaker.state is State.CLOSED
    assert await guard(single, answer) == "here"


async def test_a_driver_that_will_not_be_cancelled_keeps_its_ticket_but_not_the_caller() -> None:
    stubborn = resource(tickets=1)
    release = asyncio.Event()

    async def clean_up_slowly() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            await release.wait()

    began = time.monotonic()
    with pytest.raises(SlowError):
        await guard(stubborn, clean_up_slowly)
    assert time.monotonic() - began < 15
    with pytest.raises(BusyError):
        await guard(stubborn, answer)
    release.set()
    await asyncio.sleep(0.01)
    assert await guard(stubborn, answer) == "here"


async def test_a_slow_shop_opens_its_own_circuit_and_nobody_elses() -> None:
    shared = for_shops()
    for _ in range(5):
        with pytest.raises(SlowError):
            await guard(shared, never, shop=ALICE)
    with pytest.raises(RefusedByCircuitError):
        await guard(shared, answer, shop=ALICE)
    assert await guard(shared, answer, shop=BOBS) == "here"
    assert shared.breaker.state is State.CLOSED


async def test_three_slow_shops_are_the_services_trouble() -> None:
    shared = for_shops()
    for shop in (ALICE, BOBS, CHARLIES) * 3 + (ALICE,):
        with pytest.raises(SlowError):
            await guard(shared, never, shop=shop)
    with pytest.raises(RefusedByCircuitError):
        await guard(shared, answer, shop="dora.myshopify.com")


async def test_a_store_that_refuses_connections_is_nobodys_own_trouble() -> None:
    shared = for_shops()
    for _ in range(10):
        with pytest.raises(ConnectionError):
            await guard(shared, broken, shop=ALICE)
    assert not shared.shops
    with pytest.raises(RefusedByCircuitError):
        await guard(shared, answer, shop=BOBS)


async def test_the_shop_a_request_is_for_is_known_without_being_passed_on() -> None:
    shared = for_shops()
    with on_behalf_of(ALICE):
        for _ in range(5):
            with pytest.raises(SlowError):
                await guard(shared, never)
    assert list(shared.shops) == [ALICE]
    assert await guard(shared, answer) == "here"


async def test_a_shop_comes_back_by_itself() -> None:
    shared = for_shops()
    for _ in range(5):
        with pytest.raises(SlowError):
            await guard(shared, never, shop=ALICE)
    shared.shops[ALICE].open_seconds = 0.0
    for _ in range(2):
        assert await guard(shared, answer, shop=ALICE) == "here"
    assert shared.shops[ALICE].state is State.CLOSED


async def test_a_probe_that_met_an_absent_store_is_given_back() -> None:
    shared = for_shops()
    for _ in range(5):
        with pytest.raises(SlowError):
            await guard(shared, never, shop=ALICE)
    shared.shops[ALICE].open_seconds = 0.0
    with pytest.raises(ConnectionError):
        await guard(shared, broken, shop=ALICE)
    assert await guard(shared, answer, shop=ALICE) == "here", "or the shop stays refused for ever"


async def test_circuits_of_shops_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from app.resilience import guard as module

    monkeypatch.setattr(module, "SHOP_CIRCUITS_MAX", 3)
    shared = for_shops()
    for number in range(10):
        shared.failed("SlowError", f"shop-{number}")
    assert list(shared.shops) == ["shop-7", "shop-8", "shop-9"]
