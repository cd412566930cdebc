"""Reads a service's events from the bus: each batch in one transaction, each event once, poison
set aside.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import structlog

from app import db
from app.flow import dead_letters
from app.flow import event as envelope
from app.flow.bus.interface import Bus, Delivery
from app.flow.dead_letters import AfterCommit
from app.flow.event import BadEventError, BadSignatureError, Event
from app.flow.models import DeadLetter
from app.resilience import failures
from app.telemetry import logs, metrics

BLOCK_MILLISECONDS = (
    1_000  # also how long a stop may have to wait; below the client's socket timeout
)
CLAIM_IDLE_MILLISECONDS = 15_000
CLAIM_EVERY_SECONDS = 5.0
RETRY_EVERY_SECONDS = 1.0
SETBACKS_MAX = 10  # about ten seconds of trying
CONSUMED_KEEP_DAYS = (
    14  # twice as long as the bus keeps events: what is forgotten here cannot come again
)

Handle = Callable[[Any, list[Event]], Awaitable[AfterCommit | None]]

log = logs.logger()

CONSUME = """
INSERT INTO consumed (service, event_id, consumed_at)
SELECT $1, event_id, now() FROM unnest($2::text[]) AS read (event_id)
ON CONFLICT (service, event_id) DO NOTHING
RETURNING event_id
"""
PRUNE = """
DELETE FROM consumed
 WHERE id IN (SELECT id FROM (SELECT id, consumed_at FROM consumed ORDER BY id LIMIT $1) AS oldest
               WHERE consumed_at < now() - make_interval(days => $2))
