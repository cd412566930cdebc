"""Finds what ends its process: starts without an end are counted, and then one event at a time."""

import asyncio
import time
from contextvars import Context

from app import db
from app.errors import HoldfastError
from app.resilience import failures
from app.telemetry import logs

UNCLEAN_MAX = 3  # starts in a row whose process ended before it got anywhere
BLAMES_MAX = 2  # times the same event was in hand when the process ended
WELL_AFTER_SECONDS = 20.0
CAREFUL_EVENTS = 1_000  # as many as the batch can have had that ended the process

log = logs.logger()

BEGIN = """
INSERT INTO starts (service, slot, unclean, started_at) VALUES ($1, $2, 1, now())
ON CONFLICT (service, slot) DO UPDATE SET unclean = starts.unclean + 1, started_at = now()
RETURNING unclean
"""
WELL = "UPDATE starts SET unclean = 0, suspect = '' WHERE service = $1 AND slot = $2"
NOTE = "UPDATE starts SET suspect = $3 WHERE service = $1 AND slot = $2"
BLAME = """
UPDATE starts
   SET blames = CASE WHEN blamed = suspect THEN blames + 1 ELSE 1 END, blamed = suspect,
       suspect = ''
 WHERE service = $1 AND slot = $2 AND suspect <> ''
"""
BLAMED = "SELECT blamed FROM starts WHERE service = $1 AND slot = $2 AND blames >= $3"


class EndedProcessError(HoldfastError):
    """The process ended, more than once, while it handled this event (permanent)."""

    status, permanent, code = 500, True, "ended_process"

    def __init__(self) -> None:
        super().__init__(
            "It ended the process that handled it, or broke its connection, more than once."
        )


class Starts:
    """How one process of a service has started lately; kept in Postgres, where it outlives it."""

    def __init__(self, service: str, slot: str) -> None:
        self.me = (service, slot)
        self.careful_events = 0  # how many more to handle one at a time
        self.blamed = ""  # the event that is not to be handled again
        self.well_at: float | None = None  # monotonic: when the start counts as a good one

    async def begin(self) -> None:
        """Count this start, and blame what was in hand when the last one ended."""
        async with db.connection() as connection:
            unclean = await connection.fetchval(BEGIN, *self.me)
        await self.blame()
        self.well_at = time.monotonic() + WELL_AFTER_SECONDS
        if unclean > UNCLEAN_MAX:
            log.error("ended again and again, going event by event", starts=unclean)
            self.careful_events = CAREFUL_EVENTS

    async def blame(self) -> None:
        """The event in hand, if any was noted, is why the process ended or lost its connection."""
        async with db.connection() as connection:
            await connection.execute(BLAME, *self.me)
            self.blamed = await connection.fetchval(BLAMED, *self.me, BLAMES_MAX) or ""

    async def note(self, event_id: str) -> None:
        """Say which event is in hand, before it is; apart from the transaction that handles it,
        which would go with the process.
        """
        self.careful_events -= 1
        await asyncio.create_task(self._note(event_id), context=Context())

    async def _note(self, event_id: str) -> None:
        async with db.connection() as connection:
            await connection.execute(NOTE, *self.me, event_id)

    async def went_well(self) -> None:
        """A batch is done: after a while of that, the start was a good one."""
        if self.well_at is not None and time.monotonic() > self.well_at:
            await self.end()

    async def end(self) -> None:
        self.well_at = None
        async with db.connection() as connection:
            await connection.execute(WELL, *self.me)


async def postgres_answers() -> bool:
    """Whether it is there at all: then what failed may be an event's doing."""
    try:
        async with db.connection() as connection:
            return bool(await connection.fetchval("SELECT true"))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not the event
        log.warning("postgres does not answer", reason=failures.reason(error))
        return False
