"""What this process holds at this moment, told as gauges with each of its beats: tickets,
connections, memory, processor time.
"""

import os
import time
from pathlib import Path
from typing import Any

from app import db
from app.resilience import guard
from app.telemetry import metrics

STATM = Path("/proc/self/statm")  # in pages: all of it, then what is resident


def tell(process: str, stores: db.Stores) -> None:
    """Set the gauges of this process, one of its kind; costs a tenth of a millisecond."""
    for name, bulkhead in guard.bulkheads().items():
        metrics.TICKETS.labels(name, "most").set(bulkhead.tickets_max)
        metrics.TICKETS.labels(name, "out").set(bulkhead.out)
    pools: dict[str, Any] = dict(db.pools())  # asyncpg has no annotations
    for room, pool in pools.items():
        _connections(
            room, pool.get_max_size(), pool.get_size(), pool.get_size() - pool.get_idle_size()
        )
    for name, client in (("redis queue", stores.queue), ("redis cache", stores.cache)):
        redis_pool: Any = getattr(client, "connection_pool", None)
        if redis_pool is None:  # of a cluster, which has one a node
            continue
        # redis-py tells it in no other way
        used = len(redis_pool._in_use_connections)  # noqa: SLF001
        idle = len(redis_pool._available_connections)  # noqa: SLF001
        _connections(name, redis_pool.max_connections, used + idle, used)
    _process(process)


def _connections(pool: str, most: int, is_open: int, used: int) -> None:
    for state, count in (("most", most), ("open", is_open), ("used", used)):
        metrics.CONNECTIONS.labels(pool, state).set(count)


def _process(process: str) -> None:
    global _told_seconds  # noqa: PLW0603 - one processor time a process
    now_seconds = time.process_time()
    metrics.PROCESSOR.labels(process).inc(now_seconds - _told_seconds)
    _told_seconds = now_seconds
    if STATM.exists():
        pages = int(STATM.read_text(encoding="ascii").split()[1])
        metrics.MEMORY.labels(process).set(pages * os.sysconf("SC_PAGE_SIZE"))


_told_seconds = 0.0
