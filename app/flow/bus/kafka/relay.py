"""The relay's work: copies the log to Kafka, in its order, a transaction a batch; one relay does.

Who leads holds a lock in Postgres by its session, which ends when it falls silent. One that was
paused and goes on is refused by Kafka, where its transactional id has a new owner, and by Postgres,
where its session is gone. The relay's place moves after Kafka's commit: entries may come twice.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple

import redis.asyncio as aioredis
from asyncpg.exceptions import InterfaceError
from confluent_kafka import KafkaException, Producer

from app import db, postgres
from app.db import Connection, Row
from app.flow.bus import places
from app.flow.bus.interface import PARTS, Place
from app.flow.bus.kafka import messages
from app.flow.bus.kafka.address import Address, ensure_topic, largest_message
from app.flow.bus.kafka.bus import TIMELINE
from app.flow.bus.log import NEXT
from app.flow.bus.wakes import Wakes
from app.resilience import deadline, failures
from app.services import SERVICES
from app.telemetry import logs, metrics

RELAY = "relay"
ENTRIES_EACH = 256  # of a partition in one transaction
BYTES_EACH = 1024 * 1024
KAFKA_SECONDS = 5.0  # for each call
LEAD_EVERY_SECONDS = 1.0
MEASURE_EVERY_SECONDS = 5.0
SILENT_SECONDS = 15  # more than one transaction of Kafka can last
LOOK_SECONDS_FIRST, LOOK_FACTOR = 0.005, 3.0
# A transaction costs Kafka a request and a marker for each partition, however much is in it. So the
# more came at once, the longer more may gather: what comes alone waits for nothing.
GATHER_SECONDS_A_FACT, GATHER_SECONDS_MAX = 0.0005, 0.2
PRODUCER = {
    "acks": "all",
    "linger.ms": 1,
    "message.timeout.ms": 4_000,
    "transaction.timeout.ms": 10_000,
}
LEAD = "SELECT pg_try_advisory_lock(hashtext('holdfast relay'))"
# where the service is that is furthest behind: what all have read nobody asks Kafka for
BEGIN = """
INSERT INTO places (service, part, tx, id, day)
SELECT 'relay', part.part, coalesce(behind.tx, 0), coalesce(behind.id, 0),
       coalesce(behind.day, '2000-01-01')
  FROM generate_series(0, $1 - 1) AS part (part) LEFT JOIN LATERAL (
       SELECT tx, id, day FROM places
        WHERE places.part = part.part AND service <> 'relay'
        ORDER BY tx, id LIMIT 1) AS behind ON TRUE
ON CONFLICT (service, part) DO
"""
GO_ON = f"{BEGIN} NOTHING"
BEGIN_AGAIN = f"{BEGIN} UPDATE SET tx = excluded.tx, id = excluded.id, day = excluded.day"
COMES_NEXT = f"""
SELECT place.part, place.tx AS place_tx, place.id AS place_id, entry.*
  FROM places AS place CROSS JOIN LATERAL (
       SELECT tx, id, day, entry, topics, facts, size, signed_at, signature, body,
              sum(size) OVER (ORDER BY tx, id) - size AS before_it
         FROM (SELECT * FROM facts {NEXT}
                  AND facts.tx < (SELECT log_horizon())
                ORDER BY facts.tx, facts.id LIMIT $1) AS next) AS entry
 WHERE place.service = 'relay' AND entry.before_it < $2
 ORDER BY place.part, entry.tx, entry.id
"""
LAG = f"""
SELECT coalesce(extract(epoch FROM clock_timestamp()) - min(waiting.signed_at), 0)::float8
  FROM places AS place CROSS JOIN LATERAL (
       SELECT signed_at FROM facts {NEXT}
        ORDER BY facts.tx, facts.id LIMIT 1) AS waiting
 WHERE place.service = 'relay'
