"""Steps of a walk: each a snapshot of its own that is over in about half a second, and a pause."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from app import db
from app.db import Connection

STEP_FIRST, STEP_MAX = 2_000, 8_000  # members, or grants, of one snapshot
STEP_SECONDS_MAX = 0.5  # a longer one is followed by smaller ones
# The time is for a step that cannot be smaller. A plan made for any number of members would be a
# hundred times slower for thousands, one that believes a range has few rows by the square of them,
# and more processes than were asked for would be taken from everybody else.
STEP_LIMITS = """
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SET LOCAL statement_timeout = '30s'; SET LOCAL work_mem = '16MB';
SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL enable_nestloop = off;
SET LOCAL max_parallel_workers_per_gather = 0
"""

Found = TypeVar("Found")


class Pace:
    """Steps of a size that takes about as long as one may, so many `at_once`, each by a connection
    of its own; after them a pause of `rest` times as long as they took.
    """

    def __init__(self, rest: float = 0.0, at_once: int = 1) -> None:
        self.size = STEP_FIRST
        self.at_once = at_once
        self._rest = rest

    def shares(self, ids: Sequence[int]) -> list[Sequence[int]]:
        """What the next steps are of, the first of `ids`: as much for each of them."""
        size = min(self.size, -(-len(ids) // self.at_once))
        return [ids[at : at + size] for at in range(0, min(len(ids), size * self.at_once), size)]

    async def step(self, work: Callable[[Connection], Awaitable[Found]]) -> Found:
        """Do `work` in a snapshot."""
        return (await self.together([work]))[0]

    async def together(
        self, works: Sequence[Callable[[Connection], Awaitable[Found]]]
    ) -> list[Found]:
        """Do them at once, each in a snapshot of its own; what they found, in the order of `works`.

        Raises what the first of them that failed has raised, once all are over.
        """
        began = time.monotonic()
        ended = await asyncio.gather(*map(_snapshot, works), return_exceptions=True)
        found = [one for one in ended if not isinstance(one, BaseException)]
        for one in ended:
            if isinstance(one, BaseException):
                raise one
        seconds = time.monotonic() - began
        if seconds > STEP_SECONDS_MAX:
            self.size = max(1, self.size // 2)
        elif seconds < STEP_SECONDS_MAX / 4:
            self.size = min(STEP_MAX, self.size * 2)
        await asyncio.sleep(seconds * self._rest)
        return found


async def _snapshot(work: Callable[[Connection], Awaitable[Found]]) -> Found:
    async with db.transaction() as connection:
        await connection.execute(STEP_LIMITS)
        return await work(connection)
