"""Sessions with Postgres and Redis whose other side falls silent: nobody waits for ever, and new
connections work.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest
from redis.exceptions import RedisError

from app import db, postgres, rooms
from app.resilience import failures
from tests.silence import Silence

pytestmark = pytest.mark.long

ENDS_WITHIN_SECONDS = 10  # of which six are the limit of a command


@pytest.fixture
def to_postgres(embedded: Any) -> Iterator[Silence]:
    with Silence(embedded.postgres_port) as silence:
        yield silence


@pytest.fixture
def to_redis(embedded: Any) -> Iterator[Silence]:
    with Silence(embedded.redis_port) as silence:
        yield silence


@pytest.fixture
async def client(to_postgres: Silence) -> AsyncIterator[postgres.Client]:
    """The app's own client, its connections through the proxy."""
    made = postgres.Client(
        host="127.0.0.1",
        port=to_postgres.port,
        user="postgres",
        database="postgres",
        timeout=postgres.CONNECT_SECONDS,
        connection_name="a test",
    )
    yield made
    to_postgres.pass_on()
    await made.close()


async def ask(client: postgres.Client, sql: str = "SELECT 1") -> Any:
    async with client.acquire_connection() as connection:
        return await connection.fetchval(sql)


async def test_a_command_that_gets_no_answer_ends_by_itself(client, to_postgres) -> None:
    assert await ask(client) == 1
    to_postgres.be_black_hole()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await ask(client)
    assert time.monotonic() - began < ENDS_WITHIN_SECONDS
    began = time.monotonic()
    with pytest.raises((TimeoutError, OSError)):
        await ask(client)
    assert time.monotonic() - began < postgres.TAKE_SECONDS + 1, "no connection, and soon"
    to_postgres.pass_on()
    assert await ask(client) == 1


async def test_when_one_connection_is_found_silent_new_ones_are_made_in_place_of_all(
    client, to_postgres
) -> None:
    await asyncio.gather(*(ask(client, "SELECT pg_sleep(0.1)") for _ in range(4)))
    (pool,) = client.pools.values()
    assert pool.get_size() == 4
    to_postgres.silence_old()
    with pytest.raises(TimeoutError):
        await ask(client)
    began = time.monotonic()
    for _ in range(4):
        assert await ask(client) == 1
    assert time.monotonic() - began < 2


async def test_a_caller_that_left_a_silent_connection_leaves_it_no_ticket(
    client, to_postgres
) -> None:
    await ask(client)
    to_postgres.be_black_hole()
    left = asyncio.create_task(ask(client))
    await asyncio.sleep(0.2)
    left.cancel()
    began = time.monotonic()
    with pytest.raises((asyncio.CancelledError, TimeoutError)):
        await left
    assert time.monotonic() - began < postgres.TAKE_SECONDS + 1
    (pool,) = client.pools.values()
    assert pool.get_size() == 0
    assert pool._queue.qsize() == rooms.WORK.connections


async def test_closing_does_not_wait_for_a_host_that_vanished(client, to_postgres) -> None:
    await ask(client)
    to_postgres.be_black_hole()
    began = time.monotonic()
    await client.close()
    assert time.monotonic() - began < postgres.CLOSE_SECONDS + 2


async def test_a_transaction_whose_session_is_ended_is_held_up_and_not_to_blame(stores) -> None:
    async def is_ended_in_the_middle() -> None:
        async with db.transaction() as connection:
            pid = await connection.fetchval("SELECT pg_backend_pid()")
            async with Beside() as beside:
                await beside.fetchval("SELECT pg_terminate_backend($1)", pid)
            await connection.execute("DELETE FROM shops")

    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)) as ended:
        await is_ended_in_the_middle()
    assert failures.is_passing(ended.value)
    assert failures.is_store_away(ended.value)
    async with db.connection() as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_lock_somebody_holds_is_given_up_after_two_seconds_and_blames_nobody(
    stores,
) -> None:
    async with Beside() as beside, beside.transaction():
        await beside.execute("LOCK TABLE shops IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        with pytest.raises(asyncpg.LockNotAvailableError) as locked:
            async with db.transaction() as connection:
                await connection.execute("DELETE FROM shops")
        assert 1.5 < time.monotonic() - began < 4
    assert failures.is_locked(locked.value)
    assert failures.is_passing(locked.value)
    assert not failures.is_store_away(locked.value)


async def test_a_statement_of_a_process_that_vanished_ends_with_its_connection(stores) -> None:
    async with db.connection() as connection:
        pid = await connection.fetchval("SELECT pg_backend_pid()")
        sleeping = asyncio.create_task(connection.fetchval("SELECT pg_sleep(4.9)"))
        await asyncio.sleep(0.2)
        postgres.give_up(connection)
        with pytest.raises(Exception, match=r"clos"):
            await sleeping
    async with Beside() as beside:
        deadline = time.monotonic() + 3
        while await beside.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid):
            assert time.monotonic() < deadline, "it would have slept until the statement's limit"
            await asyncio.sleep(0.05)


async def test_a_silent_redis_costs_one_timeout_and_new_connections_work(to_redis) -> None:
    redis = db.redis_client(f"redis://127.0.0.1:{to_redis.port}/0", timeout_seconds=0.5)
    await asyncio.gather(*(redis.ping() for _ in range(8)))
    to_redis.silence_old()
    began = time.monotonic()
    with pytest.raises((RedisError, OSError)):
        await redis.ping()
    for _ in range(8):
        assert await redis.ping()
    assert time.monotonic() - began < 2, "the seven others were dropped with the first"
    await redis.aclose()


def test_a_redis_on_a_unix_socket_needs_no_keepalive() -> None:
    client = db.redis_client("unix:///tmp/nowhere.sock")
    assert client.connection_pool.make_connection().path == "/tmp/nowhere.sock"


class Beside:
    """A session that is nobody's but the test's."""

    async def __aenter__(self) -> Any:
        self.connection = await asyncpg.connect(os.environ["DATABASE_URL"])
        return self.connection

    async def __aexit__(self, *_: object) -> None:
        await self.connection.close()
