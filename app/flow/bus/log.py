"""The log: facts in Postgres, append-only, numbered by partition of the shop, read by place.

Entries are ordered by the transaction that wrote them, and read only behind the oldest transaction
still open: one that commits late is never jumped over. A place moves in the transaction of the
effect it stands for. So a service handles every entry once, with any number of processes.
"""

import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import NamedTuple

import redis.asyncio as aioredis

from app import db
from app.db import Connection
from app.flow import event as envelope
from app.flow.bus.interface import PARTS, Entry, Head, Lag, Place
from app.flow.bus.wakes import Wakes
from app.flow.event import Event
from app.telemetry import metrics
from app.writes import Writes

ENTRY_FACTS_MAX = 100
ENTRY_BYTES_MAX = 512 * 1024  # before they are packed; a larger fact is alone in its entry
LAG_ENTRIES_MAX = 64  # a partition; beyond that "at least" is what anybody needs to know
HELD_UP_AFTER_SECONDS = 2.0

ENTRY = {
    "part": "smallint",
    "entry": "text",
    "topics": "text",
    "facts": "int",
    "signed_at": "bigint",
    "signature": "text",
    "body": "bytea",
}
INSERT = """
INSERT INTO facts (part, day, tx, entry, topics, facts, size, signed_at, signature, body)
SELECT part, (now() AT TIME ZONE 'UTC')::date, (SELECT log_tx()), entry,
       string_to_array(topics, ','), facts, octet_length(body), signed_at, signature, body
  FROM {fresh}
"""
# A transaction that wrote just before midnight may stand behind one of the next day: so look from
# the day before the place on, which keeps all other days of the log out of the search.
NEXT = """
 WHERE facts.part = place.part AND facts.day >= place.day - 1
   AND (facts.tx, facts.id) > (place.tx, place.id)
"""
HEADS = f"""
SELECT place.part, head.tx, head.id, head.day, head.facts, head.size, head.wanted
  FROM places AS place CROSS JOIN LATERAL (
       SELECT tx, id, day, facts, size, topics && $2::text[] AS wanted FROM facts {NEXT}
          AND facts.tx < (SELECT log_horizon())
        ORDER BY facts.tx, facts.id LIMIT $3) AS head
 WHERE place.service = $1 AND place.part = ANY($4::smallint[])
 ORDER BY place.part, head.tx, head.id
"""
# the places come locked and as they are now; entries are read only from there on
READ = f"""
WITH place AS MATERIALIZED (
     SELECT part, tx, id, day FROM places
      WHERE service = $1 AND part = ANY($3::smallint[])
        FOR UPDATE SKIP LOCKED)
SELECT place.part, entry.tx, entry.id, entry.day, entry.entry, entry.signed_at, entry.signature,
       entry.body
  FROM place
  JOIN unnest($3::smallint[], $4::bigint[], $5::bigint[]) AS until (part, tx, id) USING (part)
       CROSS JOIN LATERAL (
       SELECT tx, id, day, entry, signed_at, signature,
              CASE WHEN topics && $2::text[] THEN body ELSE '' END AS body
         FROM facts {NEXT}
          AND (facts.tx, facts.id) <= (until.tx, until.id)
        ORDER BY facts.tx, facts.id) AS entry
 ORDER BY place.part, entry.tx, entry.id
"""
LAG = f"""
SELECT coalesce(sum(waiting.facts), 0)::bigint AS count,
       coalesce(extract(epoch FROM clock_timestamp()) - min(waiting.signed_at), 0)::float8 AS age
  FROM places AS place CROSS JOIN LATERAL (
       SELECT facts, signed_at, topics && $2::text[] AS wanted FROM facts {NEXT}
        ORDER BY facts.tx, facts.id LIMIT $3) AS waiting
 WHERE place.service = $1 AND waiting.wanted
"""
HOLDER = """
SELECT pid, application_name, usename, state, xact_start, left(query, 200) AS query,
       extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds
  FROM pg_stat_activity
 WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
 ORDER BY age(backend_xid) DESC LIMIT 1
"""


class Holder(NamedTuple):
    """The open transaction behind which every reader waits."""

    pid: int
    application: str
    user: str
    state: str
    since: datetime
    seconds: float
    query: str


def part_of(shop: str) -> int:
    """The partition of a shop: what it is now it stays for good."""
    return zlib.crc32(shop.encode()) % PARTS


