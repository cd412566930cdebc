"""Kafka as the bus of a test: a relay that copies, and a reader that waits until it has."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from app import db
from app.flow.bus import log as fact_log
from app.flow.bus import wakes
from app.flow.bus.interface import Head
from app.flow.bus.kafka import relay
from app.flow.bus.kafka.bus import KafkaBus
from app.services import SERVICES

COPIED_SECONDS = 60.0  # a client that lost its broker is given up after 15 s, and then after 30
UNCOPIED = f"""
SELECT count(*) FROM places AS place CROSS JOIN LATERAL (
       SELECT id FROM facts {fact_log.NEXT} AND facts.tx < (SELECT log_horizon()) LIMIT 1) AS next
 WHERE place.service = 'relay'
"""
RELAYED = "SELECT part, tx, id FROM places WHERE service = 'relay' AND tx > 0"
TOPICS = {topic for service in SERVICES for topic in service.topics}
_numbers = itertools.count()


class Patient(KafkaBus):
    """Looks for what comes next once Kafka has brought what the log has: a test of the log, which
    asks at once, means the same over Kafka.
    """

    stores: db.Stores

    async def heads(self, service: str, topics: Sequence[str], each: int) -> list[Head]:
        found = await super().heads(service, topics, each)
        if await self.bring(service):
            found = await super().heads(service, topics, each)
        return found

    async def bring(self, service: str) -> bool:
        """Wait until all that can be read is copied and here; whether there was anything."""
        waited = await self.copied()
        parts = self.readings[service].reader.parts
        async with db.connection() as connection:
            places = await connection.fetch(RELAYED)
        deadline = time.monotonic() + COPIED_SECONDS
        while any(parts[place["part"]].seen < (place["tx"], place["id"]) for place in places):
            assert time.monotonic() < deadline, "Kafka does not bring what the relay has copied"
            await asyncio.sleep(0.005)
            waited = True
        return waited

    async def copied(self) -> bool:
        """Wait until the relay has copied all that can be read; whether there was anything."""
        deadline = time.monotonic() + COPIED_SECONDS
        waited = False
        async with db.connection() as connection:
            while await connection.fetchval(UNCOPIED):
                assert time.monotonic() < deadline, "the relay does not copy what the log has"
                if not waited:
                    await wakes.tell(self.stores.queue, TOPICS)
                waited = True
                await asyncio.sleep(0.005)
        return waited


@asynccontextmanager
async def over_kafka(stores: db.Stores, url: str) -> AsyncIterator[Patient]:
    """A bus over the Kafka at `url`, with a relay that copies to it."""
    bus = Patient(replace(stores.config, bus_url=url))
    bus.stores = stores
    stop = asyncio.Event()
    copying = asyncio.create_task(relay.run(bus.address, stores.queue, stop))
    try:
        await copies(copying)
        yield bus
    finally:
        stop.set()
        await copying
        await bus.close()


async def copies(copying: asyncio.Task[None]) -> None:
    """Wait until a relay has its places."""
    deadline = time.monotonic() + COPIED_SECONDS
    while True:
        async with db.connection() as connection:
            if await connection.fetchval("SELECT count(*) FROM places WHERE service = 'relay'"):
                return
        assert time.monotonic() < deadline, "no relay leads"
        assert not copying.done()
        await asyncio.sleep(0.02)


def new_topic() -> str:
    return f"facts-{next(_numbers)}"
