"""Counts dead letters for whoever judges a canary: by the ring of their shop, few of each shop."""

import time

from app import rings
from app.telemetry import metrics

# one shop that sends what nobody can read is no fault of a release, which harms many
SHOP_A_MINUTE = 3
_counted: dict[str, int] = {}  # in this minute


class _Minute:
    now = 0


def count(shop: str) -> None:
    """One more letter of the shop, unless this minute has had enough of it."""
    minute = int(time.monotonic() // 60)
    if minute != _Minute.now:
        _Minute.now = minute
        _counted.clear()
    already = _counted.get(shop, 0)
    if already < SHOP_A_MINUTE:
        _counted[shop] = already + 1
        metrics.RING_LETTERS.labels(rings.ring_of(shop)).inc()
