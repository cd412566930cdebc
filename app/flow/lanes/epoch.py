"""Notices when Redis has lost its memory, or Redis or Postgres gone back in time, and notes since
when.
"""

import asyncio
import math
import secrets
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from app import db, rooms, sentinels
from app.flow.bus import keeper
from app.flow.lanes import backlog, durability, scripts
from app.flow.lanes.lane import Call, Told
from app.resilience import cache, failures
from app.telemetry import logs, metrics

LOOK_EVERY_SECONDS = 1.0
NOTE_TRIES_MAX = 300
BEATS_KEPT = 600
CALLER_SECONDS = 24 * 3600.0  # for so long Redis remembers a caller at least
UNKNOWN_MILLISECONDS = 60_000  # before a witness knew anything
REPLICA_MILLISECONDS = 500
REPAIR_MILLISECONDS = 5_000  # one process sets a new era, the others look away meanwhile
KEY, REPAIR_KEY = "lanes:epoch", "lanes:epoch:repair"
OLDEST_LANES, OLDEST_HEADS = 500, 50

Kind = Literal["lost", "went_back", "database"]
log = logs.logger()

# The era is a random name of this memory of Redis, the beat the database's own time (milliseconds)
# at the last look that reached both. A Redis that knows another era has forgotten; one with an
# earlier beat has gone back to it: a cut append-only file, or a replica that lacked what others had
# confirmed. Where there are replicas, a beat counts once one of them has it, as a webhook does: a
# fail-over that loses nothing acknowledged is no loss. Each Redis of lanes has a row of its own.
# A Postgres that runs as another cluster or on another timeline was restored or is the replica that
# took over; one with an earlier beat than Redis has seen in it was put back some other way.
NOW = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
LOOK = """
SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now, cluster_mark() AS mark,
       era, beat, cluster
  FROM (SELECT) AS once LEFT JOIN redis_epochs ON redis_epochs.id = $1
"""
BEGIN = """
INSERT INTO redis_epochs (id, era, beat, oldest_at, seen_at, cluster)
VALUES ($3, $1, $2, NULL, to_timestamp($5::bigint / 1000.0), nullif($4, ''))
ON CONFLICT (id) DO NOTHING
"""
GO_ON = """
UPDATE redis_epochs SET beat = greatest(beat, $2), oldest_at = $3,
       seen_at = to_timestamp($6::bigint / 1000.0), cluster = coalesce(cluster, nullif($5, ''))
 WHERE era = $1 AND id = $4
"""
# `seen_at` is from before the lanes were looked through: a look may take seconds, and what came in
# meanwhile is neither older than its end nor among the oldest it found. Who notes a loss has looked
# through nothing, so that it stays as it was.
# Of several processes that notice, one writes it down. What was moved from Postgres not long ago,
# or no replica had confirmed, goes to its lane once more: in one statement, so that no crash
# leaves a loss noted and those webhooks behind.
NOTE = """
WITH before AS (SELECT era, seen_at, oldest_at FROM redis_epochs WHERE id = $6 FOR UPDATE),
     moved AS (UPDATE redis_epochs
                  SET era = $2, beat = $3, cluster = nullif($7, '')
                 FROM before WHERE redis_epochs.id = $6 AND before.era = $1 RETURNING before.era),
     again AS (UPDATE spilled_webhooks SET moved_at = NULL
                WHERE moved_at IS NOT NULL AND EXISTS (SELECT FROM moved))
INSERT INTO redis_losses (kind, lost_from, noticed_at)
SELECT $4, coalesce($5::timestamptz, least(before.seen_at, before.oldest_at)), now()
  FROM before JOIN moved USING (era)
RETURNING kind, lost_from, noticed_at
"""


@dataclass(frozen=True, slots=True)
class Loss:
    """Redis forgot everything (`lost`), or what came after `lost_from` (`went_back`), or Postgres
    did (`database`); what came in that window may be missing until it is reconciled with Shopify.
    Aware UTC.
    """

    kind: Kind
    lost_from: datetime
    noticed_at: datetime


