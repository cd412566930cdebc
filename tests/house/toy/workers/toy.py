"""Toy: paid orders into its count."""

import asyncio

from app.toy.handlers import SERVICE, TOPICS, handle

from app import db
from app.flow.bus import consumer
from app.flow.bus.buses import open_bus
from app.resilience.progress import Progress
from workers import service


async def work(stores: db.Stores, stop: asyncio.Event) -> None:
    bus = open_bus(stores.config)
    progress = Progress()

    async def lag_seconds() -> float:
        return (await bus.lag(SERVICE, TOPICS)).age_seconds

    await service.together(
        consumer.run(SERVICE, TOPICS, handle, bus, stores, stop, progress.made),
        service.beat(stores, SERVICE, lag_seconds, stop, progress),
    )


if __name__ == "__main__":
    service.start(SERVICE, work)
