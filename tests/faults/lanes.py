"""Lanes on a Redis of a test's own: drained here, followed by a replica, and what came of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from redis.exceptions import RedisError

from app import db
from app.flow.lanes import durability, epoch, losses
from tests.faults.redises import OwnRedis
from tests.flow.lanes.drains import emitted
from workers import ingest


@asynccontextmanager
async def draining(stores: db.Stores) -> AsyncIterator[None]:
    """The ingest process, here."""
    stop = asyncio.Event()
    working = asyncio.create_task(ingest.work(stores, stop))
    try:
        yield
    finally:
        stop.set()
        await working


def replica_of(port: int, directory: Path) -> OwnRedis:
    return OwnRedis(directory, "--replicaof", "127.0.0.1", str(port))


async def in_step(stores: db.Stores, replicas: int = 1) -> bool:
    found = await durability.look(stores.queue, stores.config)
    return found is not None and found.replicas == replicas


async def known_losses() -> list[epoch.Loss]:
    """What was noted, newest first."""
    return [one.loss for one in await losses.shown()]


async def noticed(stores: db.Stores) -> epoch.Loss | None:
    """A look at a Redis that has just come back: connections of before fail once."""
    try:
        return await epoch.look(stores)
    except (RedisError, OSError):
        return None


async def spilled() -> int:
    async with db.connection() as connection:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM spilled_webhooks WHERE moved_at IS NULL"
        )
    return count


async def kept() -> int:
    """Those that were moved, too, until Redis cannot lose them unnoticed."""
    async with db.connection() as connection:
        count: int = await connection.fetchval("SELECT count(*) FROM spilled_webhooks")
    return count


async def traces() -> list[str]:
    return sorted(fact.trace for fact in await emitted())


async def has_come(trace: str) -> bool:
    return trace in await traces()
