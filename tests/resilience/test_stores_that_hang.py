"""Real servers, stopped in the middle with SIGSTOP: slow counts as down, and coming back is
noticed.
"""

import asyncio
import time

import pytest

from app import db
from app.resilience import cache
from app.resilience.breaker import Breaker, State
from app.resilience.guard import Resource, SlowError, guard
from tests.paused import paused

pytestmark = pytest.mark.hangs


async def select_one() -> int:
    async with db.connection() as connection:
        return int(await connection.fetchval("SELECT 1"))


def postgres(**breaker: float) -> Resource:
    return Resource("a test", 0.2, 16, Breaker("a test", **breaker))


async def test_a_database_that_hangs_costs_a_caller_the_deadline_and_no_more(
    stores, embedded
) -> None:
    points = postgres(open_seconds=0.2, calls_min=4)
    assert await guard(points, select_one) == 1
    with paused(embedded.postgres_port):
        for _ in range(3):
            began = time.monotonic()
            with pytest.raises(SlowError):
                await guard(points, select_one)
            assert time.monotonic() - began < 5
        assert points.breaker.state is State.OPEN
    deadline = time.monotonic() + 10
    while points.breaker.state is not State.CLOSED and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
        await guard(points, select_one, lambda _: asyncio.sleep(0, 0))
    assert points.breaker.state is State.CLOSED, "coming back must be noticed"
    assert await guard(points, select_one) == 1


async def test_a_cache_that_hangs_costs_a_reader_little_and_soon_nothing(stores, embedded) -> None:
    source = Resource("a test", 5.0, 16)
    with paused(embedded.redis_port):
        for _ in range(cache.CACHE.breaker.calls_min):
            began = time.monotonic()
            reading = await cache.read_through(stores.cache, "cache:a test", select_one, source)
            assert (reading.value, reading.source) == (1, "live")
            assert time.monotonic() - began < 5
        assert cache.CACHE.breaker.state is State.OPEN
        took = [60.0]
        while min(took) > 0.1 and len(took) < 10:  # a machine may stand still now and then
            began = time.monotonic()
            reading = await cache.read_through(stores.cache, "cache:a test", select_one, source)
            assert reading.value == 1
            took.append(time.monotonic() - began)
        assert min(took) < 0.1
