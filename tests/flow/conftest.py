"""A bus, and a table for what handlers do, in the servers of the test session."""

from collections.abc import AsyncIterator

import pytest_asyncio

from app import db
from app.flow.bus.buses import open_bus
from app.flow.bus.interface import Bus
from tests.flow.helpers import Service


@pytest_asyncio.fixture
async def bus(stores: db.Stores) -> Bus:
    return open_bus(stores.config)


@pytest_asyncio.fixture
async def service(stores: db.Stores, bus: Bus) -> AsyncIterator[Service]:
    async with db.connection() as connection:
        await connection.execute("CREATE TABLE effects (id bigserial PRIMARY KEY, number bigint)")
    yield Service(stores, bus)
    async with db.connection() as connection:
        await connection.execute(
            "DROP TABLE effects"
        )  # the tables are compared with the models' elsewhere
