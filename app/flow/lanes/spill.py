"""Webhooks that Redis could not take wait in Postgres, and return to their lanes shop by shop."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from redis.exceptions import OutOfMemoryError, RedisError, ResponseError

from app import db, rooms
from app.flow.lanes import durability, epoch, lane, nodes
from app.flow.lanes.lane import LaneRow
from app.telemetry import logs

SHOPS_MAX = 100  # a step
STEP = 500  # webhooks a step
STEP_BYTES_MAX = 8 * 1024 * 1024
ROOM_MAX = 2_000  # a lane is filled no further: what waits in Postgres needs no memory of Redis
UNSPILL_SECONDS_MAX = 4.0
REPLICA_MILLISECONDS = 200
LOOK_SECONDS_MAX = 2.0  # at one Redis: others wait meanwhile
FORGET_STEP = 5_000
# A Redis that forgets, or goes back, loses what came back to it just before; that was received
# longer ago than the window of the loss says. So it stays here for as long as Redis may go back,
# and whoever notes a loss (`app/flow/lanes/epoch.py`) lets it come again. What no replica confirmed
# (moved_at is infinity) has no end of that: another primary may lack it and be none the wiser. It
# comes again once there is a replica; what is in its lane already, or drained, is then a repeat.
MOVED_KEPT = timedelta(seconds=120)
COUNT_MAX = 10_000

log = logs.logger()

INSERT = """
INSERT INTO spilled_webhooks (shop, webhook_id, item, spilled_at)
SELECT shop, webhook_id, item, now() FROM unnest($1::text[], $2::text[],
       $3::bytea[]) AS fresh (shop, webhook_id, item)
ON CONFLICT (shop, webhook_id) DO NOTHING
"""
# steps from shop to shop on the index (shop, id), however many webhooks each has
SHOPS = """
WITH RECURSIVE waiting (shop) AS (
  (SELECT shop FROM spilled_webhooks WHERE moved_at IS NULL AND shop > $1 ORDER BY shop LIMIT 1)
  UNION ALL
  SELECT (SELECT shop FROM spilled_webhooks
           WHERE moved_at IS NULL AND shop > waiting.shop ORDER BY shop LIMIT 1)
    FROM waiting WHERE waiting.shop IS NOT NULL)
SELECT shop FROM waiting WHERE shop IS NOT NULL LIMIT $2
"""
# the oldest of each shop, as many as it has room for; shops take turns, and the running sum keeps a
# step of large webhooks small: the first always fits
CHOOSE = """
WITH found AS (
       SELECT oldest.id, oldest.size, row_number() OVER (PARTITION BY shop ORDER BY id) AS turn
         FROM unnest($1::text[], $2::int[]) AS wanted (name, room)
        CROSS JOIN LATERAL (SELECT id, shop, length(item) AS size FROM spilled_webhooks
                             WHERE moved_at IS NULL AND shop = wanted.name
                             ORDER BY id LIMIT wanted.room) AS oldest),
     sized AS (
       SELECT id, sum(size) OVER (ORDER BY turn, id) - size AS before FROM found
        ORDER BY turn, id LIMIT $3)
SELECT id FROM sized WHERE before < $4
"""
TAKE = """
SELECT id, shop, webhook_id, item FROM spilled_webhooks WHERE id = ANY($1::bigint[]) ORDER BY id
"""
MARK_MOVED = """
UPDATE spilled_webhooks SET moved_at = CASE WHEN $2 THEN now() ELSE 'infinity' END
 WHERE id = ANY($1::bigint[])
"""
COME_AGAIN = """
UPDATE spilled_webhooks SET moved_at = NULL
 WHERE id IN (SELECT id FROM spilled_webhooks WHERE moved_at = 'infinity' ORDER BY id LIMIT $1)
"""
FORGET_MOVED = """
DELETE FROM spilled_webhooks
 WHERE id IN (SELECT id FROM spilled_webhooks AS moved
               WHERE moved_at < now() - $2::interval
                 AND EXISTS (SELECT FROM receipts WHERE receipts.shop = moved.shop
                                AND receipts.webhook_id = moved.webhook_id)
               ORDER BY id LIMIT $1)
