"""An answer that serves everybody who asks within a moment, found by one call at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Memo(Generic[T]):
    """What `find` answers, for `seconds`; whoever asks while it is being found waits for the same
    call. What it raises reaches those who wait, and the next one asks anew.
    """

    def __init__(self, find: Callable[[], Awaitable[T]], seconds: float) -> None:
        self.find = find
        self.seconds = seconds
        self._found: tuple[float, T] | None = None  # when, in monotonic seconds, and what
        self._flight: asyncio.Task[T] | None = None

    async def get(self) -> T:
        if self._found is not None and time.monotonic() - self._found[0] < self.seconds:
            return self._found[1]
        if self._flight is None:
            self._flight = asyncio.create_task(self._ask())
            self._flight.add_done_callback(self._landed)
        return await asyncio.shield(self._flight)  # one who leaves takes nobody's answer along

    async def _ask(self) -> T:
        answer = await self.find()
        self._found = (time.monotonic(), answer)
        return answer

    def _landed(self, flight: "asyncio.Task[T]") -> None:
        self._flight = None
        if not flight.cancelled():
            flight.exception()  # retrieved here, for all who waited may have left