async def append(connection: Connection, events: Sequence[Event]) -> None:
    """Write `events`, in their order, in the transaction open on `connection`; one statement."""
    writes = Writes()
    add(writes, events)
    await writes.send(connection)


def add(writes: Writes, events: Sequence[Event]) -> None:
    """Write `events`, in their order, with `writes`."""
    if not events:
        return
    topics = Counter(event.topic for event in events)
    if (noted := _noted.get()) is not None:
        noted.update(topics)
    for topic, count in topics.items():
        metrics.FACTS.labels(topic).inc(count)
    entries = [(part, *_signed(group)) for part, group in _grouped(events)]
    writes.add(INSERT.format(fresh=writes.rows("fresh", ENTRY, entries)))


@contextmanager
def noting() -> Iterator[set[str]]:
    """Gathers the topics that are written inside, for whoever wakes their readers afterwards."""
    topics: set[str] = set()
    token = _noted.set(topics)
    try:
        yield topics
    finally:
        _noted.reset(token)


_noted: ContextVar[set[str] | None] = ContextVar("noted", default=None)


def _grouped(events: Sequence[Event]) -> list[tuple[int, list[tuple[Event, bytes]]]]:
    """The events by partition, in pieces of bounded size."""
    pieces: dict[int, list[list[tuple[Event, bytes]]]] = defaultdict(lambda: [[]])
    sizes: dict[int, int] = defaultdict(int)
    for event in events:
        part, body = part_of(event.shop), envelope.encode(event)
        is_full = len(pieces[part][-1]) >= ENTRY_FACTS_MAX or sizes[part] >= ENTRY_BYTES_MAX
        if is_full:
            pieces[part].append([])
            sizes[part] = 0
        pieces[part][-1].append((event, body))
        sizes[part] += len(body)
    return [(part, piece) for part, of_part in sorted(pieces.items()) for piece in of_part]


def _signed(group: Sequence[tuple[Event, bytes]]) -> tuple[str, str, int, int, str, bytes]:
    """Name, topics, number of facts, time and signature of an entry, and its packed body."""
    name, body = group[0][0].id, envelope.pack([body for _, body in group])
    signed_at, signature = envelope.signed(name, body)
    topics = ",".join({event.topic for event, _ in group})
    return name, topics, len(group), signed_at, signature, body


async def heads(
    service: str, topics: Sequence[str], each: int, parts: Sequence[int] = range(PARTS)
) -> list[Head]:
    """What comes next for `service` in `parts`, at most `each` entries a partition; locks
    nothing.
    """
    async with db.connection() as connection:
        rows = await connection.fetch(HEADS, service, list(topics), each, list(parts))
    return [
        Head(
            Place(row["part"], row["tx"], row["id"], row["day"]),
            row["facts"],
            row["size"],
            row["wanted"],
        )
        for row in rows
    ]


async def read(
    connection: Connection, service: str, topics: Sequence[str], until: Sequence[Place]
) -> list[Entry]:
    """Lock the places of `service` in the partitions of `until` and read on up to there.

    Partitions that another reader holds are left out.
    """
    rows = await connection.fetch(
        READ,
        service,
        list(topics),
        [place.part for place in until],
        [place.tx for place in until],
        [place.id for place in until],
    )
    return [
        Entry(
            Place(row["part"], row["tx"], row["id"], row["day"]),
            row["entry"],
            row["signed_at"],
            row["signature"],
            row["body"],
        )
        for row in rows
    ]


async def lag(service: str, topics: Sequence[str]) -> Lag:
    """What `service` has not read of `topics`, counted up to a bound."""
    async with db.connection() as connection:
        row = await connection.fetchrow(LAG, service, list(topics), LAG_ENTRIES_MAX)
    return Lag(row["count"], max(0.0, row["age"]))


def waker(_: str, queue: aioredis.Redis) -> Wakes:
    """Whoever writes wakes all who read what was written."""
    return Wakes(queue)


async def holder() -> Holder | None:
    """Who holds up all readers by a transaction that has been open for more than two seconds."""
    async with db.connection() as connection:
        row = await connection.fetchrow(HOLDER)
    if row is None or row["seconds"] < HELD_UP_AFTER_SECONDS:
        return None
    return Holder(
        row["pid"],
        row["application_name"],
        row["usename"],
        row["state"],
        row["xact_start"],
        row["seconds"],
        row["query"],
    )
