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


def resource(*, deadline_seconds: float = 0.05, tickets: int = 4, calls_min: int = 3) -> Resource:
    return Resource("a test", deadline_seconds, tickets, Breaker("a test", calls_min=calls_min))


async def answer() -> str:
    return "here"


async def never() -> str:
    await asyncio.sleep(30)
    return "too late"


async def broken() -> str:
    raise ConnectionError("gone")


async def test_an_answer_in_time_comes_through() -> None:
    assert await guard(resource(), answer) == "here"


async def test_slow_counts_as_down() -> None:
    slow = resource()
    for _ in range(3):
        with pytest.raises(SlowError):
            await guard(slow, never)
    assert slow.breaker.state is State.OPEN


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
    assert time.monotonic() - began < 0.1
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
    assert time.monotonic() - began < 1
    with pytest.raises(BusyError):
        await guard(stubborn, answer)
    release.set()
    await asyncio.sleep(0.01)
    assert await guard(stubborn, answer) == "here"


ALICE, BOBS, CHARLIES = "alice.myshopify.com", "bob.myshopify.com", "charlie.myshopify.com"


def for_shops(**options: object) -> Resource:
    return Resource("a test", 0.05, 8, by_shop=True, **options)


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


async def test_a_shop_gets_half_of_the_tickets_at_most() -> None:
    shared = Resource("a test", 5, 4, by_shop=True)
    release = asyncio.Event()

    async def hold() -> str:
        await release.wait()
        return "held"

    held = [asyncio.create_task(guard(shared, hold, shop=ALICE)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        await guard(shared, answer, shop=ALICE)
    assert await guard(shared, answer, shop=BOBS) == "here"
    release.set()
    assert await asyncio.gather(*held) == ["held", "held"]
    assert not shared.bulkhead.crowds, "nothing is kept of shops that ask nothing"
    assert await guard(shared, answer, shop=ALICE) == "here"


async def test_of_one_shopper_one_call_is_made_at_a_time() -> None:
    shared = Resource("a test", 5, 8, by_shop=True)
    release = asyncio.Event()

    async def hold() -> str:
        await release.wait()
        return "held"

    held = asyncio.create_task(guard(shared, hold, shop=ALICE, subject="bob"))
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        await guard(shared, answer, shop=ALICE, subject="bob")
    assert await guard(shared, answer, shop=ALICE, subject="charlie") == "here"
    assert await guard(shared, answer, shop=BOBS, subject="bob") == "here"
    release.set()
    assert await held == "held"
    assert await guard(shared, answer, shop=ALICE, subject="bob") == "here"


async def test_who_leaves_while_waiting_for_a_ticket_takes_none_along() -> None:
    shared = Resource("a test", 5, 2, by_shop=True)
    shared.bulkhead.wait_seconds = 5.0
    release = asyncio.Event()
    held = [asyncio.create_task(guard(shared, release.wait, shop=ALICE)) for _ in range(3)]
    await asyncio.sleep(0.01)
    held[2].cancel()
    release.set()
    await asyncio.gather(*held, return_exceptions=True)
    assert shared.bulkhead.tickets._value == 2
    assert not shared.bulkhead.crowds
    assert shared.bulkhead.waiting == 0


async def test_a_crowd_beyond_the_limit_does_not_even_wait(monkeypatch) -> None:
    from app.resilience import bulkhead

    monkeypatch.setattr(bulkhead, "WAITING_MAX", 2)
    single = Resource("a test", 5, 1)
    single.bulkhead.wait_seconds = 5.0
    release = asyncio.Event()
    waiting = [asyncio.create_task(guard(single, release.wait)) for _ in range(3)]
    await asyncio.sleep(0.01)
    began = time.monotonic()
    with pytest.raises(BusyError):
        await guard(single, answer)
    assert time.monotonic() - began < 1
    release.set()
    await asyncio.gather(*waiting)
