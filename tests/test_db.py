"""Where state lives."""

from typing import Any

import asyncpg
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from tortoise.backends.asyncpg.client import TransactionWrapper

from app import db
from tests.conftest import Servers


async def test_a_transaction_joins_set_based_sql_and_the_orm(stores: db.Stores) -> None:
    from app.core.models import Shop

    async with db.transaction() as connection:
        await Shop.create(domain="alice.myshopify.com")
        assert await connection.fetchval("SELECT count(*) FROM shops") == 1
    assert await Shop.all().count() == 1
    assert await stores.queue.ping()


async def test_what_follows_a_transaction_that_could_not_begin_is_committed_all_the_same(
    stores: db.Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A silent host times out in BEGIN; the same task goes on with another connection."""
    begin = TransactionWrapper.begin

    async def begins_too_late(self: TransactionWrapper) -> None:
        await begin(self)
        raise TimeoutError

    with monkeypatch.context() as silent:
        silent.setattr(TransactionWrapper, "begin", begins_too_late)
        with pytest.raises(TimeoutError):
            async with db.transaction():
                pass
    async with db.transaction() as connection:
        await connection.execute("INSERT INTO places (service, part) VALUES ('x', 0)")
    other = await asyncpg.connect(stores.config.database_url)
    try:
        assert await other.fetchval("SELECT count(*) FROM places") == 1
        open_now = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
        assert await other.fetchval(open_now) == 0
    finally:
        await other.close()


async def test_a_redis_that_hangs_up_before_a_command_is_a_lost_connection(
    embedded: Servers,
) -> None:
    client = db.redis_client(embedded.environment["REDIS_URL"])
    await client.ping()
    pool: Any = client.connection_pool
    pool._available_connections[0]._writer.transport.abort()
    with pytest.raises(RedisConnectionError):
        await client.ping()
    assert await client.ping(), "the next one is new"
    await client.aclose()
