"""Kafka as the bus: services read what the relay copied, and the log for whatever Kafka lacks."""

import asyncio
import time
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass, field

import redis.asyncio as aioredis

from app import db
from app.config import Config
from app.db import Connection, Row
from app.flow.bus import log as fact_log
from app.flow.bus.interface import Entry, Head, Lag, Place
from app.flow.bus.kafka.address import parse
from app.flow.bus.kafka.reader import AWAY_SECONDS, Reader
from app.flow.bus.wakes import Wakes
from app.flow.event import Event
from app.telemetry import metrics

LOOK_SECONDS = 1.0
# Which database this is: a copy restored from a backup, or a replica that took over, numbers its
# transactions as the one before it did.
TIMELINE = """
SELECT system_identifier || '.' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
  FROM pg_control_system()
"""
PLACES = f"SELECT part, tx, id, day, ({TIMELINE}) AS timeline FROM places WHERE service = $1"
LOCK = f"{PLACES} AND part = ANY($2::smallint[]) FOR UPDATE SKIP LOCKED"


class KafkaBus:
    """The log, read through Kafka; places are those of the log, in Postgres."""

    def __init__(self, config: Config) -> None:
        self.address = parse(config.bus_url)
        self.config = config
        self.readings: dict[str, Reading] = {}

    async def append(self, connection: Connection, events: Sequence[Event]) -> None:
        """Write facts to the log, in the transaction that makes them true."""
        await fact_log.append(connection, events)

    def waker(self, service: str, queue: aioredis.Redis) -> Wakes:
        """Wakes `service` when Kafka has brought something."""
        return Arrivals(self._reading(service).reader, queue)

    async def heads(self, service: str, topics: Sequence[str], each: int) -> list[Head]:
        """What comes next for `service`, at most `each` entries a partition; locks nothing."""
        reading, wanted = self._reading(service), frozenset(topics)
        reader = reading.reader
        async with db.connection() as connection:
            places = [_place(row, reader) for row in await connection.fetch(PLACES, service)]
        reading.start()
        await reader.set_forged_aside()
        found: list[Head] = []
        quiet, missing = [], []
        for place in places:
            reader.drop_passed(place)
            came = reader.following(place, each)
            if came:
                found += [message.head(wanted) for message in came]
            elif came is None or place.part in reader.away:
                missing.append(place.part)
            else:
                quiet.append(place.part)
        await reading.look(service, topics, quiet)
        if missing:
            found += await fact_log.heads(service, topics, each, missing)
        return found

    async def read(
        self,
        connection: Connection,
        service: str,
        topics: Sequence[str],
        until: Sequence[Place],
    ) -> list[Entry]:
        """Lock the places of `service` in the partitions of `until` and read on up to there.

        Partitions that another reader holds are left out. Calls nothing: what Kafka brought is
        here, and the rest is read from the log.
        """
        reader, wanted = self._reading(service).reader, frozenset(topics)
        goals = {place.part: place for place in until}
        entries: list[Entry] = []
        missing = []
        for row in await connection.fetch(LOCK, service, list(goals)):
            place = _place(row, reader)
            goal = goals[place.part]
            came = [
                message
                for message in reader.following(place, len(reader.parts[place.part].waiting)) or ()
                if message.position <= (goal.tx, goal.id)
            ]
            if came and came[-1].place == goal:
                entries += [message.entry(wanted) for message in came]
            else:
                missing.append(goal)
        metrics.BUS_ENTRIES.labels(service, "kafka").inc(len(entries))
        if missing:
            from_log = await fact_log.read(connection, service, topics, missing)
            metrics.BUS_ENTRIES.labels(service, "log").inc(len(from_log))
            entries += from_log
        return entries

    async def lag(self, service: str, topics: Sequence[str]) -> Lag:
        """What `service` has not read of `topics`: the log knows, whoever brings it."""
        return await fact_log.lag(service, topics)

    async def close(self) -> None:
        """Leave Kafka."""
        readings, self.readings = self.readings, {}
        tasks = [one.task for one in readings.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _reading(self, service: str) -> "Reading":
        if service not in self.readings:
            secrets, slot = self.config.event_secrets, self.config.process_slot
            self.readings[service] = Reading(Reader(self.address, service, slot, secrets))
        return self.readings[service]


@dataclass(slots=True)
class Reading:
    """A service's reader, its task, and what the log is seen to have that the reader has not."""

    reader: Reader
    task: asyncio.Task[None] | None = None
    look_at: float = 0.0  # monotonic
    ahead: dict[int, tuple[Place, float]] = field(default_factory=dict)  # and since when

    def start(self) -> None:
        """Go on reading, if it does not yet."""
        if self.task is None or self.task.done():
            # in a context of its own: it is no part of the turn that happened to begin it
            loop = asyncio.get_running_loop()
            self.task = loop.create_task(self.reader.run(), context=Context())

    async def look(self, service: str, topics: Sequence[str], quiet: Sequence[int]) -> None:
        """Once a second: does the log have something that Kafka has not brought for a while?"""
        now = time.monotonic()
        if now < self.look_at:
            return
        self.look_at = now + LOOK_SECONDS
        heads = await fact_log.heads(service, topics, 1, quiet) if quiet else []
        before, self.ahead = self.ahead, {}
        for head in heads:
            place, since = before.get(head.place.part, (head.place, now))
            if place != head.place:
                since = now
            self.ahead[head.place.part] = (head.place, since)
            if now - since >= AWAY_SECONDS:
                self.reader.brings_nothing(head.place.part)


class Arrivals(Wakes):
    """Wakes when Kafka has brought something; while it brings nothing, when somebody wrote."""

    def __init__(self, reader: Reader, queue: aioredis.Redis) -> None:
        super().__init__(queue)
        self.reader = reader
        reader.arrived = self.woken.set

    def heard(self) -> None:
        if self.reader.away:
            self.woken.set()


def _place(row: Row, reader: Reader) -> Place:
    reader.follow(row["timeline"])
    return Place(row["part"], row["tx"], row["id"], row["day"])
