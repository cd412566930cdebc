"""Postgres for Tortoise: a pool of connections a room, whose sessions end by themselves on both
sides.
"""

import asyncio
import functools
import socket
from typing import Any

import asyncpg
from asyncpg.exceptions import InterfaceError, InternalClientError, PostgresError
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.backends.base.client import TransactionContextPooled
from tortoise.connection import get_connections

from app import rooms
from app.addresses import Address
from app.rooms import Room

CONNECT_SECONDS = 2.0
TAKE_SECONDS = 3.0  # for a connection from the pool, and for giving it back
CLOSE_SECONDS = 2.0
LOCK_SECONDS = 2.0
SILENT_IN_TRANSACTION_SECONDS = 8.0
# A connection nobody used for a minute is closed here. Ten minutes mean that nobody is left to do
# so: then Postgres ends the session.
UNUSED_SECONDS, UNUSED_SERVER_SECONDS = 60.0, 600.0
KEEPALIVE_IDLE_SECONDS, KEEPALIVE_EVERY_SECONDS, KEEPALIVE_TRIES = 5, 2, 3
UNACKNOWLEDGED_SECONDS = 10
# Pages ask for one shop among shops of very different size: a plan made once for the average one
# let a shop with 10,000 members wait for ever, and planning costs 0.1 to 1 ms. Everybody else asks
# by key: what is planned once while the tables are empty would read whole tables until they are
# analysed (measured at 20,000 members: 280 us more a webhook in batches of 40).
PLANS = {"fresh": {"plan_cache_mode": "force_custom_plan"}, "kept": {"enable_seqscan": "off"}}


def session_settings(room: Room) -> dict[str, str]:
    """What Postgres keeps a session of `room` to."""
    limits = {
        "statement_timeout": room.statement_seconds or 0,
        "lock_timeout": LOCK_SECONDS if room.statement_seconds else 0,
        "idle_in_transaction_session_timeout": (
            SILENT_IN_TRANSACTION_SECONDS if room.statement_seconds else 0
        ),
        "idle_session_timeout": UNUSED_SERVER_SECONDS if room.statement_seconds else 0,
        "transaction_timeout": room.transaction_seconds if room.statement_seconds else 0,
        "client_connection_check_interval": 1,  # a statement nobody waits for any more ends
        "tcp_user_timeout": UNACKNOWLEDGED_SECONDS,
    }
    return {
        **{name: str(round(seconds * 1000)) for name, seconds in limits.items()},
        "tcp_keepalives_idle": str(KEEPALIVE_IDLE_SECONDS),
        "tcp_keepalives_interval": str(KEEPALIVE_EVERY_SECONDS),
        "tcp_keepalives_count": str(KEEPALIVE_TRIES),
        "application_name": f"holdfast {room.name}",
        "jit": "off",
        **PLANS[room.plans],
    }


def command_seconds(room: Room) -> float | None:
    """How long we wait for an answer: longer than Postgres lets a statement run, so that silence
    past it means that nobody is there.
    """
    return room.statement_seconds + 1 if room.statement_seconds else None


def give_up(connection: Any) -> None:
    """Drop a connection whose server does not answer, without asking it to agree.

    Postgres rolls back what was open on it. The idle ones of its pool most likely lead to the same
    silence, so the next calls get new ones.
    """
    holder = getattr(connection, "_holder", None)
    connection.terminate()
    if holder is not None:
        holder._pool.drop_idle()


async def connect(address: Address, **options: Any) -> Any:
    """A connection to the first host of `address` that serves, with asyncpg's `options`; each host
    has its share of the `timeout` (seconds).

    A host that did not serve is asked last from then on, also when its answer was not waited for:
    a page has less time than a host that fell silent costs. Raises what the last one raised.
    """
    seconds = options.pop("timeout", CONNECT_SECONDS)
    order = _orders.setdefault(address.hosts, list(address.hosts))
    error: Exception = ConnectionError("no host was asked")
    for host, port in tuple(order):
        try:
            made = await asyncpg.connect(  # type: ignore[no-untyped-call]
                host=host,
                port=port,
                user=address.user,
                password=address.password,
                database=address.database,
                target_session_attrs=address.session_attrs,
                ssl=address.ssl(),
                timeout=seconds / len(order),
                **options,
            )
        except (OSError, TimeoutError, PostgresError, InterfaceError, InternalClientError) as said:
            _ask_last(order, (host, port))
            error = said
        except BaseException:
            _ask_last(order, (host, port))
            raise
        else:
            return made
    raise error


_orders: dict[tuple[tuple[str, int], ...], list[tuple[str, int]]] = {}


def _ask_last(order: list[tuple[str, int]], host: tuple[str, int]) -> None:
    order.remove(host)
    order.append(host)


