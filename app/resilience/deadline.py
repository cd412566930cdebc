"""Time that is bounded: a deadline that holds even for a driver that cleans up after its
cancellation, which asyncio's own waits for, and a sleep that ends with the process.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_left_behind: set[asyncio.Task[Any]] = set()  # asyncio itself keeps only weak references


async def within(seconds: float, call: Coroutine[Any, Any, T]) -> T:
    """What `call` returns or raises; TimeoutError after `seconds`, whatever it does about being
    cancelled.

    asyncpg asks the server to cancel the statement and waits for that: seconds, when the server has
    been stopped. Such a call goes on by itself, and may still have its effect; the connections of
    its room bound how many do.
    """
    task = asyncio.create_task(call)
    _left_behind.add(task)
    task.add_done_callback(_ended)
    try:
        await asyncio.wait((task,), timeout=seconds)
    finally:
        if not task.done():
            task.cancel()
    if not task.done() or task.cancelled():
        raise TimeoutError
    return task.result()


async def pause(seconds: float, stop: asyncio.Event) -> None:
    """Sleep `seconds`, or until `stop` is set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def _ended(task: asyncio.Task[Any]) -> None:
    _left_behind.discard(task)
    if not task.cancelled():
        # retrieved, so that asyncio does not complain about what nobody waits for any more
        task.exception()