async def look(stores: db.Stores) -> Loss | None:
    """Compare what Redis and Postgres know of each other, and move both forward; what was lost,
    when this process was the one to notice it. Raises when a store is away: nothing is known then.
    """
    async with db.connection() as connection:
        began_ms = await connection.fetchval(NOW)
    oldest_ms = (
        await backlog.depth(
            stores.lane, stores.config, lanes_max=OLDEST_LANES, heads_max=OLDEST_HEADS
        )
    ).oldest_ms
    async with db.connection() as connection:
        row = await connection.fetchrow(LOOK, stores.node)
    beat = max(row["now"], (row["beat"] or 0) + 1)
    found = await _beat(stores, beat, row["era"] or "", row["beat"] or 0)
    era, before = found.era, found.before
    if row["era"] is None:
        await _begin(stores, beat, row["mark"], began_ms)
    elif _is_another(row) or await _went_back(stores, era, found.known, row):
        return await _note_database(stores, row, max(beat, before + 1))
    elif era == row["era"] and before >= row["beat"]:
        if not found.is_kept:
            return None
        oldest_at = datetime.fromtimestamp(oldest_ms / 1000, UTC) if oldest_ms else None
        async with db.connection() as connection:
            await connection.execute(
                GO_ON, era, beat, oldest_at, stores.node, row["mark"], began_ms
            )
    elif await sentinels.is_agreed(stores.lane):  # who is cut off with a primary of before is not
        return await _note(stores, row, beat, before if era == row["era"] else None)
    return None


def _is_another(row: Any) -> bool:
    """Whether this Postgres runs as another cluster, or on another timeline, than it knows of."""
    return bool(row["mark"] and row["cluster"]) and row["mark"] != row["cluster"]


async def _went_back(stores: db.Stores, era: str, known: int, row: Any) -> bool:
    """Whether Postgres has an earlier beat than one that Redis was told it had. Asked once more:
    another process may have told a later one since `row` was read.
    """
    if era != row["era"] or row["beat"] >= known:
        return False
    async with db.connection() as connection:
        again = await connection.fetchrow(LOOK, stores.node)
    return bool(again["era"] == era and again["beat"] < known)


class Witness:
    """What a process that admits webhooks remembers of its own calls: a Redis that lacks one which
    was kept has gone back, be it only to between two looks of a second. What others do meanwhile
    hides nothing, for each is counted apart.
    """

    caller: str
    era: str
    number: int  # of the last call
    number_kept: int  # of the last one that is known to be kept
    kept_until: float  # by Redis, in seconds of this process' clock
    beats: deque[tuple[int, int]]  # the first call that was told of each beat, and that (ms)

    def __init__(self) -> None:
        self._begin()

    def call(self) -> Call:
        """The next call; one at a time."""
        if time.monotonic() > self.kept_until:
            self._begin()
        self.number += 1
        return Call(self.caller, self.number, self.number_kept)

    def went_back_to(self, told: Told) -> int | None:
        """Hear what the call was told that is kept now: the beat (milliseconds) up to which nothing
        is lost, when Redis has gone back since the one before.
        """
        is_same_era = told.era != "" and told.era == self.era
        if is_same_era and told.number < self.number_kept:
            known = [beat for number, beat in self.beats if number <= told.number][-2:]
            found = known[0] if known else self.beats[0][1] - UNKNOWN_MILLISECONDS
            self._begin()
            return found
        if told.number < self.number_kept:  # another Redis, or one that has forgotten everything
            self._begin()
            return None
        if not is_same_era:
            self.beats.clear()
        if not self.beats or told.beat > self.beats[-1][1]:
            self.beats.append((self.number, told.beat))
        self.era, self.number_kept = told.era, self.number
        self.kept_until = time.monotonic() + CALLER_SECONDS
        return None

    def _begin(self) -> None:
        self.caller, self.era = secrets.token_hex(6), ""
        self.number = self.number_kept = 0
        self.kept_until = math.inf
        self.beats = deque(maxlen=BEATS_KEPT)