"""


async def run(
    service: str,
    topics: Sequence[str],
    handle: Handle,
    bus: Bus,
    stores: db.Stores,
    stop: asyncio.Event,
    made: Callable[[], None] = lambda: None,
) -> None:
    """Handle events of `topics` until `stop` is set.

    `handle(connection, events)` writes the effect of all `events` in the transaction open on
    `connection` (asyncpg; ORM calls join it), calls nothing over the network, and may return what
    to do after the commit. It is called again for the same events when that transaction does not
    commit. An event it cannot handle it raises for: with a `permanent` error the event is dead at
    once, with any other it is tried again later. `made` is called for everything settled.
    """
    await Consumer(service, topics, handle, bus, stores, made).run(stop)


async def run_once(
    service: str, topics: Sequence[str], handle: Handle, bus: Bus, stores: db.Stores
) -> int:
    """Handle what there is now, without waiting; how many events and due dead letters were
    dealt with (for tests).
    """
    consumer = Consumer(service, topics, handle, bus, stores)
    dealt_with = 0
    while found := await consumer.run_once():
        dealt_with += found
    return dealt_with


class Consumer:
    """One consumer of a service's group; its name outlives a restart, so that it finds again
    what it left.
    """

    def __init__(
        self,
        service: str,
        topics: Sequence[str],
        handle: Handle,
        bus: Bus,
        stores: db.Stores,
        made: Callable[[], None] = lambda: None,
    ) -> None:
        self.made = made
        self.service = service
        self.topics = list(topics)
        self.handle = handle
        self.bus = bus
        self.batch = stores.config.consumer_batch
        self.secrets = stores.config.event_secrets
        self.name = f"{service}-{stores.config.process_slot}"
        self.setbacks = 0  # in a row
        self._start_over()

    def _start_over(self) -> None:
        """At first, and after any failure: events may have been read and not acknowledged."""
        self.has_joined = False
        self.has_unfinished = True
        self.claim_at = self.retry_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Go on until `stop` is set; a batch in hand is finished first."""
        backoff = failures.Backoff(f"{self.service} consuming")
        while not stop.is_set():
            try:
                await self.run_once(BLOCK_MILLISECONDS)
            except Exception as error:  # noqa: BLE001 - a store is away: nothing is acknowledged, the batch comes again
                self._start_over()
                await backoff.wait(error, stop)
            else:
                backoff.over()

    async def run_once(self, block_milliseconds: int = 0) -> int:
        """One round; how many events and due dead letters were dealt with. Raises what is wrong
        with the stores.
        """
        if not self.has_joined:
            await self.bus.ensure(self.service, self.topics)
            self.has_joined = True
        retried = 0
        if time.monotonic() >= self.retry_at:
            retried = await dead_letters.retry_due(self.service, self._handle_letter)
            self.retry_at = time.monotonic() + RETRY_EVERY_SECONDS
        deliveries = await self._next(block_milliseconds)
        for start in range(0, len(deliveries), self.batch):
            await self._settle(deliveries[start : start + self.batch])
        return retried + len(deliveries)

    async def _next(self, block_milliseconds: int) -> list[Delivery]:
        if self.has_unfinished:
            found = await self.bus.unfinished(self.service, self.name, self.topics, self.batch)
            if found:
                return found
            self.has_unfinished = False
        if time.monotonic() >= self.claim_at:
            found = await self.bus.claim(
                self.service, self.name, self.topics, CLAIM_IDLE_MILLISECONDS, self.batch
            )
            if found:
                return found
            self.claim_at = time.monotonic() + CLAIM_EVERY_SECONDS
        return await self.bus.read(
            self.service, self.name, self.topics, self.batch, block_milliseconds
        )

    async def _settle(self, deliveries: list[Delivery]) -> None:
        """Every delivery is handled, known, or a dead letter when this returns, and only then
        acknowledged.
        """
        events = [
            event for delivery in deliveries if (event := await self._open(delivery)) is not None
        ]
        if events:
            try:
                await self._commit(events)
            except Exception as error:
                if not await self._is_their_fault(error):
                    raise
                log.warning(
                    "batch failed, going event by event",
                    service=self.service,
                    count=len(events),
                    reason=failures.reason(error),
                )
                await self._one_by_one(events)
        self.setbacks = 0
        await self.bus.ack(self.service, deliveries)
        self.made()

    async def _open(self, delivery: Delivery) -> Event | None:
        """The event of a delivery, or None when it was set aside: badly signed, or unreadable
        here.
        """
        place = f"{delivery.topic}@{delivery.position}"
        try:
            envelope.verify(
                delivery.event_id,
                delivery.timestamp,
                delivery.body,
                delivery.signature,
                self.secrets,
            )
            event = envelope.parse(delivery.body)
        except BadEventError as error:
            # what it says of itself is not to be believed, so it is shown to no shop
            proof = f"{delivery.event_id} {delivery.timestamp} {delivery.signature}".replace(
                "\x00", ""
            )
            await self._set_aside(error, "", delivery.topic, place, delivery.body, proof=proof)
            return None
        try:
            return envelope.upcast(event)
        except BadEventError as error:
            await self._set_aside(error, event.shop, event.topic, event.id, delivery.body)
            return None

    async def _one_by_one(self, events: Iterable[Event]) -> None:
        for event in events:
            with structlog.contextvars.bound_contextvars(
                request_id=event.trace, shop=event.shop, event_id=event.id
            ):
                try:
                    await self._commit([event])
                except Exception as error:
                    if not await self._is_their_fault(error):
                        raise
                    if not failures.is_permanent(error):
                        log.warning(
                            "event failed", service=self.service, topic=event.topic, exc_info=error
                        )
                    await self._set_aside(
                        error, event.shop, event.topic, event.id, envelope.encode(event)
                    )
            self.made()

    async def _is_their_fault(self, error: Exception) -> bool:
        """Whether an event has to answer for the failure, rather than a store that is away or busy.

        One that breaks its connection every time, while Postgres answers everybody else, is found
        out in the end.
        """
        if not failures.is_passing(error):
            return True
        self.setbacks += 1
        return (
            self.setbacks > SETBACKS_MAX
            and not failures.is_conflict(error)
            and await _postgres_answers()
        )

    async def _commit(self, events: list[Event]) -> None:
        started = time.perf_counter()
        async with db.transaction() as connection:
            fresh = await self._consume(connection, events)
            after_commit = await self.handle(connection, fresh) if fresh else None
        await dead_letters.finish(after_commit)
        metrics.CONSUMED.labels(self.service, "handled").inc(len(fresh))
        metrics.CONSUMED.labels(self.service, "repeated").inc(len(events) - len(fresh))
        if fresh:
            oldest = min(
                event.id for event in fresh
            )  # ids are ordered by time; one reading a batch is enough
            metrics.ROAD_SECONDS.labels("consume").observe(envelope.age_seconds(oldest))
        log.debug(
            "batch handled",
            service=self.service,
            count=len(fresh),
            repeated=len(events) - len(fresh),
            milliseconds=round((time.perf_counter() - started) * 1000, 1),
        )

    async def _consume(self, connection: Any, events: Sequence[Event]) -> list[Event]:
        """Those of `events` this service has not handled before, each once."""
        by_id = {event.id: event for event in events}
        # sorted: two consumers that got the same events wait for each other instead of deadlocking
        rows = await connection.fetch(CONSUME, self.service, sorted(by_id))
        fresh = {row["event_id"] for row in rows}
        return [event for event_id, event in by_id.items() if event_id in fresh]

    async def _handle_letter(self, connection: Any, letter: DeadLetter) -> AfterCommit | None:
        if letter.proof:
            event_id, timestamp, signature = letter.proof.split(" ", 2)
            envelope.verify(event_id, int(timestamp), letter.payload, signature, self.secrets)
        events = await self._consume(connection, [envelope.decode(letter.payload)])
        return await self.handle(connection, events) if events else None

    async def _set_aside(
        self,
        error: Exception,
        shop: str,
        topic: str,
        reference: str,
        body: bytes,
        *,
        proof: str = "",
    ) -> None:
        async with db.transaction() as connection:
            await dead_letters.add(
                connection,
                error,
                service=self.service,
                shop=shop,
                topic=topic,
                reference=reference,
                payload=body,
                proof=proof,
            )
        outcome = "rejected" if isinstance(error, BadSignatureError) else "failed"
        metrics.CONSUMED.labels(self.service, outcome).inc()


async def _postgres_answers() -> bool:
    try:
        async with db.connection() as connection:
            return bool(await connection.fetchval("SELECT true"))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not the event
        log.warning("postgres does not answer", reason=failures.reason(error))
        return False


async def prune(keep_days: int = CONSUMED_KEEP_DAYS, step: int = 5_000) -> int:
    """Forget the oldest `step` of what was consumed, as far as it is older than `keep_days`;
    how many went.
    """
    async with db.transaction() as connection:
        done: str = await connection.execute(PRUNE, step, keep_days)
    return int(done.removeprefix("DELETE "))
