"""How far each service has read each partition: kept in Postgres, whatever the bus is."""

from collections.abc import Sequence
from datetime import datetime

from app import db
from app.db import Connection
from app.flow.bus.interface import PARTS, Place

# a new service begins at 0: the oldest entry there is
ENSURE = """
INSERT INTO places (service, part) SELECT $1, part FROM generate_series(0, $2 - 1) AS part
ON CONFLICT (service, part) DO NOTHING
"""
MOVE = """
UPDATE places SET tx = moved.tx, id = moved.id, day = moved.day, moved_at = now()
  FROM unnest($2::smallint[], $3::bigint[], $4::bigint[], $5::date[]) AS moved (part, tx, id, day)
 WHERE places.service = $1 AND places.part = moved.part
"""
LOCK = "SELECT FROM places WHERE service = $1 ORDER BY part FOR UPDATE"
GO_BACK = """
UPDATE places AS place SET tx = coalesce(before.tx, 0), id = coalesce(before.id, 0),
                           day = coalesce(before.day, '2000-01-01'), moved_at = now()
  FROM places AS old LEFT JOIN LATERAL (
       SELECT tx, id, day FROM facts
        WHERE facts.part = old.part AND facts.signed_at < $2
        ORDER BY facts.tx DESC, facts.id DESC LIMIT 1) AS before ON TRUE
 WHERE old.service = $1 AND place.service = old.service AND place.part = old.part
   AND (place.tx, place.id) > (coalesce(before.tx, 0), coalesce(before.id, 0))
RETURNING place.part
"""


async def ensure(service: str) -> None:
    """Give a new service its places, at the oldest entry there is."""
    async with db.connection() as connection:
        await connection.execute(ENSURE, service, PARTS)


async def move(connection: Connection, service: str, reached: Sequence[Place]) -> None:
    """Be done with everything up to `reached`, one a partition, which this transaction holds."""
    await connection.execute(MOVE, service, *map(list, zip(*reached, strict=True)))


async def go_back(service: str, since: datetime) -> int:
    """Let `service` read again what was written from `since` on; how many partitions went back.

    Waits for a batch in hand. Effects have natural keys, so reading again changes nothing twice.
    """
    async with db.transaction() as connection:
        await connection.execute(LOCK, service)
        rows = await connection.fetch(GO_BACK, service, int(since.timestamp()))
    return len(rows)