def tell_gone_back(stores: db.Stores, era: str, went_back_to: int) -> None:
    """Have it written down that Redis went back to a beat, as a witness saw."""
    task = asyncio.create_task(_note_gone_back(stores, era, went_back_to))
    _telling.add(task)
    task.add_done_callback(_telling.discard)


_telling: set[asyncio.Task[None]] = set()


async def _note_gone_back(stores: db.Stores, era: str, went_back_to: int) -> None:
    """Write down what a witness saw, unless a look has done so meanwhile: whoever looks may know an
    earlier moment. Tried again for a while when a store is away.
    """
    for _ in range(NOTE_TRIES_MAX):
        await asyncio.sleep(LOOK_EVERY_SECONDS)
        try:
            with rooms.inside(rooms.SPILL):
                async with db.connection() as connection:
                    row = await connection.fetchrow(LOOK, stores.node)
                beat = max(row["now"], row["beat"] + 1)
                if row["era"] != era or await _note(stores, row, beat, went_back_to):
                    return
        except Exception as error:  # noqa: BLE001 - a store is away
            log.warning("a loss of Redis is not noted yet", reason=failures.reason(error))
    log.error("a loss of Redis could not be noted", went_back_to=went_back_to)


BEAT = scripts.Script("epoch")


class _Beaten(NamedTuple):
    era: str
    before: int  # the beat before
    known: int  # the newest beat that Redis was told Postgres had
    is_kept: bool  # the new one, where webhooks are


async def _beat(stores: db.Stores, beat: int, era: str, known: int) -> _Beaten:
    """Move the beat of Redis forward."""
    if durability.wants_replica(stores.config):
        answer, replicas = await scripts.run_and_wait(
            stores.lane, BEAT, stores.config, beat, era, known, milliseconds=REPLICA_MILLISECONDS
        )
    else:
        answer = await scripts.run(stores.lane, BEAT, stores.config, beat, era, known)
        replicas = 1
    return _Beaten(answer[0].decode(), int(answer[1]), int(answer[2]), replicas > 0)


async def _begin(stores: db.Stores, beat: int, mark: str, began_ms: int) -> None:
    """The first look of all, or the first with this database. Redis comes first, so that of several
    processes none sees the two differ.
    """
    client: Any = stores.lane
    await client.hsetnx(KEY, "era", secrets.token_hex(8))
    found = await _beat(stores, beat, "", 0)
    if found.is_kept:
        async with db.connection() as connection:
            await connection.execute(BEGIN, found.era, beat, stores.node, mark, began_ms)


async def _note_database(stores: db.Stores, row: Any, beat: int) -> Loss | None:
    """Postgres was put back, or a replica took over. What Redis has seen of the time it lost must
    not pass for handled: a webhook that comes again is no repeat, a balance of then is none.
    """
    # before it is noted: a crash in between only repeats it
    await scripts.forget_seen(stores.lane)
    await cache.clear(stores.cache)
    return await _note(stores, row, beat, None, "database")


async def _note(
    stores: db.Stores, row: Any, beat: int, went_back_to: int | None, kind: Kind | None = None
) -> Loss | None:
    client: Any = stores.lane
    if not await client.set(REPAIR_KEY, "", nx=True, px=REPAIR_MILLISECONDS):
        return None
    kind = kind or ("lost" if went_back_to is None else "went_back")
    since = datetime.fromtimestamp(went_back_to / 1000, UTC) if went_back_to else None
    era = secrets.token_hex(8)
    async with db.transaction() as connection:
        noted = await connection.fetchrow(
            NOTE, row["era"], era, beat, kind, since, stores.node, row["mark"]
        )
        if noted is not None and kind == "database":
            await keeper.raise_base(connection, is_asked=not _is_another(row))
    if noted is None:
        return None
    await client.hset(KEY, mapping={"era": era, "beat": beat, "known": 0})
    loss = Loss(noted["kind"], noted["lost_from"], noted["noticed_at"])
    metrics.REDIS_LOSSES.labels(kind).inc()
    log.error(
        "the database was put back" if kind == "database" else "Redis has lost webhooks",
        kind=kind,
        lost_from=loss.lost_from.isoformat(),
        noticed_at=loss.noticed_at.isoformat(),
    )
    return loss