"""
# Whoever moved them may have been gone before Redis was: what has no receipt by now comes again,
# and is a repeat where it only waits in its lane.
COME_AGAIN_LATE = """
UPDATE spilled_webhooks SET moved_at = NULL
 WHERE id IN (SELECT id FROM spilled_webhooks
               WHERE moved_at < now() - $2::interval ORDER BY id LIMIT $1)
"""
MOVED = """
SELECT moved_at < now() - $1::interval AS is_safe, moved_at = 'infinity' AS is_unconfirmed
  FROM spilled_webhooks WHERE moved_at IS NOT NULL ORDER BY id LIMIT 1
"""
WAITING = """
SELECT (SELECT count(*) FROM (SELECT FROM spilled_webhooks WHERE moved_at IS NULL
                               LIMIT $1) AS counted) AS count,
       coalesce((SELECT extract(epoch FROM now() - spilled_at) FROM spilled_webhooks
                  WHERE moved_at IS NULL ORDER BY id LIMIT 1), 0)::float8 AS age
"""


async def spill(rows: Sequence[LaneRow]) -> None:
    """Keep rows of shop, webhook id and encoded item until Redis can take them; one kept
    already stays as it is.
    """
    ordered = sorted(rows)  # one order for everybody, so that two processes cannot deadlock
    with rooms.inside(rooms.SPILL):
        async with db.connection() as connection:
            await connection.execute(
                INSERT,
                [row[0] for row in ordered],
                [row[1] for row in ordered],
                [row[2] for row in ordered],
            )


async def unspill(stores: db.Stores) -> tuple[int, bool]:
    """Move spilled webhooks back into their lanes for a few seconds at most: the oldest of every
    shop whose lane has room, a step of many shops at a time, whatever one of them has waiting.

    Returns how many moved, and whether a drain must be woken. Two processes at once, or a crash
    before the delete, admit a webhook twice: the lane or the receipts drop the repeat. Raises when
    a store is away.
    """
    global _after  # noqa: PLW0603 - each call goes on where the last one ended
    await _forget_moved(stores)
    moved, is_wake_needed = 0, False
    in_round, is_whole_round, bytes_max = 0, _after == "", STEP_BYTES_MAX
    ends = time.monotonic() + UNSPILL_SECONDS_MAX
    while time.monotonic() < ends:
        shops, rooms = await _shops_with_room(stores, _after)
        if not shops:
            _after = ""
            if is_whole_round and in_round == 0:
                break
            in_round, is_whole_round = 0, True
            continue
        rows = await _take(shops, rooms, bytes_max)
        try:
            taken, wakes = await _admit(stores, rows) if rows else (0, False)
        except ResponseError as error:
            if not _is_full(error) or len(rows) == 1:
                raise
            bytes_max //= 4  # the call itself needs memory, and Redis is nearly full
            continue
        _after = shops[-1]
        in_round, moved = in_round + taken, moved + taken
        is_wake_needed = is_wake_needed or wakes
    if moved:
        log.info("spilled webhooks returned to their lanes", webhooks=moved)
    return moved, is_wake_needed


async def waiting() -> tuple[int, float]:
    """How many webhooks are spilled (counted up to 10,000), and the age of the oldest in seconds (0
    when there is none).
    """
    async with db.connection() as connection:
        row = await connection.fetchrow(WAITING, COUNT_MAX)
    return row["count"], row["age"]


_after = ""  # the shop that had its turn last
_witnesses: dict[int, epoch.Witness] = {}  # by the Redis of lanes


async def _shops_with_room(stores: db.Stores, after: str) -> tuple[list[str], list[int]]:
    """The next shops with something spilled, in the order of their names, and how many each may
    bring back in this step: its part of it, or less where its lane has less room.
    """
    async with _by_index() as connection:
        shops = [row["shop"] for row in await connection.fetch(SHOPS, after, SHOPS_MAX)]
    room = min(ROOM_MAX, stores.config.lane_max_length)
    rooms = [0] * len(shops)
    away: list[Exception] = []
    for node, places in nodes.grouped(stores, shops):
        try:
            async with asyncio.timeout(LOOK_SECONDS_MAX):
                lengths = await lane.lengths(node.lane, [shops[place] for place in places])
        except (RedisError, OSError) as error:
            away.append(error)
            continue
        for place, length in zip(places, lengths, strict=True):
            rooms[place] = max(0, room - length)
    if away and not stores.besides:
        raise away[0]
    part = math.ceil(STEP / max(1, sum(one > 0 for one in rooms)))
    return shops, [min(part, one) for one in rooms]


def _is_full(error: ResponseError) -> bool:
    """Redis 6 says of a script's refusal that it failed, and why only in words."""
    return isinstance(error, OutOfMemoryError) or "OOM" in str(error)


