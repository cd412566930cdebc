"""Connections to Redis, with deadlines and bounds: to one server, to whichever the sentinels say is
the primary, or, for what may be lost, to a cluster.
"""

from typing import Any, TypeVar
from urllib.parse import urlsplit

import redis.asyncio as aioredis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import Connection as RedisConnection
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from app import postgres
from app.sentinels import OfPrimary, OfPrimaryByTls, Primary

P = TypeVar("P", bound="_DropsSuspects")
CONNECT_TIMEOUT_SECONDS = postgres.CONNECT_SECONDS
SENTINEL_PORT = 26_379
CLUSTER_PORT = 6_379
HEALTH_CHECK_SECONDS = 15  # a connection that was idle for longer is tried with a PING first
CONNECTIONS_MAX = 128  # more than the tickets over them


class _OfOurs:
    """A Redis connection as we need it.

    One that was hung up on is a lost connection, with uvloop, too: that raises a RuntimeError where
    asyncio says nothing, and whoever waits for a Redis that is away would end.
    """

    def pack_command(self, *args: Any) -> list[bytes]:
        """Joined once: redis-py joins anew with each argument, and costs three times as much."""
        if " " in args[0]:  # such as CONFIG GET
            args = (*args[0].split(), *args[1:])
        encode = self.encoder.encode  # type: ignore[attr-defined] # the connection's
        parts = [b"*%d\r\n" % len(args)]
        for arg in args:
            kind = type(arg)
            if kind is str:
                arg = arg.encode()  # noqa: PLW2901
            elif kind is int:
                arg = b"%d" % arg  # noqa: PLW2901
            elif kind is not bytes:
                arg = encode(arg)  # noqa: PLW2901
            parts += (b"$%d\r\n" % len(arg), arg, b"\r\n")
        return [b"".join(parts)]

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        try:
            # the connection's, which comes next
            await super().send_packed_command(command, check_health)  # type: ignore[misc]
        except RuntimeError as error:
            raise RedisConnectionError(str(error)) from error

    def _connection_arguments(self) -> Any:
        if isinstance(self, SSLConnection):
            self.ssl_context.context = None  # its files may have been renewed
        return super()._connection_arguments()  # type: ignore[misc]


class _DropsSuspects:
    """A Redis pool in which a broken connection takes the idle ones with it: where one has fallen
    silent the others have too, and each would cost its caller the whole timeout.
    """

    _available_connections: list[Any]
    connection_kwargs: dict[str, Any]

    def __init__(self, connection_class: Any = RedisConnection, **options: Any) -> None:
        made_of = (_OfOurs, connection_class)
        ours = type(connection_class.__name__, made_of, {})
        super().__init__(connection_class=ours, **options)  # type: ignore[call-arg]

    async def disconnect(self, inuse_connections: bool = True) -> None:
        await super().disconnect(inuse_connections)  # type: ignore[misc] # the same
        kept_by = self.connection_kwargs.get("connection_pool")
        if isinstance(kept_by, Primary):
            await kept_by.close()

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


def client(
    url: str, *, timeout_seconds: float = 5.0, connections_max: int = CONNECTIONS_MAX
) -> aioredis.Redis:
    """A Redis client with deadlines and no retries of its own: whoever calls decides
    (resilience.guard).

    `url` is `redis://`, `rediss://` (TLS, with the client's certificate as
    `?ssl_ca_certs=…&ssl_certfile=…&ssl_keyfile=…`), `unix://`, or one of the first two with
    `+sentinel`: `redis+sentinel://user:password@host:port,host:port/NAME/0`. Raises ValueError for
    any other.
    """
    made = pool(Connections, url, timeout_seconds, max_connections=connections_max)
    found: aioredis.Redis = aioredis.Redis.from_pool(made)
    return found


def cache_client(url: str, *, timeout_seconds: float, connections_max: int) -> aioredis.Redis:
    """Like `client`; `redis+cluster://` and `rediss+cluster://host:port,host:port` too, `has_slots`
    then. What one finds of a cluster's nodes leads to all of them.
    """
    if not urlsplit(url).scheme.endswith("+cluster"):
        return client(url, timeout_seconds=timeout_seconds, connections_max=connections_max)
    hosts, _, options = _read(url, CLUSTER_PORT)
    options |= {"ssl": options.pop("connection_class", None) is SSLConnection}
    found: Any = RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in hosts],
        require_full_coverage=False,  # a shard that is lost takes no other with it
        cluster_error_retry_attempts=1,
        connection_error_retry_attempts=0,
        max_connections=connections_max,
        **(_options(url, timeout_seconds) | options),
    )
    cluster: aioredis.Redis = found  # it has what caches use of one
    return cluster


def has_slots(redis: aioredis.Redis) -> bool:
    """Whether keys of one script must share a slot: those with the same `{part}` do."""
    return isinstance(redis, RedisCluster)


def is_sentinels(url: str) -> bool:
    """Whether it is sentinels that know the primary, so that there is a replica to fail over to."""
    return urlsplit(url).scheme.endswith("+sentinel")


def pool(kind: type[P], url: str, timeout_seconds: float, **limits: Any) -> P:
    """A pool of that kind for `url`, see `client`."""
    options = {**_options(url, timeout_seconds), **limits}
    if is_sentinels(url):
        hosts, name, its = _read(url, SENTINEL_PORT)
        is_secure = its.pop("connection_class", None) is SSLConnection
        kept_by = Primary(hosts, name, its, is_secure=is_secure)
        kind_of_connection = OfPrimaryByTls if is_secure else OfPrimary
        return kind(kind_of_connection, connection_pool=kept_by, **(options | its))
    # the method of the pool that comes next
    made: P = kind.from_url(url, **options)  # type: ignore[attr-defined]
    return made


def _options(url: str, timeout_seconds: float) -> dict[str, Any]:
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


def _read(url: str, port_default: int) -> tuple[list[tuple[str, int]], str, dict[str, Any]]:
    """The hosts of a URL with several, the name behind them, and what else it says as options of a
    connection.
    """
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    name, _, database = parts.path.strip("/").partition("/")
    scheme = parts.scheme.partition("+")[0]
    plain = f"{scheme}://{credentials}@host/{database}?{parts.query}"
    found = []
    for one in hosts.split(","):
        host, _, port = one.strip().rpartition(":") if ":" in one else (one.strip(), "", "")
        found.append((host.strip("[]"), int(port or port_default)))
    options: dict[str, Any] = dict(parse_url(plain))
    options.pop("host")
    return found, name, options
