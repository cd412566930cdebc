"""Core: shops that leave, compliance requests, tokens of quiet shops, and forgetting what was
consumed long ago.
"""

import asyncio

from app import db
from app.core import tokens
from app.core.handlers import SERVICE, TOPICS, handle
from app.flow.bus import consumer
from app.flow.bus.buses import open_bus
from app.resilience.progress import Progress
from app.shopify.client import outgoing
from workers import service

RENEW_EVERY_SECONDS = 600.0
PRUNE_EVERY_SECONDS = 60.0
PRUNE_STEPS_MAX = 20  # of 5,000 rows each: keeps up with 1,600 events a second over all services


async def work(stores: db.Stores, stop: asyncio.Event) -> None:
    bus = open_bus(stores.config.bus_url, stores)
    progress = Progress()

    async def lag_seconds() -> float:
        return (await bus.lag(SERVICE, TOPICS)).age_seconds

    async with outgoing(stores.config) as client:

        async def renew_tokens() -> None:
            await tokens.renew_idle(client, stores.config)

        await service.together(
            consumer.run(SERVICE, TOPICS, handle, bus, stores, stop, progress.made),
            service.beat(stores, SERVICE, lag_seconds, stop, progress),
            service.every(PRUNE_EVERY_SECONDS, prune, stop),
            service.every(RENEW_EVERY_SECONDS, renew_tokens, stop),
        )


async def prune() -> None:
    for _ in range(PRUNE_STEPS_MAX):
        if not await consumer.prune():
            return


if __name__ == "__main__":
    service.start("core", work)
