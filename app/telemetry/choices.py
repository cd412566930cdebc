"""Which shops want nothing told of how they use the app: their merchants' word, asked for beside
the work and remembered for a minute; while nobody can say, nothing is told.
"""

import asyncio
import contextvars
import time
from collections.abc import Callable

from app import db, rooms
from app.telemetry.metrics import LOST_SIGNALS

REMEMBERED_SECONDS, SHOPS_MAX = 60.0, 10_000
ASK_SECONDS, WAITING_MAX = 1.0, 100
SELECT = "SELECT is_off FROM analytics_choices WHERE shop = $1"
UPSERT = """
INSERT INTO analytics_choices (shop, is_off) VALUES ($1, $2)
ON CONFLICT (shop) DO UPDATE SET is_off = excluded.is_off, at = now()
"""
_known: dict[str, tuple[float, bool]] = {}
_waiting: set[asyncio.Task[None]] = set()


async def is_off(shop: str) -> bool:
    """Whether this shop wants nothing told, as it stands in the database."""
    async with db.connection() as conn:
        return bool(await conn.fetchval(SELECT, shop))


async def choose(shop: str, *, is_off: bool) -> None:
    """Keep the merchant's word; every process goes by it within a minute, this one at once."""
    async with db.connection() as conn:
        await conn.execute(UPSERT, shop, is_off)
    _keep(shop, is_off)


def unless_off(shop: str, tell: Callable[[], None]) -> None:
    """Call `tell` unless the shop wants nothing told; never waits and never raises. Outside of a
    running loop there is no merchant to ask.
    """
    known = _known.get(shop)
    if known is not None and time.monotonic() - known[0] < REMEMBERED_SECONDS:
        if not known[1]:
            tell()
        return
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        tell()
        return
    if len(_waiting) >= WAITING_MAX:
        LOST_SIGNALS.labels("posthog").inc()
        return
    # a context of its own: the one it is called in may be in the middle of a transaction
    asking = loop.create_task(_ask(shop, tell), context=contextvars.Context())
    _waiting.add(asking)
    asking.add_done_callback(_waiting.discard)


async def settled() -> None:
    """Wait for who is being asked for (for tests)."""
    await asyncio.gather(*_waiting)


def forget() -> None:
    """Drop what this process remembers (for tests)."""
    _known.clear()


async def _ask(shop: str, tell: Callable[[], None]) -> None:
    rooms.current.set(rooms.HEALTH)  # of this task alone
    try:
        async with asyncio.timeout(ASK_SECONDS):
            found = await is_off(shop)
    except Exception:  # noqa: BLE001 - nobody waits for it; the loss is counted
        LOST_SIGNALS.labels("posthog").inc()
        return
    _keep(shop, found)
    if not found:
        tell()


def _keep(shop: str, is_off: bool) -> None:
    if len(_known) >= SHOPS_MAX:
        _known.clear()
    _known[shop] = time.monotonic(), is_off
