"""What each shop can still afford of the Admin API, as its last answers told this process;
each shop has a bucket of its own, refilled by the second.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from app.resilience.memory import Memory

SHOPS_MAX = 10_000
COST_UNKNOWN = 10.0  # points; what a mutation costs before its first answer tells better
RESTORE_UNKNOWN = 100.0  # points a second, of the smallest plan


@dataclass(slots=True)
class _Bucket:
    available: float
    maximum: float
    restore_rate: float  # points a second
    at: float  # seconds of the clock
    under_way: float = 0.0  # points reserved for calls not answered yet


class Budgets:
    """A leaky bucket a shop. Other processes spend from the same one: each answer brings the
    truth back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: Memory[str, _Bucket] = Memory(SHOPS_MAX)
        self._costs: dict[str, float] = {}

    def cost(self, document_name: str) -> float:
        """Points this document was last said to request."""
        return self._costs.get(document_name, COST_UNKNOWN)

    def wait_seconds(self, shop: str, cost: float) -> float:
        """How long until the shop can afford `cost` points; 0 for a shop nothing is known of."""
        bucket = self._buckets.get(shop)
        if bucket is None or bucket.maximum <= 0:
            return 0.0
        # more than the whole bucket is never affordable; Shopify says so itself, so let it
        lacking = min(cost, bucket.maximum) - self._available(bucket)
        return max(0.0, lacking / bucket.restore_rate)

    def reserve(self, shop: str, cost: float) -> None:
        """Count a call in before it is sent, so that several at once do not spend the same
        points.
        """
        if bucket := self._buckets.get(shop):
            bucket.available, bucket.at = self._available(bucket) - cost, self._clock()
            bucket.under_way += cost

    def settle(self, shop: str, cost: float) -> None:
        """Count a reserved call out; `learn` corrects what it really took."""
        if bucket := self._buckets.get(shop):
            bucket.under_way = max(0.0, bucket.under_way - cost)

    def learn(self, shop: str, document_name: str, extensions: object) -> None:
        """Take over what the answer's `extensions` say of cost; anything malformed is ignored."""
        cost = _member(extensions, "cost")
        requested = _number(_member(cost, "requestedQueryCost"))
        if requested is not None:
            self._costs[document_name] = requested
        status = _member(cost, "throttleStatus")
        available, maximum = (
            _number(_member(status, name)) for name in ("currentlyAvailable", "maximumAvailable")
        )
        if available is None or maximum is None:
            return
        rate = _number(_member(status, "restoreRate")) or RESTORE_UNKNOWN
        before = self._buckets.get(shop)
        under_way = before.under_way if before else 0.0
        self._buckets.put(
            shop, _Bucket(available - under_way, maximum, rate, self._clock(), under_way)
        )

    def _available(self, bucket: _Bucket) -> float:
        return min(
            bucket.maximum, bucket.available + (self._clock() - bucket.at) * bucket.restore_rate
        )


def _member(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and value >= 0 else None
