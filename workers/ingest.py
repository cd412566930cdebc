"""Ingest: drains the merchants' lanes into facts, brings spilled webhooks back, tries dead letters
again, and looks after the Redis of the lanes.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from app import config, db
from app.core import reads
from app.flow import dead_letters
from app.flow.lanes import backlog, durability, epoch, ingest, nodes, receipts, spill
from app.flow.lanes.admission import QUEUE
from app.flow.worker import run_worker, worker_settings
from app.resilience import failures
from app.resilience.memory import Memory
from app.resilience.progress import Progress
from app.shopify import payloads
from workers import service

KNOWN_SECONDS = 60.0
KNOWN_MAX = 100_000
LOOK_SECONDS = 0.2  # at the schedule, by every process that is idle
OVERDUE_SECONDS = 0.1  # due for longer than this: those who drain do not keep up, or there are none
TIMED_SECONDS = 2


async def work(stores: db.Stores, stop: asyncio.Event) -> None:
    progress = Progress()
    shops = KnownShops()
    drainings = [Draining(one, stop, progress, shops) for one in stores.nodes]
    settings = worker_settings(stores.config, QUEUE, [drain], ctx={"drainings": drainings})

    async def unspill() -> None:
        moved, is_wake_needed = await spill.unspill(stores)
        if moved:
            progress.made()
        if is_wake_needed:
            wake(drainings)

    async def look_at_moves() -> None:
        await nodes.look(stores)

    await service.together(
        run_worker(settings, stop),
        *(one.run() for one in drainings),
        *(look_after(one, stop) for one in stores.nodes),
        service.beat(stores, receipts.SERVICE, lambda: lag_seconds(stores), stop, progress),
        service.every(TIMED_SECONDS, unspill, stop),
        dead_letters.run(receipts.SERVICE, ingest.replayer(payloads.translate, shops.known), stop),
        *([service.every(nodes.LOOK_EVERY_SECONDS, look_at_moves, stop)] if stores.besides else []),
    )


async def look_after(stores: db.Stores, stop: asyncio.Event) -> None:
    """Look at one Redis of lanes now and then: whether it lost anything, and whether it might."""

    async def look_at_epoch() -> None:
        await epoch.look(stores)

    async def look_at_durability() -> None:
        await durability.look(stores.lane, stores.config)

    await service.together(
        service.every(epoch.LOOK_EVERY_SECONDS, look_at_epoch, stop),
        service.every(durability.LOOK_EVERY_SECONDS, look_at_durability, stop),
    )


async def drain(ctx: dict[str, Any]) -> None:
    """The job admission wakes: what is due is drained beside it."""
    wake(ctx["drainings"])


def wake(drainings: Iterable["Draining"]) -> None:
    for one in drainings:
        one.wanted.set()


class Draining:
    """The draining of this process, of one Redis of lanes: one at a time, begun by a job or by a
    look at the schedule.

    It runs beside the job that begins it: arq ends a job at its time limit, and a batch in hand
    then waits for the end of its leases. A second process begins when those who drain have more
    than they can take at once, so that they share the lanes under load and one sleeps without. The
    look also finds what a drain that died left behind, and it needs nothing of arq, which cannot
    work while Redis is full.
    """

    def __init__(
        self, stores: db.Stores, stop: asyncio.Event, progress: Progress, shops: "KnownShops"
    ) -> None:
        self.stores = stores
        self.stop = stop
        self.progress = progress
        self.shops = shops
        self.wanted = asyncio.Event()

    async def run(self) -> None:
        """Drain whenever it is wanted, until `stop` is set."""
        backoff = failures.Backoff("draining")
        while not self.stop.is_set():
            try:
                if await self._is_wanted():
                    await ingest.drain(
                        self.stores,
                        payloads.translate,
                        self.shops.known,
                        stop=self.stop,
                        progress=self.progress,
                    )
                backoff.over()
            except Exception as error:  # noqa: BLE001
                # whatever it is, the lanes wait for the next look
                await backoff.wait(error, self.stop)

    async def _is_wanted(self) -> bool:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self.wanted.wait()
        except TimeoutError:
            overdue = await backlog.overdue(self.stores.lane, self.stores.config)
            return overdue.is_help_wanted or overdue.seconds > OVERDUE_SECONDS
        self.wanted.clear()
        return True


async def lag_seconds(stores: db.Stores) -> float:
    """How long what may be drained now has been waiting for it; a merchant's own pace is no lag
    of ours.
    """
    overdue = await nodes.of_those_there(stores, lambda one: backlog.overdue(one.lane, one.config))
    _, spilled_seconds = await spill.waiting()
    return max(spilled_seconds, *(one.seconds for one in overdue))


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
    durability.at_boot(config.load())
    service.start("ingest", work)
