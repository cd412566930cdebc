"""The relay: keeps the log's partitions, copies the log to Kafka where BUS_URL names one, and has
time to verify once a day that everything adds up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from app import db
from app.flow.bus import keeper
from app.flow.bus.buses import is_kafka, open_bus
from app.flow.kept import redaction
from app.flow.lanes import epoch
from workers import daily, service


async def work(stores: db.Stores, stop: asyncio.Event) -> None:
    copy, lag_seconds = copying(stores, stop)

    async def look_at_epoch() -> None:
        await epoch.look(stores)

    async def verify_when_due() -> None:
        await daily.verify_when_due(stores, stop)

    await service.together(
        copy,
        keeper.run(stop, stores.config.webhooks_kept_days),
        service.every(redaction.EVERY_SECONDS, redaction.work, stop),
        service.beat(stores, "relay", lag_seconds, stop),
        # beside ingest: what Redis loses while nobody looks is never known
        service.every(epoch.LOOK_EVERY_SECONDS, look_at_epoch, stop),
        service.every(daily.LOOK_EVERY_SECONDS, verify_when_due, stop),
    )


def copying(
    stores: db.Stores, stop: asyncio.Event
) -> tuple[Awaitable[None], Callable[[], Coroutine[Any, Any, float]]]:
    """What copies the log to Kafka, and how far behind it is; nothing where the log is the bus."""
    open_bus(stores.config)  # an address that cannot be read is refused here
    if not is_kafka(stores.config):
        return asyncio.sleep(0), nothing_waits
    from app.flow.bus.kafka import address, relay  # noqa: PLC0415 - nobody else pays for its client

    return relay.run(address.parse(stores.config.bus_url), stores.queue, stop), relay.lag_seconds


async def nothing_waits() -> float:
    return 0.0


if __name__ == "__main__":
    service.start("relay", work)
