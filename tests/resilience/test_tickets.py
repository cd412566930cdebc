"""How many calls are made at once, of whom, and who waits."""

import asyncio
import time

import pytest

from app.resilience.guard import BusyError, Resource, guard
from tests.resilience.calls import ALICE, BOBS, answer


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
    assert time.monotonic() - began < 4
    release.set()
    await asyncio.gather(*waiting)
