"""How the widget looks and what it says, as the merchant chose: from a shelf in memory, so that the
warm path pays nothing for it.
"""

import time
from typing import Any

from app import rooms
from app.core.looks import actions, reads
from app.db import Stores
from app.resilience import cache
from app.resilience.guard import Resource, guard
from app.resilience.memory import Memory
from app.resilience.reading import Reading
from app.telemetry import logs

MEMORY_SECONDS = 2.0  # what a merchant saves shows after this and FRESH_SECONDS at most
FRESH_SECONDS = 5.0
SEEN_SECONDS = 3_600.0  # how often it is noted that a shop has the widget
SHOPS_MAX = 4_096
READS = Resource("storefront looks", room=rooms.STOREFRONT, by_shop=True)
NOTHING: dict[str, Any] = {"appearance": None, "texts": {}}  # the widget's own
log = logs.logger()


async def told(stores: Stores, shop: str, language: str) -> dict[str, Any]:
    """`{"appearance": …, "texts": …}` of a shop, its texts in one language; the widget's own while
    nobody knows.
    """
    found = await _shelf(stores, shop)
    return {"appearance": found["appearance"], "texts": found["texts"].get(language, {})}


async def seen(shop: str) -> None:
    """Note that a storefront has the widget, now and then; one that cannot be noted is later."""
    at = _seen.get(shop)
    if at is not None and time.monotonic() - at < SEEN_SECONDS:
        return
    _seen.put(shop, time.monotonic())

    async def later(error: Exception) -> None:
        _seen.drop(shop)
        log.info("the widget was seen, and that not noted", reason=type(error).__name__)

    await guard(READS, lambda: actions.note_seen(shop), later)


async def _shelf(stores: Stores, shop: str) -> dict[str, Any]:
    remembered = _shelves.get(shop)
    if remembered and time.monotonic() - remembered[0] < MEMORY_SECONDS:
        return remembered[1]
    found: Reading[dict[str, Any]] = await cache.read_through(
        stores.cache,
        f"cache:looks:{{{shop}}}",
        lambda: reads.told(shop),
        READS,
        fresh_seconds=FRESH_SECONDS,
    )
    shelf = found.value or NOTHING
    _shelves.put(shop, (time.monotonic(), shelf))
    return shelf


def forget() -> None:
    """Drop what this process remembers (for tests)."""
    _shelves.clear()
    _seen.clear()


_shelves: Memory[str, tuple[float, dict[str, Any]]] = Memory(SHOPS_MAX)
_seen: Memory[str, float] = Memory(SHOPS_MAX)
