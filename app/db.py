"""Where state lives: Postgres through Tortoise and asyncpg, and the two Redis connections of a
process.
"""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import redis.asyncio as aioredis
from redis.asyncio.connection import Connection as RedisConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from tortoise import Tortoise, connections
from tortoise.transactions import in_transaction

from app import addresses, postgres, replica, rooms
from app import config as settings
from app.services import SERVICES

MODELS = ["app.flow.models", *(f"app.{one.name}.models" for one in SERVICES)]
STATEMENT_TIMEOUT_MILLISECONDS = round(rooms.STATEMENT_SECONDS * 1000)
CONNECT_TIMEOUT_SECONDS = postgres.CONNECT_SECONDS
QUEUE_CONNECTIONS, CACHE_CONNECTIONS = 128, 256  # more than the tickets over each
HEALTH_CHECK_SECONDS = 15  # a connection that was idle for longer is tried with a PING first


Row = Mapping[str, Any]  # a record of asyncpg: columns by their names


class Connection(Protocol):
    """What the house uses of an asyncpg connection."""

    async def execute(self, query: str, *args: Any) -> str: ...
    async def fetch(self, query: str, *args: Any) -> list[Row]: ...
    async def fetchrow(self, query: str, *args: Any) -> Row | None: ...
    async def fetchval(self, query: str, *args: Any) -> Any: ...
    def cursor(self, query: str, *args: Any, prefetch: int) -> AsyncIterable[Row]: ...
    async def copy_records_to_table(
        self, table_name: str, *, records: Iterable[Sequence[Any]], columns: Sequence[str]
    ) -> str: ...


def tortoise_config(config: settings.Config) -> dict[str, Any]:
    """Tortoise's configuration for DATABASE_URL (see `app.addresses`)."""
    address = addresses.parse(config.database_url)
    host, port = address.hosts[0]
    credentials = {
        "host": host,
        "port": port,
        "user": address.user,
        "password": address.password,
        "database": address.database,
        "timeout": CONNECT_TIMEOUT_SECONDS,
        "address": address,
    }
    return {
        "connections": {"default": {"engine": "app.postgres", "credentials": credentials}},
        "apps": {
            "app": {"models": MODELS, "default_connection": "default", "migrations": "migrations"}
        },
        "use_tz": True,
        "timezone": "UTC",
    }


def __getattr__(name: str) -> Any:
    # `python -m tortoise -c app.db.TORTOISE migrate` looks for this name; reading the environment
    # on plain import would make every import of this module depend on it.
    if name == "TORTOISE":
        return tortoise_config(settings.load())
    raise AttributeError(name)


@dataclass(frozen=True, slots=True)
class Stores:
    """The open connections of a process; `queue` holds lanes, jobs and the bus, `cache` what
    may be lost.
    """

    config: settings.Config
    queue: aioredis.Redis
    cache: aioredis.Redis


class _SaysItIsLost:
    """A Redis connection that was hung up on is a lost connection, with uvloop, too: that raises a
    RuntimeError where asyncio says nothing, and whoever waits for a Redis that is away would end.
    """

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        try:
            # the connection's, which comes next
            await super().send_packed_command(command, check_health)  # type: ignore[misc]
        except RuntimeError as error:
            raise RedisConnectionError(str(error)) from error


class _DropsSuspects:
    """A Redis pool in which a broken connection takes the idle ones with it: where one has fallen
    silent the others have too, and each would cost its caller the whole timeout.
    """

    _available_connections: list[Any]

    def __init__(self, connection_class: Any = RedisConnection, **options: Any) -> None:
        made_of = (_SaysItIsLost, connection_class)
        ours = type(connection_class.__name__, made_of, {})
        super().__init__(connection_class=ours, **options)  # type: ignore[call-arg]

    async def release(self, connection: Any) -> None:
        is_broken = not connection.is_connected
        await super().release(connection)  # type: ignore[misc] # the pool's, which comes next
        if is_broken:
            for idle in tuple(self._available_connections):
                # not disconnect(): who is cancelled while giving back would never have given back
                idle._close()  # noqa: SLF001


class Connections(_DropsSuspects, aioredis.ConnectionPool):
    """Refuses who finds all its connections taken."""


class WaitingConnections(_DropsSuspects, aioredis.BlockingConnectionPool):
    """Lets wait who finds all its connections taken."""


def redis_options(url: str, timeout_seconds: float) -> dict[str, Any]:
    """What keeps a connection to Redis from waiting for ever; no retries: whoever calls decides."""
    keepalive = {
        "socket_keepalive": True,
        "socket_keepalive_options": postgres.keepalive_options(),
    }
    return {
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "health_check_interval": HEALTH_CHECK_SECONDS,
        "retry": Retry(NoBackoff(), 0),
        **({} if url.startswith("unix:") else keepalive),
    }


def redis_client(
    url: str, *, timeout_seconds: float = 5.0, connections_max: int = QUEUE_CONNECTIONS
) -> aioredis.Redis:
    """A Redis client with deadlines and no retries of its own: whoever calls decides
    (resilience.guard).
    """
    pool = Connections.from_url(
        url, max_connections=connections_max, **redis_options(url, timeout_seconds)
    )
    client: aioredis.Redis = aioredis.Redis.from_pool(pool)
    return client


@asynccontextmanager
async def open_stores(config: settings.Config) -> AsyncIterator[Stores]:
    """Connect this process to Postgres and Redis, and close both at the end.

    Connections are made on first use, so a process starts while either store is down.
    """
    # the context is a contextvar and uvicorn runs the lifespan in another task than requests
    await Tortoise.init(config=tortoise_config(config), _enable_global_fallback=True)
    stores = Stores(
        config,
        redis_client(config.redis_url),
        redis_client(
            config.cache_redis_url, timeout_seconds=1.0, connections_max=CACHE_CONNECTIONS
        ),
    )
    if config.database_read_url:
        replica.known = replica.Replica(config.database_read_url, config.replica_behind_seconds)
    try:
        yield stores
    finally:
        if replica.known is not None:
            await replica.known.close()
            replica.known = None
        await stores.queue.aclose()
        await stores.cache.aclose()
        await Tortoise.close_connections()


@asynccontextmanager
async def transaction() -> AsyncIterator[Any]:
    """One transaction, in the room of whoever asks; yields the asyncpg connection for set-based
    SQL. ORM calls inside join it.
    """
    async with in_transaction("default") as wrapper:
        # acquire_connection() would hold the wrapper's lock, and ORM calls inside would wait for it
        # for ever
        raw = wrapper._connection  # noqa: SLF001
        try:
            yield raw
        except TimeoutError:
            wrapper._finalized = True  # noqa: SLF001 - nobody is there to be asked for a rollback
            postgres.give_up(raw)
            raise


def savepoint(connection: Any) -> Any:
    """A part of an open transaction that can fail alone (`async with`)."""
    return connection.transaction()


@asynccontextmanager
async def connection() -> AsyncIterator[Any]:
    """An asyncpg connection outside any transaction, for set-based reads, in the room of whoever
    asks; one to the replica where what is read may come from there.
    """
    if (lent := replica.lent()) is not None:
        async with lent.connection() as raw:
            yield raw
        return
    async with connections.get("default").acquire_connection() as raw:
        try:
            yield raw
        except TimeoutError:
            postgres.give_up(raw)
            raise


def pools() -> dict[str, postgres.Pool]:
    """The pools of this process by room, as far as somebody in that room has asked."""
    client: Any = connections.get("default")
    return {room.name: pool for room, pool in client.pools.items()}
