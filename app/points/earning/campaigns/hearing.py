"""Whether campaigns can be heard: while their service is away, what we know of them is the last
that was told, and whoever reads of points is told so.
"""

import asyncio
from datetime import datetime

from app import db
from app.db import Stores
from app.resilience import health
from app.resilience.deadline import pause
from app.resilience.health import Board

SERVICE = "campaigns"
LOOK_EVERY_SECONDS = 1.0
SELECT_HEARD_AT = """
SELECT learned_at FROM campaign_copies WHERE shop = $1 ORDER BY id DESC LIMIT 1
"""


async def watch(stores: Stores, stop: asyncio.Event) -> None:
    """Look at the board until `stop` is set, so that a batch of orders need not."""
    global _is_away  # noqa: PLW0603 - one answer a process
    while not stop.is_set():
        _is_away = is_away_on(await health.board(stores.queue))
        await pause(LOOK_EVERY_SECONDS, stop)


def is_away() -> bool:
    """What the last look found; False before the first."""
    return _is_away


def is_away_on(board: Board) -> bool:
    """Whether campaigns are behind or not there; a board that is only remembered does not say."""
    return not board.is_remembered and health.service_notice(board, SERVICE) != "healthy"


async def heard_at(shop: str) -> datetime | None:
    """When we were last told something of the shop's campaigns; None where never."""
    async with db.connection() as connection:
        found: datetime | None = await connection.fetchval(SELECT_HEARD_AT, shop)
    return found


def forget() -> None:
    """Drop what this process remembers (for tests)."""
    global _is_away  # noqa: PLW0603
    _is_away = False


_is_away = False
