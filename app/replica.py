"""A replica of Postgres for what pages show: never for money, and never older than it may be."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from app import addresses, postgres, rooms
from app.errors import UnavailableError
from app.rooms import Room

# The primary commits every second, if only what it is known by: what was replayed last is as old
# as the replica is behind, give or take that second. After a promotion it is no replica any more.
AGE = """
SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() ELSE now() END AS as_of,
       CASE WHEN pg_is_in_recovery()
            THEN extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())
            ELSE 0 END::float8 AS behind_seconds
"""


class TooOldError(UnavailableError):
    """The replica is further behind than what is asked of it may be."""

    code = "replica_too_old"


class Replica:
    """Pools as the primary has them, one a room, made when somebody in that room first asks."""

    def __init__(self, url: str, behind_seconds_max: float) -> None:
        self.address = addresses.parse(url)
        self.behind_seconds_max = behind_seconds_max
        self.pools: dict[Room, Any] = {}

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """A connection that reads, in the room of whoever asks."""
        room = rooms.current.get()
        if room not in self.pools:
            self.pools[room] = postgres.pool(self.address, room, is_read_only=True)
        async with (await self.pools[room]).acquire() as raw:
            try:
                yield raw
            except TimeoutError:
                postgres.give_up(raw)
                raise

    async def as_of(self) -> datetime:
        """The moment up to which it knows everything. Raises TooOldError."""
        async with self.connection() as raw:
            row = await raw.fetchrow(AGE)
        if row["as_of"] is None or row["behind_seconds"] > self.behind_seconds_max:
            raise TooOldError("The replica is too far behind.")
        as_of: datetime = row["as_of"]
        return as_of

    async def behind_seconds(self) -> float | None:
        """How far it is behind; None before it has replayed anything."""
        async with self.connection() as raw:
            found: float | None = (await raw.fetchrow(AGE))["behind_seconds"]
        return found

    async def close(self) -> None:
        for pool in self.pools.values():
            await postgres.close(pool)
        self.pools.clear()


known: Replica | None = None  # of this process
_lent: ContextVar[Replica | None] = ContextVar("lent", default=None)


def lent() -> Replica | None:
    """The replica, where what is read may come from it."""
    return _lent.get()


@contextmanager
def reading_from(replica: Replica) -> Iterator[None]:
    """Whatever is read in here comes from `replica`; nothing can be written."""
    token = _lent.set(replica)
    try:
        yield
    finally:
        _lent.reset(token)
