"""Webhooks that Redis could not take wait in Postgres, and return to their lanes in small steps."""

import time
from collections.abc import Sequence

from app import db, rooms
from app.flow.lanes import lane
from app.telemetry import logs

STEP = 200  # webhooks a transaction
STEP_BYTES_MAX = 8 * 1024 * 1024
UNSPILL_SECONDS_MAX = 4.0
COUNT_MAX = 10_001

log = logs.logger()

INSERT = """
INSERT INTO spilled_webhooks (shop, webhook_id, item, spilled_at)
SELECT shop, webhook_id, item, now() FROM unnest($1::text[], $2::text[],
       $3::bytea[]) AS fresh (shop, webhook_id, item)
ON CONFLICT (shop, webhook_id) DO NOTHING
"""
# the running sum keeps a step of large webhooks small; the first always fits
TAKE = """
WITH oldest AS (SELECT id,
       length(item) AS size FROM spilled_webhooks WHERE id > $1 ORDER BY id LIMIT $2),
     sized AS (SELECT id, sum(size) OVER (ORDER BY id) - size AS before FROM oldest)
SELECT spilled_webhooks.id, shop, webhook_id, item
  FROM spilled_webhooks JOIN sized USING (id)
 WHERE before < $3
 ORDER BY id
"""


# ids rise with time; asked every second, so neither may walk through the table
WAITING = """
SELECT (SELECT count(*) FROM (SELECT FROM spilled_webhooks LIMIT $1) AS counted) AS count,
       greatest(0, coalesce((SELECT extract(epoch FROM now() - spilled_at)
                               FROM spilled_webhooks ORDER BY id LIMIT 1), 0))::float8 AS age
"""


async def spill(rows: Sequence[tuple[str, str, bytes]]) -> None:
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


async def unspill(stores: db.Stores) -> tuple[int, float | None]:
    """Move spilled webhooks back into their lanes, oldest first, for a few seconds at most.

    Returns how many moved, and when a drain must be woken (milliseconds since 1970), if at all.
    What meets a full lane stays. Two processes at once, or a crash before the delete, admit a
    webhook twice: the lane or the receipts drop the repeat. Raises when a store is away.
    """
    moved, after, wakes = 0, 0, []
    ends = time.monotonic() + UNSPILL_SECONDS_MAX
    while time.monotonic() < ends:
        async with db.connection() as connection:
            rows = await connection.fetch(TAKE, after, STEP, STEP_BYTES_MAX)
        if not rows:
            break
        found = [(row["shop"], row["webhook_id"], bytes(row["item"])) for row in rows]
        admitted = await lane.admit_encoded(stores.queue, found, time.time(), stores.config)
        taken = [
            row["id"]
            for row, outcome in zip(rows, admitted.outcomes, strict=True)
            if outcome != "full"
        ]
        async with db.connection() as connection:
            await connection.execute(
                "DELETE FROM spilled_webhooks WHERE id = ANY($1::bigint[])", taken
            )
        moved, after = moved + len(taken), rows[-1]["id"]
        if admitted.wake_at_ms is not None:
            wakes.append(admitted.wake_at_ms)
    if moved:
        log.info("spilled webhooks returned to their lanes", webhooks=moved)
    return moved, min(wakes, default=None)


async def waiting() -> tuple[int, float]:
    """How many webhooks are spilled (counted up to 10,001), and the age of the oldest in seconds
    (0 when there is none).
    """
    async with db.connection() as connection:
        row = await connection.fetchrow(WAITING, COUNT_MAX)
    return row["count"], row["age"]
