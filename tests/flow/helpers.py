"""What the tests of the road share: events of Alice's shop, and a service that writes down what
it was given.
"""

import asyncio
import dataclasses
import inspect
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import msgspec

from app import db
from app.flow import event as envelope
from app.flow.bus import consumer
from app.flow.bus import log as fact_log
from app.flow.bus.consumer import Consumer
from app.flow.bus.interface import Bus
from app.flow.event import Event

SHOP = "alice.myshopify.com"
TOPIC = "order.paid"


def order(number: int, shop: str = SHOP, topic: str = TOPIC) -> Event:
    return envelope.new(topic, shop, shop, {"order_id": str(number)}, trace=f"request-{number}")


def numbers(events: list[Event]) -> list[int]:
    return [int(msgspec.json.decode(event.data)["order_id"]) for event in events]


async def emit(*events: Event) -> None:
    async with db.transaction() as connection:
        await fact_log.append(connection, events)


@asynccontextmanager
async def somebody_else(stores: db.Stores) -> AsyncIterator[Any]:
    """A transaction of another session, open as long as the block lasts."""
    session = await asyncpg.connect(stores.config.database_url)
    try:
        async with session.transaction():
            yield session
    finally:
        await session.close()


async def written(topic: str = "") -> list[Event]:
    """All facts in the log (of `topic`), in its order."""
    async with db.connection() as connection:
        rows = await connection.fetch("SELECT body FROM facts ORDER BY tx, id")
    found = [envelope.upcast(one) for row in rows for one in envelope.unpack(row["body"])]
    return [one for one in found if topic in {"", one.topic}]


async def letters() -> list[Any]:
    async with db.connection() as connection:
        return await connection.fetch("SELECT * FROM dead_letters ORDER BY id")


async def make_letters_due() -> None:
    async with db.connection() as connection:
        await connection.execute(
            "UPDATE dead_letters SET next_attempt_at = now() WHERE state = 'waiting'"
        )


@dataclass
class Service:
    """A service whose effect is a row in `effects` for each event; `poison` says which it
    cannot handle, and why.
    """

    stores: db.Stores
    bus: Bus
    name: str = "points"
    topics: tuple[str, ...] = (TOPIC,)
    poison: Callable[[int], Exception | None] = lambda number: None
    batches: list[list[int]] = field(default_factory=list)

    async def handle(self, connection: Any, events: list[Event]) -> consumer.AfterCommit | None:
        found = numbers(events)
        self.batches.append(found)
        await connection.execute("INSERT INTO effects (number) SELECT unnest($1::bigint[])", found)
        for number in found:
            error = self.poison(number)
            if error is not None:
                raise error
        return None

    async def run_once(self, seconds: float = 2.0) -> int:
        """Handle all there is, waiting for what a transaction of Postgres' own keeps back."""
        handled = await self.look_once()
        deadline = time.monotonic() + seconds
        while await left_over(self) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
            handled += await self.look_once()
        return handled

    async def look_once(self) -> int:
        return await consumer.run_once(self.name, self.topics, self.handle, self.bus, self.stores)

    async def effects(self) -> list[int]:
        async with db.connection() as connection:
            return [
                row["number"]
                for row in await connection.fetch("SELECT number FROM effects ORDER BY id")
            ]


def consumer_of(service: Service, slot: str = "1") -> Consumer:
    config = dataclasses.replace(service.stores.config, process_slot=slot)
    stores = dataclasses.replace(service.stores, config=config)
    return Consumer(service.name, service.topics, service.handle, service.bus, stores)


async def left_over(service: Service) -> int:
    return (await service.bus.lag(service.name, service.topics)).count


async def until(found: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Ask again until the answer (awaited when it must be) is true, and give it back."""
    deadline = time.monotonic() + seconds
    while True:
        answer = found()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer or time.monotonic() > deadline:
            return answer
        await asyncio.sleep(0.02)
