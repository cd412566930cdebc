"""Which dead letters are tried next: fairly between shops, however many one of them has."""

from collections.abc import Sequence
from datetime import datetime

from app import db
from app.db import Connection

SHOPS_AT_ONCE = 200
AT_ONE_LOOK = 50
# Shop by shop, the longest waiting of each first: one shop's thousands hold up nobody else's one.
# The shops are found by skipping through the index, which costs one step a shop and not a letter.
DUE = """
WITH RECURSIVE waiting AS (
     (SELECT shop FROM dead_letters
       WHERE service = $1 AND state = 'waiting' AND shop >= $2 ORDER BY shop LIMIT 1)
     UNION ALL
     SELECT (SELECT shop FROM dead_letters
              WHERE service = $1 AND state = 'waiting' AND shop > waiting.shop
              ORDER BY shop LIMIT 1)
       FROM waiting WHERE waiting.shop IS NOT NULL)
SELECT due.id, shops.shop
  FROM (SELECT shop FROM waiting WHERE shop IS NOT NULL LIMIT $3) AS shops
       CROSS JOIN LATERAL (
       SELECT id, next_attempt_at, row_number() OVER (ORDER BY next_attempt_at, id) AS turn
         FROM (SELECT id, next_attempt_at FROM dead_letters
                WHERE service = $1 AND state = 'waiting' AND dead_letters.shop = shops.shop
                  AND next_attempt_at <= $4
                ORDER BY next_attempt_at LIMIT $5) AS oldest) AS due
 ORDER BY due.turn, due.next_attempt_at LIMIT $5
"""
COME_DUE = """
UPDATE dead_letters SET next_attempt_at = now()
 WHERE service = $1 AND shop = $2 AND state = 'waiting'
"""
WAITING_OF = """
SELECT asked.shop, (SELECT count(*) FROM (
       SELECT FROM dead_letters WHERE dead_letters.shop = asked.shop AND state = 'waiting'
        LIMIT $2) AS waiting) AS count
  FROM unnest($1::text[]) AS asked (shop)
"""


async def find(service: str, now: datetime, limit: int = AT_ONE_LOOK) -> list[int]:
    """Ids of letters whose next try has come: the first of each shop, then the second of each."""
    async with db.connection() as connection:
        after = _turns.get(service, "")
        rows = await connection.fetch(DUE, service, after, SHOPS_AT_ONCE, now, limit)
        if after and len({row["shop"] for row in rows}) < SHOPS_AT_ONCE:
            rows += await connection.fetch(DUE, service, "", SHOPS_AT_ONCE, now, limit)
    # with more shops than one look sees, the next look begins behind them
    shops = {row["shop"] for row in rows}
    _turns[service] = max(shops) if len(shops) >= SHOPS_AT_ONCE else ""
    return list(dict.fromkeys(row["id"] for row in rows))[:limit]


_turns: dict[str, str] = {}  # by service: the shop the next look for due letters begins behind


async def come_due(connection: Connection, service: str, shop: str) -> None:
    """What waits in `shop` for `service` is tried again now: what it waited for is there."""
    await connection.execute(COME_DUE, service, shop)


async def waiting_of(connection: Connection, shops: Sequence[str], most: int) -> dict[str, int]:
    """How many letters of each of `shops` wait, counted up to `most`."""
    rows = await connection.fetch(WAITING_OF, list(shops), most)
    return {row["shop"]: row["count"] for row in rows}
