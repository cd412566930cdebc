"""Ingest: drains the merchants' lanes into facts, brings spilled webhooks back, and tries dead
letters again.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from app import db
from app.core import reads
from app.flow import dead_letters, jobs
from app.flow.lanes import ingest, lane, spill
from app.flow.lanes.admission import QUEUE, enqueue_drain
from app.flow.worker import every, run_worker, worker_settings
from app.resilience import failures
from app.resilience.memory import Memory
from app.resilience.progress import Progress
from app.shopify import payloads
from app.telemetry import logs
from workers import service

KNOWN_SECONDS = 60.0
KNOWN_MAX = 100_000
LOOK_EVERY_SECONDS = 2

log = logs.logger()


async def work(stores: db.Stores, stop: asyncio.Event) -> None:
    progress = Progress()
    ctx: dict[str, Any] = {
        "stores": stores,
        "stop": stop,
        "pool": jobs.sharing(stores),
        "shops": KnownShops(),
        "progress": progress,
    }
    settings = worker_settings(
        stores.config,
        QUEUE,
        [drain],
        [every(LOOK_EVERY_SECONDS, look_after)],
        ctx=ctx,
        on_startup=wake,
    )

    async def unspill() -> None:
        moved, wake_at_ms = await spill.unspill(stores)
        if moved:
            progress.made()
        if wake_at_ms is not None:
            await enqueue_drain(ctx["pool"], wake_at_ms)

    await service.together(
        run_worker(settings, stop),
        service.beat(stores, ingest.SERVICE, lambda: lag_seconds(stores), stop, progress),
        service.every(LOOK_EVERY_SECONDS, unspill, stop),
        dead_letters.run(ingest.SERVICE, ingest.replayer(payloads.translate), stop),
    )


async def drain(ctx: dict[str, Any]) -> None:
    """The job admission wakes: drain what is due, then book the next drain for when something
    will be.
    """
    try:
        due = await ingest.drain(
            ctx["stores"],
            payloads.translate,
            ctx["shops"].known,
            stop=ctx["stop"],
            progress=ctx["progress"],
        )
    except Exception as error:
        if not failures.is_passing(error):
            raise
        log.warning("drain stopped, a store is away", reason=failures.reason(error))
        return  # look_after starts the next one
    if due is not None and not ctx["stop"].is_set():
        await enqueue_drain(ctx["pool"], due * 1000)


async def look_after(ctx: dict[str, Any]) -> None:
    """Drain here when the drain that should have is lost; waking another job could be lost the
    same way.
    """
    if await lane.is_neglected(ctx["stores"].queue, time.time()):
        await drain(ctx)


async def wake(ctx: dict[str, Any]) -> None:
    """At the start, for whoever ran here before may have been killed in the middle of a drain."""
    await enqueue_drain(ctx["pool"], 0)


async def lag_seconds(stores: db.Stores) -> float:
    """How long what may be drained now has been waiting for it; a merchant's own pace is no lag
    of ours.
    """
    _, spilled_seconds = await spill.waiting()
    return max(await lane.overdue_seconds(stores.queue), spilled_seconds)


class KnownShops:
    """Which shops there are, remembered for a minute; a shop that is not known is asked for
    again each time.
    """

    def __init__(self) -> None:
        self.seen: Memory[str, float] = Memory(KNOWN_MAX)

    async def known(self, shops: Iterable[str]) -> set[str]:
        since = time.monotonic() - KNOWN_SECONDS
        asked = set(shops)
        known = {shop for shop in asked if (self.seen.get(shop) or since) > since}
        if known != asked:
            found = await reads.known_shops(asked - known)
            for shop in found:
                self.seen.put(shop, time.monotonic())
            known |= found
        return known


if __name__ == "__main__":
    service.start("ingest", work)
