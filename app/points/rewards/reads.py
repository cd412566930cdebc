"""What operators may know of redemptions of all shops: how many are held, and since when."""

from typing import NamedTuple

from app import db

# the longest due first: counted along the index, and no further than somebody wants to know
HELD = """
SELECT count(*)::int AS redemptions,
       coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest_seconds
  FROM (SELECT created_at FROM redemptions WHERE state = 'held'
         ORDER BY next_attempt_at LIMIT $1) AS counted
"""


class Held(NamedTuple):
    """Points that are set aside while nobody knows yet whether their code exists."""

    redemptions: int
    oldest_seconds: float


async def held(count_max: int) -> Held:
    """Of all shops, counted up to `count_max`."""
    async with db.connection() as connection:
        row = await connection.fetchrow(HELD, count_max)
    return Held(row["redemptions"], row["oldest_seconds"])
