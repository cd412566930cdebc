"""The relay: keeps the log's partitions, copies the log to Kafka where BUS_URL names one, and has
time to verify once a day that everything adds up.
"""

import asyncio

from app import db
from app.flow.bus import keeper
from app.flow.bus.buses import is_kafka, open_bus
from app.flow.kept import redaction
from app.flow.lanes import epoch
from workers import daily, service


async def work(stores: db.Stores, stop: asyncio.Event) -> None:
    async def lag_seconds() -> float:
        return 0.0  # whatever is the bus, a service counts for itself what it has not read

    async def look_at_epoch() -> None:
        await epoch.look(stores)

    async def verify_when_due() -> None:
        await daily.verify_when_due(stores, stop)

    await service.together(
        copy(stores, stop),
        keeper.run(stop, stores.config.webhooks_kept_days),
        service.every(redaction.EVERY_SECONDS, redaction.work, stop),
        service.beat(stores, "relay", lag_seconds, stop),
        # beside ingest: what Redis loses while nobody looks is never known
        service.every(epoch.LOOK_EVERY_SECONDS, look_at_epoch, stop),
        service.every(daily.LOOK_EVERY_SECONDS, verify_when_due, stop),
    )


async def copy(stores: db.Stores, stop: asyncio.Event) -> None:
    """Copy the log to Kafka, where that is the bus."""
    open_bus(stores.config)  # an address that cannot be read is refused here
    if is_kafka(stores.config):
        from app.flow.bus.kafka import address, relay  # noqa: PLC0415 - nobody else pays for it

        await relay.run(address.parse(stores.config.bus_url), stores.queue, stop)


if __name__ == "__main__":
    service.start("relay", work)
