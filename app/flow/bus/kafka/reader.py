"""What Kafka has brought a service: a bounded buffer a partition, and what is known to be missing.

Nothing here is the only copy of anything: what does not continue a service's place is dropped, and
what is missing is read from the log.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from app import db
from app.flow import dead_letters
from app.flow.bus.interface import PARTS, Place
from app.flow.bus.kafka import messages
from app.flow.bus.kafka.address import Address
from app.flow.bus.kafka.messages import Message, Position
from app.flow.event import BadEventError
from app.resilience import failures
from app.telemetry import logs, metrics

BUFFER_BYTES_MAX = 32 * 1024 * 1024
BUFFER_ENTRIES_MAX = 8_192
FETCH_MAX = 1_000  # messages
POLL_SECONDS = 0.25  # then the thread comes back, so that it can be told to end
FULL_SECONDS = 0.05
COMMIT_SECONDS = 5.0
AWAY_SECONDS = 3.0  # that the log has something which Kafka does not bring
CLOSE_SECONDS = 3.0  # a group hears of who does not say goodbye by its silence
# A client that met a broker which had only just started may never find it again, and says nothing:
# librdkafka forgets all brokers when one answers that it knows none. A new client does.
SILENT_SECONDS, SILENT_SECONDS_MAX = 15.0, 60.0  # each one is waited for longer than the one before
FORGED_MAX = 100  # waiting to be written down; more say nothing that these do not
CONSUMER = {
    "isolation.level": "read_committed",
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    # a process that comes back soon finds its partitions; the others keep theirs meanwhile
    "partition.assignment.strategy": "cooperative-sticky",
    "session.timeout.ms": 10_000,
    "heartbeat.interval.ms": 2_000,
    "fetch.wait.max.ms": 500,
    "fetch.queue.backoff.ms": 20,
    "queued.max.messages.kbytes": 16 * 1024,
}

log = logs.logger()


@dataclass(slots=True)
class Part:
    """What came of one partition and is not done with yet, in its order."""

    waiting: deque[Message] = field(default_factory=deque)
    seen: Position = (0, 0)  # the last that came
    done_offset: int = 0  # Kafka's, behind the last the place has passed


@dataclass(slots=True)
class Away:
    """A partition that is read from the log because Kafka does not bring it in time.

    In time is what comes within AWAY_SECONDS of when the service was there, by the log: how old it
    is says nothing, for a service that is behind has old facts to read wherever it reads them.
    """

    seen: Position  # the last that had come before that
    mark: Position = (0, 0)  # where the service was,
    marked_at: float = 0.0  # at this moment (monotonic)

    def look(self, place: Position) -> None:
        """The service is at `place`, which is a mark to be reached where the last one was not."""
        now = time.monotonic()
        if now - self.marked_at > AWAY_SECONDS:
            self.mark, self.marked_at = place, now

    def is_over(self, position: Position) -> bool:
        """Whether Kafka brings things in time again, now that it has brought `position`."""
        is_in_time = time.monotonic() - self.marked_at <= AWAY_SECONDS
        return is_in_time and position > self.seen and position >= self.mark


class Reader:
    """One member of a service's group; Kafka spreads the partitions over its members."""

    def __init__(self, address: Address, service: str, slot: str, secrets: Sequence[str]) -> None:
        self.address = address
        self.service = service
        self.secrets = secrets
        group = f"{address.topic}.{service}"
        self.settings = {
            **CONSUMER,
            "group.id": group,
            "group.instance.id": f"{group}-{slot}",
            "error_cb": self._trouble,
        }
        self.timeline = ""
        self.parts = {part: Part() for part in range(PARTS)}
        self.size = self.count = 0  # bytes and entries that wait
        self.away: dict[int, Away] = {}  # by partition
        self.forged: list[tuple[BadEventError, Any]] = []
        self.arrived: Callable[[], None] = lambda: None
        self.commit_at = 0.0  # monotonic
        self.trouble = ""
        self.patience_seconds = SILENT_SECONDS
        self.fetching: asyncio.Future[list[Any]] | None = None

    async def run(self) -> None:
        """Take what comes until cancelled; whatever happens to Kafka."""
        backoff = failures.Backoff(f"{self.service} reading from Kafka")
        never = asyncio.Event()
        while True:
            consumer = None
            try:
                consumer = Consumer({**self.address.client, **self.settings})
                consumer.subscribe([self.address.topic])
                await self._fetch(consumer, backoff)
            except KafkaException as error:
                await backoff.wait(error, never)
            finally:
                if consumer is not None:
                    await self._close(consumer)

    async def _close(self, consumer: Consumer) -> None:
        """Once its thread is back, which is not cancelled with us. A broker that does not answer is
        not waited for long, by us or by the end of the process, which waits for all threads but
        such a one.
        """
        if self.fetching is not None:
            await asyncio.wait((self.fetching,))
        loop, closed = asyncio.get_running_loop(), asyncio.Event()

        def close() -> None:
            consumer.close()
            with suppress(RuntimeError):  # nobody waits any more
                loop.call_soon_threadsafe(closed.set)

        threading.Thread(target=close, name="leaving Kafka", daemon=True).start()
        try:
            await asyncio.wait_for(closed.wait(), CLOSE_SECONDS)
        except TimeoutError:
            log.info("kafka was left without a goodbye", service=self.service)

    async def _fetch(self, consumer: Consumer, backoff: failures.Backoff) -> None:
        """Take what comes; ends when the log has what for long does not come, for a new client."""
        heard_at = time.monotonic()
        while not self.away or time.monotonic() - heard_at < self.patience_seconds:
            if self.size > BUFFER_BYTES_MAX or self.count > BUFFER_ENTRIES_MAX:
                await asyncio.sleep(FULL_SECONDS)
                continue
            next_ones = asyncio.to_thread(_next, consumer, self._offsets())
            self.fetching = asyncio.ensure_future(next_ones)
            found = await asyncio.shield(self.fetching)
            before = self.count
            for message in found:
                self._take(message)
            if found:
                backoff.over()
                heard_at, self.patience_seconds = time.monotonic(), SILENT_SECONDS
            if self.count > before or self.forged:
                self.arrived()
        self.patience_seconds = min(2 * self.patience_seconds, SILENT_SECONDS_MAX)
        log.warning("kafka is silent, asking with a new client", service=self.service)

    def _offsets(self) -> list[TopicPartition]:
        """Where to begin after a restart, now and then: a hint, for the place decides."""
        if time.monotonic() < self.commit_at:
            return []
        self.commit_at = time.monotonic() + COMMIT_SECONDS
        return [
            TopicPartition(self.address.topic, part, of_part.done_offset)
            for part, of_part in self.parts.items()
            if of_part.done_offset
        ]

    def _take(self, found: Any) -> None:
        error: KafkaError | None = found.error()
        if error is not None:
            self._trouble(error)
            if error.fatal():
                raise KafkaException(error)
            return
        try:
            message = messages.read(found, self.secrets)
        except messages.NewerMessageError as newer:
            self._say_once("newer", str(newer))  # the log has it, too
            return
        except BadEventError as bad:
            if len(self.forged) < FORGED_MAX:
                self.forged.append((bad, found))
            return
        self.trouble = ""
        part = self.parts[message.place.part]
        if message.timeline != self.timeline or message.position <= part.seen:
            return  # of a database that is no more, or twice
        part.seen = message.position
        part.waiting.append(message)
        self.size += len(message.body)
        self.count += 1
        away = self.away.get(message.place.part)
        if away is not None and away.is_over(message.position):
            del self.away[message.place.part]

    def _trouble(self, error: KafkaError) -> None:
        self._say_once(error.name(), error.str())

    def _say_once(self, name: str, reason: str) -> None:
        if not self.trouble:
            self.trouble = name
            log.warning("kafka is in trouble", service=self.service, reason=reason)

    def follow(self, timeline: str) -> None:
        """Believe only what was copied from this database: another one was restored, or took over,
        and may have given the same numbers to other facts.
        """
        if timeline != self.timeline:
            self.timeline = timeline
            self.parts = {part: Part() for part in range(PARTS)}
            self.size = self.count = 0

    def drop_passed(self, place: Place) -> None:
        """Forget what `place` has passed."""
        part = self.parts[place.part]
        while part.waiting and part.waiting[0].position <= (place.tx, place.id):
            passed = part.waiting.popleft()
            part.done_offset = passed.offset + 1
            self.size -= len(passed.body)
            self.count -= 1

    def following(self, place: Place, most: int) -> list[Message] | None:
        """What comes after `place`, without a gap; None where something is missing that Kafka will
        not bring any more.
        """
        part = self.parts[place.part]
        found: list[Message] = []
        at = (place.tx, place.id)
        for message in part.waiting:
            if message.position <= at:
                continue
            if message.after > at or len(found) == most:
                break
            found.append(message)
            at = message.position
        if not found and part.seen > (place.tx, place.id):
            return None  # it came without what is before it, or the service went back
        away = self.away.get(place.part)
        if away is not None:
            at = (place.tx, place.id)
            if found or part.seen == at != away.seen:
                del self.away[place.part]
            else:
                away.look(at)
        return found

    def brings_nothing(self, part: int) -> None:
        """The log has had something of this partition for a while that did not come."""
        if not self.away:
            log.warning("kafka brings nothing, reading the log instead", service=self.service)
        self.away.setdefault(part, Away(self.parts[part].seen))

    async def set_forged_aside(self) -> None:
        """Keep what was not written by the relay as dead letters; nothing of it is handled."""
        if not self.forged:
            return
        found = list(self.forged)
        async with db.transaction() as connection:
            for error, message in found:
                made = await dead_letters.add(
                    connection,
                    error,
                    service=self.service,
                    shop="",  # what it says of itself is not to be believed
                    topic="entry",
                    reference=f"{message.topic()} {message.partition()}@{message.offset()}",
                    payload=message.value() or b"",
                    proof=messages.proof(message),
                )
                if made:
                    metrics.CONSUMED.labels(self.service, "rejected").inc()
        del self.forged[: len(found)]  # once they are kept, and more may have come meanwhile


def _next(consumer: Consumer, offsets: list[TopicPartition]) -> list[Any]:
    """What has come; waits for the first only. `consume` alone would wait for all or its time."""
    if offsets:
        try:
            consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            log.info("offsets were not kept", reason=str(error))
    first = consumer.poll(POLL_SECONDS)
    return [] if first is None else [first, *consumer.consume(FETCH_MAX - 1, timeout=0)]
