"""Referrals: orders of friends, links whose turn has come, codes, rewards that are due."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from app import db
from app.flow.bus import consumer
from app.flow.bus.buses import open_bus
from app.referrals import handlers
from app.referrals.claims import codes, marks
from app.referrals.links import actions as links
from app.referrals.orders import kept, rewarding
from app.referrals.people import leaving
from app.resilience import apart
from app.resilience.progress import Progress
from app.shopify.client import outgoing
from workers import service

CODES_EVERY_SECONDS = 2.0  # they wait in their table, not in a queue
REWARDS_EVERY_SECONDS = 5.0
LINKS_EVERY_SECONDS = 10.0
FORGET_EVERY_SECONDS = 60.0
ROUNDS_MAX = 20  # of forgetting at once: bounded, and the next minute goes on


async def work(stores: db.Stores, stop: asyncio.Event) -> None:
    bus = open_bus(stores.config)
    progress = Progress()
    async with outgoing(stores.config) as client:

        async def lag_seconds() -> float:
            return (await bus.lag(handlers.SERVICE, handlers.TOPICS)).age_seconds

        async def make_codes() -> None:
            while await codes.sweep(stores, client) >= codes.BATCH and not stop.is_set():
                pass

        async def reward() -> None:
            while await rewarding.reward_due() >= rewarding.BATCH and not stop.is_set():
                pass

        async def make_links() -> None:
            await links.make_due(stores)

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
            service.every(CODES_EVERY_SECONDS, make_codes, stop),
            service.every(REWARDS_EVERY_SECONDS, reward, stop),
            service.every(LINKS_EVERY_SECONDS, make_links, stop),
            service.every(FORGET_EVERY_SECONDS, forgetting(stop), stop),
        )


def forgetting(stop: asyncio.Event) -> Callable[[], Awaitable[None]]:
    """What forgets digests after ninety days, loose orders after thirty, and shops that ask it."""

    async def forget() -> None:
        now = datetime.now(UTC)

        async def of_kind(one: tuple[Callable[[datetime], Awaitable[int]], int]) -> int:
            what, batch = one
            for _ in range(ROUNDS_MAX):
                if await what(now) < batch or stop.is_set():
                    break
            return 0

        kinds = (
            (marks.forget_old, marks.FORGET_BATCH),
            (kept.forget_addresses, kept.FORGET_BATCH),
            (leaving.forget_lapsed, leaving.FORGET_BATCH),
            (kept.forget_loose, kept.FORGET_BATCH),
            (leaving.forget_shops, 1),
        )
        await apart.each("forgetting", kinds, of_kind)

    return forget


if __name__ == "__main__":
    service.start("referrals", work)
