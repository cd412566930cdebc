"""The relay: moves facts from the outbox to the event bus."""

import asyncio

from app import db
from app.flow.bus.buses import open_bus
from app.flow.bus.outbox import Relay, depth_and_age
from app.resilience.progress import Progress
from workers import service


async def work(stores: db.Stores, stop: asyncio.Event) -> None:
    progress = Progress()
    relay = Relay(open_bus(stores.config.bus_url, stores), stores.config, progress.made)

    async def lag_seconds() -> float:
        return (await depth_and_age()).age_seconds

    await service.together(
        relay.run(stop), service.beat(stores, "relay", lag_seconds, stop, progress)
    )


if __name__ == "__main__":
    service.start("relay", work)
