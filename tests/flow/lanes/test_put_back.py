"""A Postgres that knows less than it did, or runs as another, is noticed by the next look."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from app import db
from app.flow.bus import keeper
from app.flow.lanes import epoch, lane
from tests.faults.lanes import known_losses
from tests.flow.lanes.drains import item as order

PUT_BACK = "UPDATE redis_epochs SET beat = beat - 60000, seen_at = seen_at - interval '1 hour'"


async def execute(statement: str) -> None:
    async with db.connection() as connection:
        await connection.execute(statement)


async def value(statement: str) -> object:
    async with db.connection() as connection:
        return await connection.fetchval(statement)


@pytest.fixture
async def base_of_before() -> object:
    yield
    await execute(
        "CREATE OR REPLACE FUNCTION log_base() RETURNS bigint STABLE LANGUAGE sql "
        "AS 'SELECT 0::bigint'"
    )


@pytest.mark.usefixtures("base_of_before")
async def test_an_earlier_beat_than_redis_has_seen_means_that_postgres_was_put_back(
    stores: db.Stores,
) -> None:
    await lane.admit(stores.queue, [order("w1")], stores.config)
    for _ in range(3):
        assert await epoch.look(stores) is None
    began = datetime.now(UTC)
    era = await value("SELECT era FROM redis_epochs")
    horizon = await value("SELECT log_horizon()")
    await stores.cache.set("cache:balance:x", "7 1 old")
    await execute(PUT_BACK)
    loss = await epoch.look(stores)
    assert loss is not None
    assert loss.kind == "database"
    assert loss.lost_from < began - timedelta(minutes=59)
    assert loss.noticed_at >= began
    assert await value("SELECT era FROM redis_epochs") != era
    assert await stores.cache.get("cache:balance:x") is None, "a later value may be of what is gone"
    assert await value("SELECT log_horizon()") > horizon + keeper.BASE_STEP / 2, "facts go on above"
    admitted = await lane.admit(stores.queue, [order("w1")], stores.config)
    assert admitted.verdicts == ["queued"], "what comes again is no repeat: its fact may be gone"
    for _ in range(3):
        assert await epoch.look(stores) is None, "it is noted once"
    assert await known_losses() == [loss]


async def test_another_cluster_or_timeline_means_that_postgres_was_restored_or_taken_over(
    stores: db.Stores,
) -> None:
    assert await epoch.look(stores) is None
    assert await epoch.look(stores) is None
    mark = await value("SELECT cluster FROM redis_epochs")
    assert str(mark).endswith("/00000001")
    await execute("UPDATE redis_epochs SET cluster = '7000000000000000000/00000001'")
    loss = await epoch.look(stores)
    assert loss is not None
    assert loss.kind == "database"
    assert await value("SELECT cluster FROM redis_epochs") == mark
    assert await epoch.look(stores) is None


async def test_looks_that_overtake_each_other_see_no_loss(stores: db.Stores) -> None:
    assert await epoch.look(stores) is None
    for _ in range(10):
        found = await asyncio.gather(*(epoch.look(stores) for _ in range(6)))
        assert found == [None] * 6
    assert await known_losses() == []


async def test_where_postgres_does_not_tell_who_it_is_nothing_is_made_of_it(
    stores: db.Stores,
) -> None:
    assert await epoch.look(stores) is None
    await execute("UPDATE redis_epochs SET cluster = NULL")
    assert await epoch.look(stores) is None
    assert await value("SELECT cluster IS NOT NULL FROM redis_epochs")
