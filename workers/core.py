"""Core: shops that leave, compliance requests, tokens of quiet shops."""

import asyncio

from app import db
from app.core import leaving, tokens
from app.core.handlers import SERVICE, TOPICS, handle
from app.flow.bus import consumer
from app.flow.bus.buses import open_bus
from app.resilience.progress import Progress
from app.shopify.client import outgoing
from workers import service

RENEW_EVERY_SECONDS = 600.0
LEAVING_EVERY_SECONDS = 2.0
GATHER_SECONDS = 0.1  # nobody watches a name come, and points have the processor meanwhile


async def work(stores: db.Stores, stop: asyncio.Event) -> None:
    bus = open_bus(stores.config)
    progress = Progress()

    async def lag_seconds() -> float:
        return (await bus.lag(SERVICE, TOPICS)).age_seconds

    async with outgoing(stores.config) as client:

        async def renew_tokens() -> None:
            await tokens.renew_idle(client, stores.config)

        async def confirm_leaving() -> None:
            await leaving.confirm_due(client, stores.config)

        await service.together(
            consumer.run(
                SERVICE,
                TOPICS,
                handle,
                bus,
                stores,
                stop,
                progress.made,
                gather_seconds=GATHER_SECONDS,
            ),
            service.beat(stores, SERVICE, lag_seconds, stop, progress),
            service.every(RENEW_EVERY_SECONDS, renew_tokens, stop),
            service.every(LEAVING_EVERY_SECONDS, confirm_leaving, stop),
        )


if __name__ == "__main__":
    service.start("core", work)