"""

log = logs.logger()


async def run(address: Address, queue: aioredis.Redis, stop: asyncio.Event) -> None:
    """Copy the log until `stop` is set; any number of relays may, one does."""
    waker = Wakes(queue)
    topics = sorted({topic for service in SERVICES for topic in service.topics})
    async with asyncio.TaskGroup() as group:
        group.create_task(waker.listen(topics, stop))
        group.create_task(_lead(address, waker, stop))
        group.create_task(_measure(stop))


async def _lead(address: Address, waker: Wakes, stop: asyncio.Event) -> None:
    backoff = failures.Backoff("copying the log to Kafka")
    while not stop.is_set():
        try:
            async with leading() as connection:
                if connection is not None:
                    async with copying(address, connection) as copier:
                        await _go_on(copier, waker, backoff, stop)
        except Exception as error:  # noqa: BLE001 - the log keeps what is to be copied
            await backoff.wait(error, stop)
            continue
        await deadline.pause(LEAD_EVERY_SECONDS, stop)


async def _go_on(
    copier: "Copier", waker: Wakes, backoff: failures.Backoff, stop: asyncio.Event
) -> None:
    look_seconds = LOOK_SECONDS_FIRST
    while not stop.is_set():
        copied = await copier.copy_once()
        backoff.over()
        if copied.facts:
            look_seconds = LOOK_SECONDS_FIRST
            if not copied.has_more:
                gather_seconds = min(copied.facts * GATHER_SECONDS_A_FACT, GATHER_SECONDS_MAX)
                await deadline.pause(gather_seconds, stop)
            continue
        # woken for facts that a transaction still open keeps back: look again, ever less often
        woken = await waker.wait(min(look_seconds, waker.poll_seconds), stop)
        look_seconds = LOOK_SECONDS_FIRST if woken else look_seconds * LOOK_FACTOR
        look_seconds = min(look_seconds, waker.poll_seconds)


@asynccontextmanager
async def leading() -> AsyncIterator[Connection | None]:
    """The session by which this process leads, or None while another one does."""
    async with db.connection() as connection:
        if not await connection.fetchval(LEAD):
            yield None
            return
        try:
            await connection.execute(f"SET idle_session_timeout = '{SILENT_SECONDS}s'")
            yield connection
        finally:
            with suppress(InterfaceError):  # its session has ended already
                postgres.give_up(connection)  # the lock goes with its session


@asynccontextmanager
async def copying(address: Address, connection: Connection) -> AsyncIterator["Copier"]:
    """What copies by `connection`; the topic is made, and filled again, where there is none.

    Raises ConnectionError when Kafka does not answer.
    """
    try:
        is_new = await asyncio.to_thread(ensure_topic, address)
        await connection.execute(BEGIN_AGAIN if is_new else GO_ON, PARTS)
        if is_new:
            log.warning("the topic was made, and is filled from the log", topic=address.topic)
        bytes_max = await asyncio.to_thread(largest_message, address)
        producer = await asyncio.to_thread(_producer, address, bytes_max)
        try:
            timeline = await connection.fetchval(TIMELINE)
            yield Copier(address, connection, producer, timeline, bytes_max)
        finally:
            producer.purge()  # what it left open is ended by the next one
    except KafkaException as error:
        raise ConnectionError(f"Kafka: {error.args[0].str()}") from error


class Copied(NamedTuple):
    """How many facts were copied, and whether the log may have had more than went into one
    transaction.
    """

    facts: int
    has_more: bool = False


@dataclass(frozen=True, slots=True)
class Copier:
    """Who leads, with its session in Postgres and its transactional id in Kafka."""

    address: Address
    connection: Connection
    producer: Producer
    timeline: str
    bytes_max: int  # of a message, as the topic takes them

    async def copy_once(self) -> Copied:
        """Copy what comes next. Raises KafkaException: nothing is sure then."""
        rows = await self.connection.fetch(COMES_NEXT, ENTRIES_EACH, BYTES_EACH)
        if not rows:
            return Copied(0)
        await asyncio.to_thread(self._send, rows)
        reached = {row["part"]: row for row in rows}
        moved = [Place(part, row["tx"], row["id"], row["day"]) for part, row in reached.items()]
        await places.move(self.connection, RELAY, moved)
        metrics.KAFKA_COPIED.inc(len(rows))
        of_part = Counter(row["part"] for row in rows)
        size = sum(row["size"] for row in rows)
        has_more = max(of_part.values()) >= ENTRIES_EACH or size >= BYTES_EACH
        return Copied(sum(row["facts"] for row in rows), has_more=has_more)

    def _send(self, rows: Sequence[Row]) -> None:
        """All in one transaction, but what is too large: the next one says that it is missing, and
        it is read from the log.
        """
        self.producer.begin_transaction()
        after: dict[int, messages.Position] = {}
        for row in rows:
            part = row["part"]
            before = after.get(part, (row["place_tx"], row["place_id"]))
            after[part] = row["tx"], row["id"]
            headers = messages.headers(row, before, self.timeline)
            if messages.size(row["body"], headers) <= self.bytes_max:
                topic = self.address.topic
                self.producer.produce(topic, value=row["body"], headers=headers, partition=part)
        self.producer.commit_transaction(KAFKA_SECONDS)


async def _measure(stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            metrics.KAFKA_BEHIND.set(await lag_seconds())
        except Exception as error:  # noqa: BLE001 - a database that is away is told by others
            log.info("not measured", what="how far Kafka is behind", reason=failures.reason(error))
        await deadline.pause(MEASURE_EVERY_SECONDS, stop)


async def lag_seconds() -> float:
    """How old the first entry is that Kafka has not got."""
    async with db.connection() as connection:
        seconds: float = await connection.fetchval(LAG)
    return max(0.0, seconds)


def _producer(address: Address, bytes_max: int) -> Producer:
    """Fences whoever copied before, and ends what it left open."""
    owner = {"transactional.id": f"holdfast-relay-{address.topic}"}
    # what a topic measures is a batch of messages
    sizes = {"message.max.bytes": bytes_max, "batch.size": min(bytes_max, BYTES_EACH)}
    made = Producer({**address.client, **PRODUCER, **sizes, **owner})
    made.init_transactions(KAFKA_SECONDS)
    return made
