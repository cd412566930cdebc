"""What Redis or Postgres lost: from when to when, and whether it was compared with Shopify."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from app import db
from app.db import Row
from app.flow.lanes.epoch import Loss

SHOWN_DAYS = 3
SHOWN_MAX = 5
OPEN_MAX = 100

SHOWN = """
SELECT id, kind, lost_from, noticed_at, reconciled_at FROM redis_losses
 WHERE noticed_at > now() - $1::interval OR reconciled_at IS NULL ORDER BY id DESC LIMIT $2
"""
OPEN = """
SELECT id, kind, lost_from, noticed_at, reconciled_at FROM redis_losses
 WHERE reconciled_at IS NULL ORDER BY id LIMIT $1
"""
CLOSE = """
UPDATE redis_losses SET reconciled_at = now()
 WHERE id = ANY($1::bigint[]) AND reconciled_at IS NULL RETURNING id
"""


class Noted(NamedTuple):
    """A loss that was written down, and when it was compared (aware UTC)."""

    id: int
    loss: Loss
    reconciled_at: datetime | None


async def shown() -> list[Noted]:
    """Those of the last days, and those that are open, newest first."""
    async with db.connection() as connection:
        rows = await connection.fetch(SHOWN, timedelta(days=SHOWN_DAYS), SHOWN_MAX)
    return [_noted(row) for row in rows]


async def still_open() -> list[Noted]:
    """Those that are not compared with Shopify yet, the oldest first."""
    async with db.connection() as connection:
        rows = await connection.fetch(OPEN, OPEN_MAX)
    return [_noted(row) for row in rows]


async def close(ids: Sequence[int]) -> list[int]:
    """Note that these were compared; those for which that was news."""
    async with db.connection() as connection:
        rows = await connection.fetch(CLOSE, list(ids))
    return [row["id"] for row in rows]


def _noted(row: Row) -> Noted:
    loss = Loss(row["kind"], row["lost_from"], row["noticed_at"])
    return Noted(row["id"], loss, row["reconciled_at"])