async def _connect_as_asked(address: Address, *_: Any, **options: Any) -> Any:
    """What a pool calls: it says again where, which the address knows."""
    for name in ("host", "port", "user", "password", "database"):
        options.pop(name, None)
    return await connect(address, **options)


class Pool(asyncpg.Pool):
    """asyncpg's pool, in which neither taking a connection nor giving it back waits for ever."""

    def acquire(self, *, timeout: float | None = TAKE_SECONDS) -> Any:
        return super().acquire(timeout=timeout)  # type: ignore[no-untyped-call]

    async def release(
        self,
        connection: Any,
        *,
        timeout: float | None = TAKE_SECONDS,  # noqa: ASYNC109 - the signature is asyncpg's
    ) -> None:
        """Give a connection back; one that cannot be brought to rest is dropped, which is no
        failure of the call it served.
        """
        try:
            await super().release(connection, timeout=timeout)  # type: ignore[no-untyped-call]
        except (TimeoutError, OSError, PostgresError, InterfaceError, InternalClientError):
            self.drop_idle()  # asyncpg has dropped this one

    def drop_idle(self) -> None:
        for holder in self._holders:
            if holder.is_idle():
                holder.terminate()


def pool(address: Address, room: Room, *, is_read_only: bool = False) -> Any:
    """The pool of `room`, to be awaited until it is ready; connections are made on first use."""
    made: Any = Pool
    return made(
        connect=functools.partial(_connect_as_asked, address),
        min_size=0,
        max_size=room.connections,
        max_queries=50_000,
        max_inactive_connection_lifetime=UNUSED_SECONDS,
        connection_class=asyncpg.Connection,
        record_class=asyncpg.Record,
        loop=None,
        init=_watch,
        reset=_nothing_more,
        command_timeout=command_seconds(room),
        server_settings={
            **session_settings(room),
            **({"default_transaction_read_only": "on"} if is_read_only else {}),
        },
    )


class Client(AsyncpgDBClient):
    """Tortoise's client, with a pool for each room instead of one for all; each is made, and its
    connections opened, when somebody in that room first asks.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self.pools: dict[Room, Pool] = {}
        super().__init__(*args, **options)

    @property
    def _pool(self) -> Any:
        return self.pools.get(rooms.current.get())

    @_pool.setter
    def _pool(self, pool: Any) -> None:
        if pool is not None:
            self.pools[rooms.current.get()] = pool

    async def create_pool(self, **options: Any) -> Pool:
        made: Pool = await pool(options["address"], rooms.current.get())
        return made

    def _in_transaction(self) -> "Transaction":
        return Transaction(TransactionWrapper(self), self._pool_init_lock)

    async def _close(self) -> None:
        await asyncio.gather(*(close(one) for one in self.pools.values()))
        self.pools.clear()


client_class = Client  # Tortoise looks for this name


class Transaction(TransactionContextPooled):
    """Tortoise's, which stays the task's transaction when it could not even begin: whatever the
    task wrote afterwards would be a part of nothing, and never be committed.
    """

    async def __aenter__(self) -> Any:
        await self.ensure_connection()
        client: Any = self.client
        client._connection = await client._parent._pool.acquire()
        try:
            await client.begin()
        except BaseException:
            give_up(client._connection)
            await client._parent._pool.release(client._connection)
            raise
        self.token = get_connections().set(self.connection_name, client)
        return client


async def close(opened: Any) -> None:
    """Close a pool, with or without its server's consent."""
    try:
        await asyncio.wait_for(opened.close(), CLOSE_SECONDS)
    except (TimeoutError, OSError, PostgresError, InterfaceError, InternalClientError):
        opened.terminate()


async def _watch(connection: Any) -> None:
    """Have our own kernel notice a host that vanished, too."""
    link = connection._transport.get_extra_info("socket")
    if link.family == getattr(socket, "AF_UNIX", None):
        return
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in keepalive_options().items():
        link.setsockopt(socket.IPPROTO_TCP, option, value)


def keepalive_options() -> dict[int, int]:
    """TCP options by number, as far as this system knows them."""
    wanted = {
        "TCP_KEEPIDLE": KEEPALIVE_IDLE_SECONDS,
        "TCP_KEEPINTVL": KEEPALIVE_EVERY_SECONDS,
        "TCP_KEEPCNT": KEEPALIVE_TRIES,
        "TCP_USER_TIMEOUT": UNACKNOWLEDGED_SECONDS * 1000,
    }
    return {getattr(socket, name): value for name, value in wanted.items() if hasattr(socket, name)}


async def _nothing_more(_: Any) -> None:
    """asyncpg has ended what was open; nothing here changes a session for longer than that, so the
    round trip that would undo it is saved.
    """
