"""Buckets that let a burst through, pace what follows, and let everything through when Redis is
away.
"""

import asyncio

import pytest

from app import db
from app.resilience import limits
from app.telemetry import metrics
from local import servers


@pytest.fixture(autouse=True)
def _redis_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that is not told in time allows, and on a busy machine that would be the answer."""
    monkeypatch.setattr(limits.LIMITS, "deadline_seconds", 10.0)


async def test_a_burst_passes_and_the_next_one_is_told_when(stores) -> None:
    asked = [
        await limits.take(stores.cache, "a test", "alice", rate_per_second=0.5, burst=3)
        for _ in range(4)
    ]
    assert [one.is_allowed for one in asked] == [True, True, True, False]
    assert asked[-1].retry_after_seconds == 2


async def test_each_subject_has_a_bucket_of_its_own(stores) -> None:
    for subject in ("alice", "bob"):
        assert (await limits.take(stores.cache, "a test", subject, rate_per_second=0.1)).is_allowed


async def test_the_bucket_fills_again(stores) -> None:
    for _ in range(2):
        assert (await limits.take(stores.cache, "a test", "alice", rate_per_second=4)).is_allowed
        assert not (
            await limits.take(stores.cache, "a test", "alice", rate_per_second=4)
        ).is_allowed
        await asyncio.sleep(0.3)


async def test_of_many_at_once_exactly_the_burst_passes(stores) -> None:
    asked = await asyncio.gather(
        *(
            limits.take(stores.cache, "a test", "alice", rate_per_second=0.01, burst=7)
            for _ in range(40)
        )
    )
    assert sum(one.is_allowed for one in asked) == 7


async def test_a_limit_that_cannot_be_asked_refuses_nobody_and_is_counted(stores) -> None:
    away = db.redis_client(f"redis://127.0.0.1:{servers.free_port()}/0")
    counted = metrics.LIMITS.labels("a test", "failed_open")
    before = counted._value.get()
    assert (await limits.take(away, "a test", "alice", rate_per_second=0.01)).is_allowed
    assert counted._value.get() == before + 1
