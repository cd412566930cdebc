"""The outbox: facts wait here, written with the change that made them true, until the relay has
published them.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import asyncpg
from asyncpg.exceptions import InterfaceError, PostgresError

from app import db
from app.config import Config
from app.flow import event as envelope
from app.flow.bus.interface import Bus, Message
from app.flow.event import Event
from app.resilience.deadline import pause
from app.resilience.failures import Backoff, reason
from app.telemetry import logs, metrics

BATCH = 1_000
IDLE_SECONDS_FIRST = 0.025
IDLE_SECONDS_MAX = 0.2
IDLE_FACTOR = 1.4
STANDBY_SECONDS = 1.0
BUS_KEEP_SECONDS = (
    7 * 24 * 3600
)  # a service that was away for a weekend, and a holiday after it, catches up
TRIM_EVERY_SECONDS = 600
SILENCE_MILLISECONDS_MAX = (
    10_000  # a holder that asks Postgres nothing for so long is paused or hangs
)
DEPTH_COUNT_MAX = 100_000
OFFICE = 0x486F6C64  # the advisory lock whose holder publishes

log = logs.logger()

INSERT = """
INSERT INTO outbox (event_id, topic, shop, body, created_at)
SELECT event_id, topic, shop, body, clock_timestamp()
  FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) AS fresh (event_id, topic, shop,
              body)
"""

# The relay keeps no place in the outbox: it publishes whatever is committed and deletes exactly
# that. So a row whose transaction took a lower id and committed later is not jumped over, only
# published later. The order within a shop is that of the ids all the same, because writers of one
# shop take their turns before they take ids: ingest holds the lane's lease, a member's postings its
# row lock.
NEXT = "SELECT id, event_id, topic, shop, body FROM outbox ORDER BY id LIMIT $1"
DELETE = "DELETE FROM outbox WHERE id = ANY($1::bigint[])"

COUNT = "SELECT count(*) FROM (SELECT 1 FROM outbox LIMIT $1) AS waiting"
AGE = "SELECT extract(epoch FROM clock_timestamp() - created_at) FROM outbox ORDER BY id LIMIT 1"


class Depth(NamedTuple):
    """How many facts wait (counted up to 100,000), and for how long the oldest has."""

    waiting: int
    age_seconds: float


async def emit(connection: Any, events: Sequence[Event]) -> None:
    """Write `events`, in their order, in the transaction open on `connection` (asyncpg); one
    statement.
    """
    if not events:
        return
    await connection.execute(
        INSERT,
        [event.id for event in events],
        [event.topic for event in events],
        [event.shop for event in events],
        [envelope.encode(event) for event in events],
    )


async def depth_and_age() -> Depth:
    async with db.connection() as connection:
        waiting = await connection.fetchval(COUNT, DEPTH_COUNT_MAX)
        age_seconds = await connection.fetchval(AGE)
    return Depth(waiting, max(0.0, float(age_seconds or 0)))


async def relay_once(bus: Bus, config: Config, limit: int = BATCH) -> int:
    """Publish up to `limit` facts and give the office back; 0 when there are none or another
    process holds it.
    """
    relay = Relay(bus, config)
    try:
        return await relay.run_once(limit) or 0
    finally:
        await relay.close()


class Relay:
    """Moves facts from the outbox to the bus, in order, at least once; one process at a time holds
    the office.

    The office is an advisory lock of one Postgres session, and the outbox is read and emptied on
    that same session: whoever loses it can neither find nor delete anything more. A batch in flight
    at that moment reaches the bus twice, as it does after a crash between publishing and deleting;
    consumers drop what they had before.
    """

    def __init__(self, bus: Bus, config: Config, made: Callable[[], None] = lambda: None) -> None:
        self.made = made  # called whenever facts were moved
        self.bus = bus
        self.config = config
        self.connection: Any = None
        self.in_office = False
        self.trim_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop` is set. While Postgres or the bus is away, facts stay where they
        are.
        """
        backoff = Backoff("moving facts to the bus")
        idle_seconds = IDLE_SECONDS_FIRST
        try:
            while not stop.is_set():
                try:
                    published = await self.run_once()
                    if self.in_office and time.monotonic() >= self.trim_at:
                        self.trim_at = time.monotonic() + TRIM_EVERY_SECONDS
                        await self.bus.trim(await self.bus.topics(), BUS_KEEP_SECONDS)
                except Exception as error:  # noqa: BLE001 - no failure ends the relay: it is logged and tried again
                    await backoff.wait(error, stop)
                    continue
                backoff.over()
                if published is None:
                    await pause(STANDBY_SECONDS, stop)
                elif published < BATCH:  # a full batch means more is waiting
                    idle_seconds = (
                        IDLE_SECONDS_FIRST
                        if published
                        else min(IDLE_SECONDS_MAX, idle_seconds * IDLE_FACTOR)
                    )
                    await pause(idle_seconds, stop)
        finally:
            await self.close()

    async def run_once(self, limit: int = BATCH) -> int | None:
        """Publish the oldest `limit` facts; how many there were, or None when another process
        holds the office.
        """
        if not await self._take_office():
            return None
        rows = await self.connection.fetch(NEXT, limit)
        if not rows:
            return 0
        now, secrets = int(time.time()), self.config.event_secrets
        await self.bus.publish(
            [
                Message(
                    topic, shop, event_id, now, envelope.sign(event_id, now, body, secrets), body
                )
                for _, event_id, topic, shop, body in rows
            ]
        )
        await self.connection.execute(DELETE, [row["id"] for row in rows])
        metrics.OUTBOX_PUBLISHED.inc(len(rows))
        self.made()
        return len(rows)

    async def _take_office(self) -> bool:
        if self.connection is None or self.connection.is_closed():
            self.in_office = False
            self.connection = await connect(self.config)
        if not self.in_office:
            self.in_office = await self.connection.fetchval(
                "SELECT pg_try_advisory_lock($1)", OFFICE
            )
            if self.in_office:
                log.info("took the office of the relay")
        return self.in_office

    async def close(self) -> None:
        """Give the office back, so that a standby need not wait for this process to end."""
        connection, self.connection, self.in_office = self.connection, None, False
        if connection is None or connection.is_closed():
            return
        try:
            await connection.close(timeout=1)
        except (OSError, PostgresError, InterfaceError) as error:
            log.warning("the relay's session did not close cleanly", reason=reason(error))
            connection.terminate()


async def connect(config: Config) -> Any:
    """The relay's own session, from which Postgres takes the office when its holder hangs or
    its machine is gone.
    """
    return await asyncpg.connect(  # type: ignore[no-untyped-call] # asyncpg has no annotations
        config.database_url,
        timeout=db.CONNECT_TIMEOUT_SECONDS,
        command_timeout=db.STATEMENT_TIMEOUT_MILLISECONDS / 1000 + 1,
        server_settings={
            "statement_timeout": str(db.STATEMENT_TIMEOUT_MILLISECONDS),
            "idle_session_timeout": str(SILENCE_MILLISECONDS_MAX),
            "tcp_keepalives_idle": "5",
            "tcp_keepalives_interval": "2",
            "tcp_keepalives_count": "3",
            "synchronous_commit": "off",  # a DELETE lost in a crash only repeats events
            "jit": "off",
        },
    )
