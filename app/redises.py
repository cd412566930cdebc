"""Connections to Redis, with deadlines and bounds: to one server, to whichever the sentinels say is
the primary, or, for what may be lost, to a cluster.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import redis.asyncio as aioredis
from redis.asyncio.cluster import ClusterNode, ClusterPipeline, RedisCluster
from redis.asyncio.connection import Connection as RedisConnection
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException

from app import postgres
from app.redis_connections import of_ours
from app.sentinels import OfPrimary, OfPrimaryByTls, Primary

P = TypeVar("P", bound="_DropsSuspects")
CONNECT_TIMEOUT_SECONDS = postgres.CONNECT_SECONDS
SENTINEL_PORT = 26_379
CLUSTER_PORT = 6_379
HEALTH_CHECK_SECONDS = 15  # a connection that was idle for longer is tried with a PING first
CONNECTIONS_MAX = 128  # more than the tickets over them


class _DropsSuspects:
    """A Redis pool in which a broken connection takes the idle ones with it: where one has fallen
    silent the others have too, and each would cost its caller the whole timeout.
    """

    _available_connections: list[Any]
    connection_kwargs: dict[str, Any]

    def __init__(self, connection_class: Any = RedisConnection, **options: Any) -> None:
        ours = of_ours(connection_class)
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
    found: Any = _Cluster(  # type: ignore[abstract] # so is redis-py's
        startup_nodes=[ClusterNode(host, port) for host, port in hosts],
        require_full_coverage=False,  # a shard that is lost takes no other with it
        cluster_error_retry_attempts=1,
        connection_error_retry_attempts=0,
        max_connections=connections_max,
        **(_options(url, timeout_seconds) | options),
    )
    cluster: aioredis.Redis = found  # it has what caches use of one
    return cluster


class _Cluster(RedisCluster):
    """One none of whose nodes answers is a lost connection: redis-py says that by an exception
    which is no error of Redis, and whoever goes on without a cache would end.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # redis-py has no option for it; nodes that are found later take it from here
        kind = of_ours(self.connection_kwargs["connection_class"])
        self.connection_kwargs["connection_class"] = kind
        for node in self.nodes_manager.startup_nodes.values():
            node.connection_class = kind

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        with _lost_as_any_other():
            return await super().execute_command(*args, **options)

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> ClusterPipeline:
        super().pipeline(transaction, shard_hint)  # it refuses what a cluster has not
        return _Pipeline(self)  # type: ignore[abstract] # so is redis-py's


class _Pipeline(ClusterPipeline):
    async def execute(self, *args: Any, **options: Any) -> list[Any]:
        with _lost_as_any_other():
            found: list[Any] = await super().execute(*args, **options)
        return found


@contextmanager
def _lost_as_any_other() -> Iterator[None]:
    try:
        yield
    except RedisClusterException as error:
        raise RedisConnectionError(str(error)) from error


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
