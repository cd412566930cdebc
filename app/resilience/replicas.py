"""Reads that may be a few seconds old go to the replica first, and to the primary when that is
away, too far behind or knows nothing of what was asked.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any, TypeVar

import redis.asyncio as aioredis

from app import replica
from app.resilience.guard import Resource, guard
from app.telemetry import metrics

T = TypeVar("T")
# a third of what a page has for its reads: where the replica has fallen silent the primary has the
# rest of it, until the circuit opens
REPLICA = Resource("replica", 0.1, 16)
SEEN_SECONDS = 1.0  # besides what a replica may be behind, until whoever changed something sees it
_may_be_old: ContextVar[bool] = ContextVar("may_be_old", default=False)


@contextmanager
def may_serve(*, is_allowed: bool) -> Iterator[None]:
    """Whether pages made in here may show what the replica says."""
    token = _may_be_old.set(is_allowed and replica.known is not None)
    try:
        yield
    finally:
        _may_be_old.reset(token)


def is_allowed() -> bool:
    return _may_be_old.get()


async def read(
    load: Callable[[], Awaitable[T]], *, may_be_old: bool = True
) -> tuple[T, datetime | None]:
    """What `load` reads, and as of when the replica knows it; None for the primary's word.

    `load` may be called twice, and must only read.
    """
    known = replica.known
    if known is None or not may_be_old or not is_allowed():
        return await load(), None
    one: replica.Replica = known

    async def from_replica() -> tuple[T, datetime | None]:
        as_of = await one.as_of()  # before the read: everything up to then is in it
        with replica.reading_from(one):
            return await load(), as_of

    try:
        found = await guard(REPLICA, from_replica)
    except Exception:  # noqa: BLE001 - whatever it is, also "no such customer": the primary knows
        metrics.REPLICA_READS.labels("primary").inc()
        return await load(), None
    metrics.REPLICA_READS.labels("replica").inc()
    return found


@asynccontextmanager
async def visited(cache: aioredis.Redis, shop: str, *, is_change: bool) -> AsyncIterator[None]:
    """A page of `shop` is made in here. Whoever changes something sees it on the next page: that
    comes from the primary, for as long as the replica may not have it.
    """
    known = replica.known
    if known is None:
        yield
        return
    client: Any = cache
    key = f"cache:changed:{shop}"

    async def unknown(_: Exception) -> int:
        return 1  # the mark of a change may be there, or may have failed to be left

    is_new = is_change or bool(await guard(MARKS, lambda: client.exists(key), unknown))
    try:
        with may_serve(is_allowed=not is_new):
            yield
    finally:
        if is_change:  # also what failed may have been committed
            milliseconds = round(1000 * (known.behind_seconds_max + SEEN_SECONDS))
            await guard(MARKS, lambda: client.set(key, "", px=milliseconds), unknown)


MARKS = Resource("marks of changes", 0.1, 32)
