"""The figures of a shop as they were last added up."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from app import db
from app.points.figures.rules import Compared

RANGES = (7, 30, 90, 365)  # days
SELECT = "SELECT said, computed_at, due_at, asked_at FROM figures WHERE shop = $1 AND days = $2"
# read by whoever looks, who asks for newer ones with it; written at most so often
WISH = """
INSERT INTO figures (shop, days, said, asked_at) VALUES ($1, $2, '', now())
ON CONFLICT (shop, days) DO UPDATE SET asked_at = now()
"""
WISH_AGAIN = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Kept:
    """The figures over so many days, as of when they were added up."""

    days: int
    compared: Compared
    as_of: datetime
    is_due: bool = False  # newer ones are being added up


async def newest(shop: str, days: int) -> Kept | None:
    """The figures of a shop, None while they are added up for the first time, or for the first
    time since there was anything. Whoever asks for old ones has them added up again.
    """
    async with db.connection() as conn:
        row = await conn.fetchrow(SELECT, shop, days)
        now = datetime.now(UTC)
        is_old = row is None or row["due_at"] is None or row["due_at"] < now
        if is_old and (row is None or now - row["asked_at"] > WISH_AGAIN):
            await conn.execute(WISH, shop, days)
    if row is None or row["computed_at"] is None:
        return None
    compared = msgspec.json.decode(row["said"], type=Compared)
    if is_old and not _is_anything(compared):
        return None  # zeros of then say nothing of now
    return Kept(days, compared, row["computed_at"], is_old)


def _is_anything(compared: Compared) -> bool:
    ranges = (compared.now, compared.before)
    return any(any(msgspec.structs.astuple(figures)) for figures in ranges)