@asynccontextmanager
async def _by_index() -> AsyncIterator[Any]:
    """A connection whose statements use the indexes whatever the planner knows of the table: mostly
    empty, and after an outage very long, where a plan from before would read all of it for every
    row.
    """
    async with db.transaction() as connection:
        await connection.execute(
            "SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL enable_seqscan = off"
        )
        yield connection


async def _take(shops: Sequence[str], rooms: Sequence[int], bytes_max: int) -> list[Any]:
    if not any(rooms):
        return []
    async with _by_index() as connection:
        chosen = await connection.fetch(CHOOSE, shops, rooms, STEP, bytes_max)
        found: list[Any] = await connection.fetch(TAKE, [row["id"] for row in chosen])
    return found


async def _admit(stores: db.Stores, rows: Sequence[Any]) -> tuple[int, bool]:
    """Admit rows to their lanes; how many were taken, and whether a drain must be woken. Raises
    what a Redis raises, unless another one takes its part.
    """
    count, is_wake_needed = 0, False
    errors: list[Exception] = []
    for node, places in nodes.grouped(stores, [row["shop"] for row in rows]):
        try:
            taken, wakes = await _admit_on(node, [rows[place] for place in places])
        except (RedisError, OSError) as error:
            errors.append(error)
            continue
        count, is_wake_needed = count + taken, is_wake_needed or wakes
    if errors and not count:
        raise errors[0]
    return count, is_wake_needed


async def _admit_on(stores: db.Stores, rows: Sequence[Any]) -> tuple[int, bool]:
    found = [(row["shop"], row["webhook_id"], bytes(row["item"])) for row in rows]
    wants_replica = durability.wants_replica(stores.config)
    witness = _witnesses.setdefault(stores.node, epoch.Witness())
    admitted = await lane.admit_encoded(
        stores.lane,
        found,
        stores.config,
        replica_milliseconds=REPLICA_MILLISECONDS if wants_replica else 0,
        call=witness.call(),
    )
    taken = [
        row["id"] for row, verdict in zip(rows, admitted.verdicts, strict=True) if verdict != "full"
    ]
    is_confirmed = not wants_replica or await durability.outlives(stores.lane, admitted.replicas)
    if is_confirmed and admitted.told is not None:
        went_back_to = witness.went_back_to(admitted.told)
        if went_back_to is not None:
            epoch.tell_gone_back(stores, admitted.told.era, went_back_to)
    async with db.connection() as connection:
        await connection.execute(MARK_MOVED, taken, is_confirmed)
    return len(taken), admitted.is_wake_needed


async def _forget_moved(stores: db.Stores) -> None:
    """What Redis can no longer lose unnoticed; what no replica confirmed comes again, once there is
    one.
    """
    async with db.connection() as connection:
        oldest = await connection.fetchrow(MOVED, MOVED_KEPT)
    if oldest is None or not (oldest["is_safe"] or oldest["is_unconfirmed"]):
        return
    for node in stores.nodes:
        if not await _is_confirmed(node):
            return
    async with db.connection() as connection:
        while await connection.execute(FORGET_MOVED, FORGET_STEP, MOVED_KEPT) != "DELETE 0":
            pass
        await connection.execute(COME_AGAIN_LATE, FORGET_STEP, MOVED_KEPT)
        while await connection.execute(COME_AGAIN, FORGET_STEP) != "UPDATE 0":
            pass


async def _is_confirmed(stores: db.Stores) -> bool:
    """Whether a replica, where there are some, has everything this Redis was told until now."""
    if not durability.wants_replica(stores.config):
        return True
    try:
        async with asyncio.timeout(LOOK_SECONDS_MAX):
            return await durability.replica_answers(stores.lane, REPLICA_MILLISECONDS)
    except (RedisError, OSError):
        return False
