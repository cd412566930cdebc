"""Campaigns: what they gave, as points tells it."""

import asyncio

from app import db
from app.campaigns.handlers import SERVICE, TOPICS, handle
from app.flow.bus import consumer
from app.flow.bus.buses import open_bus
from app.resilience.progress import Progress
from workers import service

GATHER_SECONDS = 0.1  # nobody watches a sum grow, and points have the processor meanwhile


async def work(stores: db.Stores, stop: asyncio.Event) -> None:
    bus = open_bus(stores.config)
    progress = Progress()

    async def lag_seconds() -> float:
        return (await bus.lag(SERVICE, TOPICS)).age_seconds

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
    )


if __name__ == "__main__":
    service.start(SERVICE, work)
