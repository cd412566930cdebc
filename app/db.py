"""Where state lives: Postgres through Tortoise and asyncpg, and what a process has of Redis."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import redis.asyncio as aioredis
from tortoise import Tortoise, connections
from tortoise.transactions import in_transaction

from app import addresses, postgres, redises, replica, rooms
from app import config as settings
from app.services import SERVICES

MODELS = ["app.flow.models", *(f"app.{one.name}.models" for one in SERVICES)]
STATEMENT_TIMEOUT_MILLISECONDS = round(rooms.STATEMENT_SECONDS * 1000)
CONNECT_TIMEOUT_SECONDS = postgres.CONNECT_SECONDS
CACHE_CONNECTIONS = 256  # more than the tickets over them

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
    """The open connections of a process; `queue` holds jobs, wakes and health, `cache` what may be
    lost, and `lane` lanes: the same Redis as `queue`, unless there are several for lanes.
    """

    config: settings.Config
    queue: aioredis.Redis
    cache: aioredis.Redis
    node: int = 1  # which of those for lanes this is
    lane_apart: aioredis.Redis | None = None
    besides: tuple["Stores", ...] = ()  # the same stores with the others, in their order
    moved: dict[str, int] = field(default_factory=dict)  # shops whose lane was moved, to which node

    @property
    def lane(self) -> aioredis.Redis:
        return self.lane_apart or self.queue

    @property
    def nodes(self) -> tuple["Stores", ...]:
        """These stores with each Redis for lanes: what is true of one may not be of another."""
        return (self, *self.besides)


redis_client = redises.client


@asynccontextmanager
async def open_stores(config: settings.Config) -> AsyncIterator[Stores]:
    """Connect this process to Postgres and Redis, and close both at the end.

    Connections are made on first use, so a process starts while either store is down.
    """
    # the context is a contextvar and uvicorn runs the lifespan in another task than requests
    await Tortoise.init(config=tortoise_config(config), _enable_global_fallback=True)
    cache = redises.cache_client(
        config.cache_redis_url, timeout_seconds=1.0, connections_max=CACHE_CONNECTIONS
    )
    stores = with_nodes(Stores(config, redis_client(config.redis_url), cache))
    if config.database_read_url:
        replica.known = replica.Replica(config.database_read_url, config.replica_behind_seconds)
    try:
        yield stores
    finally:
        if replica.known is not None:
            await replica.known.close()
            replica.known = None
        for one in (stores.queue, cache, *(beside.lane for beside in stores.besides)):
            await one.aclose()
        await Tortoise.close_connections()


def with_nodes(stores: Stores) -> Stores:
    """`stores` with the other Redis for lanes that its config names; close their clients."""
    config = stores.config
    besides = tuple(
        replace(
            stores, config=replace(config, redis_url=url), node=at, lane_apart=redis_client(url)
        )
        for at, url in enumerate(config.lane_redis_urls, 2)
    )
    return replace(stores, besides=besides)


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
