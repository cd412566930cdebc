"""Every test here starts with nothing remembered in the process and every circuit closed."""

from collections.abc import Iterator

import pytest

from app.resilience import breaker, cache, health, limits


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    yield
    cache.forget()
    health.forget()
    for resource in (cache.CACHE, health.HEALTH, limits.LIMITS):
        resource.breaker._move(breaker.State.CLOSED, "end of the test")
