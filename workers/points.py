"""Points: orders into the ledger, redemptions to their code, what time does to lots, and totals."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from app import db
from app.flow.bus import consumer
from app.flow.bus.buses import open_bus
from app.points import handlers, welcome
from app.points.earning.campaigns import collections, hearing, late
from app.points.earning.whatif import actions as whatif
from app.points.figures import actions as figures
from app.points.ledger import bulk, expiry, freezing, totals
from app.points.members import lists
from app.points.rewards import redemption
from app.points.tiers import figures as tier_figures
from app.points.tiers import passing, recounting
from app.points.ways import birthdays
from app.resilience import apart
from app.resilience.deadline import pause
from app.resilience.progress import Progress
from app.shopify.client import outgoing
from workers import service

SWEEP_EVERY_SECONDS = (
    2.0  # redemptions wait in their table, not in a queue: they go on while Redis is away, too
)
TIME_EVERY_SECONDS = 5.0
FOLD_EVERY_SECONDS = 5.0
BULK_EVERY_SECONDS = 1.0
TOPS_EVERY_SECONDS = 15.0
ZONES_EVERY_SECONDS = 60.0
LATER_EVERY_SECONDS = 2.0
COLLECTIONS_EVERY_SECONDS = 5.0
WHAT_IF_EVERY_SECONDS = 1.0
FIGURES_EVERY_SECONDS = 2.0


async def work(stores: db.Stores, stop: asyncio.Event) -> None:
    bus = open_bus(stores.config)
    progress = Progress()
    async with outgoing(stores.config) as client:

        async def lag_seconds() -> float:
            return (await bus.lag(handlers.SERVICE, handlers.TOPICS)).age_seconds

        async def sweep() -> None:
            while await redemption.sweep(stores, client) >= redemption.BATCH and not stop.is_set():
                pass

        async def fold_totals() -> None:
            while await totals.fold() >= totals.FOLD_MAX and not stop.is_set():
                pass

        await service.together(
            consumer.run(
                handlers.SERVICE,
                handlers.TOPICS,
                handlers.handler(stores),
                bus,
                stores,
                stop,
                progress.made,
            ),
            service.beat(stores, handlers.SERVICE, lag_seconds, stop, progress),
            hearing.watch(stores, stop),
            service.every(SWEEP_EVERY_SECONDS, sweep, stop),
            service.every(TIME_EVERY_SECONDS, passing_time(stores, stop), stop),
            service.every(BULK_EVERY_SECONDS, change_many(stores, stop), stop),
            keep_tiers(stop),
            service.every(
                LATER_EVERY_SECONDS,
                to_its_end(lambda: late.go_on(stores), stop, rest=late.REST),
                stop,
            ),
            service.every(
                COLLECTIONS_EVERY_SECONDS,
                to_its_end(lambda: collections.refresh(client, stores.config), stop),
                stop,
            ),
            service.every(
                WHAT_IF_EVERY_SECONDS, to_its_end(lambda: whatif.go_on(stop), stop), stop
            ),
            service.every(FOLD_EVERY_SECONDS, fold_totals, stop),
            service.every(TOPS_EVERY_SECONDS, lists.refresh_tops, stop),
            service.every(FIGURES_EVERY_SECONDS, add_up(stop), stop),
        )


def passing_time(stores: db.Stores, stop: asyncio.Event) -> Callable[[], Awaitable[None]]:
    """What time does to points; where one kind of it fails the others go on."""

    async def suspects(_now: datetime, _stores: db.Stores) -> int:
        await freezing.freeze_suspects()
        return 0

    changes: dict[str, Callable[[datetime, db.Stores], Awaitable[int]]] = {
        "suspects": suspects,
        "held back": expiry.end_hold_backs,
        "expired": expiry.expire_due,
        "welcomes": welcome.go_on,
        "birthdays": birthdays.give_due,
    }

    async def to_the_end(name: str) -> int:
        while await changes[name](datetime.now(UTC), stores) and not stop.is_set():
            pass
        return 0

    async def pass_time() -> None:
        await apart.each("what time does", changes, to_the_end)

    return pass_time


def change_many(stores: db.Stores, stop: asyncio.Event) -> Callable[[], Awaitable[None]]:
    """What brings changes of many balances to their end."""

    return to_its_end(lambda: bulk.go_on(stores), stop)


def to_its_end(
    step: Callable[[], Awaitable[int]], stop: asyncio.Event, rest: float = 0.0
) -> Callable[[], Awaitable[None]]:
    """What takes steps until there is nothing left to do, each followed by a pause of `rest` times
    as long as it took.
    """

    async def ended() -> None:
        began = time.monotonic()
        while not stop.is_set() and await step():
            if rest:
                await pause(rest * (time.monotonic() - began), stop)
                began = time.monotonic()

    return ended


async def keep_tiers(stop: asyncio.Event) -> None:
    """Until `stop`, what time and new settings do to tiers."""

    async def pass_tiers() -> None:
        while await passing.pass_time(datetime.now(UTC)) and not stop.is_set():
            pass

    async def place_all() -> None:
        while await recounting.go_on() and not stop.is_set():
            pass

    await service.together(
        service.every(TIME_EVERY_SECONDS, pass_tiers, stop),
        service.every(BULK_EVERY_SECONDS, place_all, stop),
        service.every(ZONES_EVERY_SECONDS, passing.follow_zones, stop),
        service.every(TOPS_EVERY_SECONDS, tier_figures.refresh, stop),
    )


def add_up(stop: asyncio.Event) -> Callable[[], Awaitable[None]]:
    """What adds figures up for those who look."""

    async def figures_added_up() -> None:
        while await figures.compute_due() and not stop.is_set():
            pass

    return figures_added_up


if __name__ == "__main__":
    service.start("points", work)
