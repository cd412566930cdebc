"""A bus, and a table for what handlers do, in the servers of the test session."""

import pytest_asyncio

from app import db
from app.flow.bus import Bus
from app.flow.buses import open_bus
from tests.flow.helpers import Service


@pytest_asyncio.fixture
async def bus(stores: db.Stores) -> Bus:
    return open_bus(stores.config.bus_url, stores)


@pytest_asyncio.fixture
async def service(stores: db.Stores, bus: Bus) -> Service:
    async with db.connection() as connection:
        await connection.execute("CREATE TABLE IF NOT EXISTS effects (id bigserial PRIMARY KEY, number bigint)")
        await connection.execute("TRUNCATE effects")
    return Service(stores, bus)
