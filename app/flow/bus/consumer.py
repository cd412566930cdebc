"""Reads a service's facts: each batch in one transaction with its places, poison set aside."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from app import db
from app.db import Connection
from app.flow import dead_letters
from app.flow import event as envelope
from app.flow.bus import batches, places, starts, wakes
from app.flow.bus import log as fact_log
from app.flow.bus.batches import Handle, HandleInto, Outcome
from app.flow.bus.interface import Bus, Entry, Place
from app.flow.dead_letters import AfterCommit, Letter
from app.flow.event import BadEventError, Event
from app.resilience import deadline, failures
from app.telemetry import logs, metrics, traces

SETBACKS_MAX = 10
# A small batch costs several times as much a fact as a large one: after one, a moment lets more
# gather. A fact that comes alone waits for nothing.
GATHER_SECONDS = 0.005
HELP_LOOK_SECONDS = 0.05
HEADS_EACH = 64  # entries of a partition one look sees
LOOK_SECONDS_FIRST, LOOK_FACTOR = 0.005, 3.0
PASS_BY_SECONDS = 1.0  # so often places move over what is for others only

log = logs.logger()


async def run(
    service: str,
    topics: Sequence[str],
    handle: Handle,
    bus: Bus,
    stores: db.Stores,
    stop: asyncio.Event,
    made: Callable[[], None] = lambda: None,
    *,
    gather_seconds: float = GATHER_SECONDS,
) -> None:
    """Handle facts of `topics` until `stop` is set, and retry beside that what was set aside.

    `handle(connection, events)` writes the effect of all `events` in the transaction open on
    `connection` (ORM calls join it), calls nothing over the network, and may return what to do
    after the commit. It is called again for the same events when that transaction does not commit,
    and for parts of them when it raises: with a `permanent` error an event is dead at once, with
    any other it is tried again later. `made` is called at the end of every turn: whoever has only
    to wait, for others or for work, is not stuck. `gather_seconds` after a small batch let more
    come together: longer where nobody waits for the effect.
    """
    consumer = Consumer(service, topics, handle, bus, stores, made, gather_seconds)
    async with asyncio.TaskGroup() as group:
        group.create_task(consumer.wakes.listen(topics, stop))
        group.create_task(dead_letters.run(service, consumer.handle_letter, stop))
        group.create_task(consumer.run(stop))


async def run_once(
    service: str, topics: Sequence[str], handle: Handle, bus: Bus, stores: db.Stores
) -> int:
    """Handle what there is now; how many events and due letters were dealt with (for tests)."""
    consumer = Consumer(service, topics, handle, bus, stores)
    await places.ensure(service)
    dealt_with = 0
    while found := (
        await dead_letters.retry_due(service, consumer.handle_letter) + await consumer.run_once()
    ):
        dealt_with += found
    return dealt_with


class Consumer:
    """One process of a service; any number of them share its partitions by locking their places."""

    def __init__(
        self,
        service: str,
        topics: Sequence[str],
        handle: Handle,
        bus: Bus,
        stores: db.Stores,
        made: Callable[[], None] = lambda: None,
        gather_seconds: float = GATHER_SECONDS,
    ) -> None:
        self.made = made
        self.gather_seconds = gather_seconds
        self.service = service
        self.topics = frozenset(topics)
        self.handle = handle
        self.bus = bus
        self.stores = stores
        self.batch = stores.config.consumer_batch
        self.starts = starts.Starts(service, stores.config.process_slot)
        self.wakes = bus.waker(service, stores.queue)
        self.turn = 0
        self.is_behind = False  # more waits than a batch takes
        self.passing_by_from = 0.0  # monotonic seconds
        self.setbacks = 0  # in a row, while Postgres answered others

    async def run(self, stop: asyncio.Event) -> None:
        """Go on until `stop` is set; batches in hand are finished first."""
        backoff = failures.Backoff(f"{self.service} getting ready")
        while not stop.is_set():
            try:
                await places.ensure(self.service)
                await self.starts.begin()
                break
            except Exception as error:  # noqa: BLE001 - a store is away: nothing can be read either
                await backoff.wait(error, stop)
        while not stop.is_set():
            if self.starts.careful_events > 0:
                await self._loop(stop, self.run_carefully)
                continue
            async with asyncio.TaskGroup() as group:
                group.create_task(self._loop(stop, self.run_once))
                group.create_task(self._loop(stop, self.run_once, is_help=True))
        await self.starts.end()

    async def _loop(
        self, stop: asyncio.Event, turn: Callable[[], Awaitable[int]], *, is_help: bool = False
    ) -> None:
        """Turn after turn. The help decodes while Postgres works for the other, when there is more
        than one can take; they never hold the same partition.
        """
        backoff = failures.Backoff(f"{self.service} consuming")
        look_seconds = LOOK_SECONDS_FIRST
        careful = self.starts.careful_events > 0
        while not stop.is_set() and careful == (self.starts.careful_events > 0):
            if is_help and not self.is_behind:
                await deadline.pause(HELP_LOOK_SECONDS, stop)
                continue
            try:
                found = await turn()
            except Exception as error:  # noqa: BLE001 - a store is away: no place has moved
                await self._suspect(error)
                await backoff.wait(error, stop)
                continue
            backoff.over()
            self.setbacks = 0
            self.made()
            if found:
                look_seconds = LOOK_SECONDS_FIRST
                if not self.is_behind:
                    await asyncio.sleep(self.gather_seconds)
                continue
            # woken for facts that a transaction still open keeps back: look again, ever less often
            woken = await self.wakes.wait(min(look_seconds, self.wakes.poll_seconds), stop)
            look_seconds = (
                LOOK_SECONDS_FIRST
                if woken
                else min(look_seconds * LOOK_FACTOR, self.wakes.poll_seconds)
            )

    async def _suspect(self, error: Exception) -> None:
        """A batch that breaks its connection every time, while Postgres answers everybody else, has
        an event in it that does: it is looked for one at a time.
        """
        is_nobodys = failures.is_conflict(error) or failures.is_locked(error)
        if is_nobodys or not await starts.postgres_answers():
            return
        self.setbacks += 1
        if self.starts.careful_events:
            await self.starts.blame()
        elif self.setbacks > SETBACKS_MAX:
            log.error("a batch fails again and again, going event by event", service=self.service)
            self.starts.careful_events = starts.CAREFUL_EVENTS

    async def run_once(self) -> int:
        """Read and handle one batch; how many entries were read. Raises what the stores raise."""
        found = await self.bus.heads(self.service, list(self.topics), HEADS_EACH)
        self.turn += 1
        wanted = sum(head.facts for head in found if head.wanted)
        self.is_behind = wanted > self.batch
        is_little = len(found) < HEADS_EACH  # no partition shows only a part of what it has
        if not wanted and is_little and time.monotonic() < self.passing_by_from:
            return 0
        self.passing_by_from = time.monotonic() + PASS_BY_SECONDS
        until = batches.choose(found, self.turn, self.batch)
        if not until:
            return 0
        try:
            return await self._take(until, self._handle)
        except Exception as error:
            if failures.is_passing(error) and not dead_letters.is_waiting(error):
                raise
            log.warning(
                "batch failed, halving it",
                service=self.service,
                reason=failures.reason(error),
            )
            return await self._take(until, self._halve)

    async def _take(self, until: Sequence[Place], handle: HandleInto) -> int:
        """Read up to `until` and settle it in one transaction; how many entries that were."""
        with fact_log.noting() as written, traces.batch(f"{self.service} transaction"):
            async with db.transaction() as connection:
                entries = await self.bus.read(connection, self.service, list(self.topics), until)
                if not entries:
                    return 0  # another process has these partitions in hand
                outcome = await self._settle(connection, entries, handle)
        await self._committed(outcome, written)
        return len(entries)

    async def _settle(
        self, connection: Connection, entries: Sequence[Entry], handle: HandleInto
    ) -> Outcome:
        """Handle what is wanted, set aside what cannot be, and move the places; no commit yet."""
        outcome = Outcome()
        events: list[Event] = []
        for entry in entries:
            if entry.body:
                events += await self._open(connection, entry, outcome)
        if events:
            traces.gather(event.trace for event in events)
            await handle(connection, events, outcome)
        reached = {entry.place.part: entry.place for entry in entries}
        await places.move(connection, self.service, list(reached.values()))
        return outcome

    async def _open(self, connection: Connection, entry: Entry, outcome: Outcome) -> list[Event]:
        """The wanted events of an entry; one that is badly signed or unreadable is set aside."""
        try:
            batches.verify(entry, self.stores.config.event_secrets)
            found = envelope.unpack(entry.body)
        except BadEventError as error:
            await batches.set_entry_aside(connection, self.service, error, outcome, entry)
            return []
        return await batches.current(connection, self.service, self.topics, found, outcome)

    async def _handle(self, connection: Connection, events: list[Event], outcome: Outcome) -> None:
        after_commit = await self.handle(connection, events)
        outcome.count(events)
        if after_commit is not None:
            outcome.after_commit.append(after_commit)
        # ids are ordered by time; one reading a batch is enough
        oldest = min(event.id for event in events)
        metrics.ROAD_SECONDS.labels("consume").observe(envelope.age_seconds(oldest))

    async def _halve(self, connection: Connection, events: list[Event], outcome: Outcome) -> None:
        """Handle a batch that has failed: its halves, and theirs, until each poison is alone."""
        try:
            async with db.savepoint(connection):
                await self._handle(connection, events, outcome)
        except Exception as error:
            is_waiting = dead_letters.is_waiting(error)
            if failures.is_passing(error) and not is_waiting:
                raise
            if len(events) == 1:
                await batches.set_event_aside(connection, self.service, error, outcome, events[0])
                return
            if is_waiting:
                await connection.execute(batches.LOCK_WAIT_WHILE_HALVING)
            middle = len(events) // 2
            await self._halve(connection, events[:middle], outcome)
            await self._halve(connection, events[middle:], outcome)

    async def _committed(self, outcome: Outcome, written: set[str]) -> None:
        if written:
            await wakes.tell(self.stores.queue, written)
        for after_commit in outcome.after_commit:
            await dead_letters.finish(after_commit)
        outcome.tell(self.service)
        await self.starts.went_well()

    async def run_carefully(self) -> int:
        """One entry, event by event, each noted before it is handled: the process has ended three
        times without getting anywhere, and whatever ends it again is found out by its name.
        """
        found = await self.bus.heads(self.service, list(self.topics), 1)
        if not found:
            return 0
        async with db.transaction() as connection:
            until = [found[self.turn % len(found)].place]
            entries = await self.bus.read(connection, self.service, list(self.topics), until)
            outcome = Outcome()
            for entry in entries:
                for event in await self._open(connection, entry, outcome) if entry.body else ():
                    if event.id == self.starts.blamed:
                        error = starts.EndedProcessError()
                        await batches.set_event_aside(
                            connection, self.service, error, outcome, event
                        )
                    else:
                        await self.starts.note(event.id)
                        await self._halve(connection, [event], outcome)
            await places.move(connection, self.service, [entry.place for entry in entries])
        self.turn += 1
        await self._committed(outcome, set())
        return len(entries)

    async def handle_letter(self, connection: Connection, letter: Letter) -> AfterCommit | None:
        """Another try of what was set aside: one event, or an entry that was badly signed."""
        with traces.batch(f"{self.service} again"):
            events = batches.events_of(letter, self.topics, self.stores.config.event_secrets)
            return await self.handle(connection, events) if events else None
