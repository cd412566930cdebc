"""The relay: keeps the log's partitions (and copies the log to Kafka, once there is one), and has
time to verify once a day that everything adds up.
"""

import asyncio

from app import db
from app.flow.bus import keeper
from app.flow.bus.buses import open_bus
from app.flow.kept import redaction
from app.flow.lanes import epoch
from workers import daily, service


async def work(stores: db.Stores, stop: asyncio.Event) -> None:
    open_bus(stores.config.bus_url)  # a bus that is not built is refused here, too

    async def lag_seconds() -> float:
        return 0.0  # the log is the bus: nothing has to be moved

    async def look_at_epoch() -> None:
        await epoch.look(stores)

    async def verify_when_due() -> None:
        await daily.verify_when_due(stores, stop)

    await service.together(
        keeper.run(stop, stores.config.webhooks_kept_days),
        service.every(redaction.EVERY_SECONDS, redaction.work, stop),
        service.beat(stores, "relay", lag_seconds, stop),
        # beside ingest: what Redis loses while nobody looks is never known
        service.every(epoch.LOOK_EVERY_SECONDS, look_at_epoch, stop),
        service.every(daily.LOOK_EVERY_SECONDS, verify_when_due, stop),
    )


if __name__ == "__main__":
    service.start("relay", work)
