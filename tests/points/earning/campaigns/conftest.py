"""The stand-in store in this process, as the tests of rewards have it; and a programme."""

from collections.abc import AsyncIterator

import pytest_asyncio

from app import db
from app.points.ledger.audit import verify
from tests.points import world
from tests.points.rewards.conftest import fake_app, store

__all__ = ["fake_app", "store"]


@pytest_asyncio.fixture
async def rules(stores: db.Stores) -> AsyncIterator[None]:
    """Alice's programme; what a test leaves behind adds up."""
    await world.program(world.ALICE)
    yield
    report = await verify()
    assert report.is_sound, report.problems
