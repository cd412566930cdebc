"""Who the primary of a Redis is, as its sentinels know, and whether most of them do."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import redis.asyncio as aioredis
from redis.asyncio.connection import Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, SentinelManagedConnection
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from app.redis_connections import of_ours

SENTINEL_SECONDS = 0.5  # for the answer of one; then the next is asked
# Sentinels that do not see a primary take their time (`down-after-milliseconds`) until most of them
# make another; for three quarters of that a primary is the one that most of them named.
AGREED_SECONDS_MAX, AGREED_SHARE = 1.5, 0.75
ASK_AGAIN_SHARE = 2 / 3  # of the time that they agree for
ASK_ANEW_SECONDS = 0.2  # while they do not agree


async def is_agreed(redis: aioredis.Redis) -> bool:
    """Whether most of the sentinels named in the address know the primary that `redis` writes to,
    and see it: then none of them has made another one. They are asked once a second. True where
    there are none.

    Whoever is cut off with a primary and a replica of it sees few of the sentinels. Connections to
    another than the primary they name are dropped.
    """
    pool: Any = redis.connection_pool
    primary = pool.connection_kwargs.get("connection_pool")
    if not isinstance(primary, Primary):
        return True
    named = await primary.agreed()
    is_of_another = False
    for one in tuple(pool._available_connections):  # noqa: SLF001 - redis-py shows them to nobody
        if one.is_connected and named is not None and (one.host, one.port) != named:
            one._close()  # noqa: SLF001
            is_of_another = True
    return named is not None and not is_of_another


class Primary:
    """Who the primary of `name` is now, as the first of the sentinels knows that answers.

    It stands where redis-py's connections expect their pool. What `options` say of sentinels
    is taken out of them.
    """

    is_master, check_connection = True, False

    def __init__(
        self,
        sentinels: Sequence[tuple[str, int]],
        name: str,
        options: dict[str, Any],
        *,
        is_secure: bool,
    ) -> None:
        self.sentinels, self.name = list(sentinels), name
        self.last: tuple[str, int] | None = None
        self.count = len(self.sentinels)
        self.named: tuple[str, int] | None = None  # by most of them
        self.asked_at = self.named_at = -math.inf  # monotonic seconds
        self.agreed_seconds = AGREED_SECONDS_MAX
        self.clients: dict[
            tuple[str, int], Any
        ] = {}  # kept: a handshake costs more than a question
        self.options: dict[str, Any] = {
            "connection_class": of_ours(SSLConnection if is_secure else Connection),
            "socket_timeout": SENTINEL_SECONDS,
            "socket_connect_timeout": SENTINEL_SECONDS,
            "retry": Retry(NoBackoff(), 0),
            "username": options.pop("sentinel_username", None),
            "password": options.pop("sentinel_password", None),
            **{key: value for key, value in options.items() if key.startswith("ssl_")},
        }

    async def get_master_address(self) -> tuple[str, int]:
        """Raises MasterNotFoundError, a lost connection, while none of them knows one that answers.
        With all of them away it is who it was: without them nobody else takes its place.
        """
        is_any_there = False
        for address in tuple(self.sentinels):
            asked = self._client(address)
            try:
                known = (await asked.sentinel_masters()).get(self.name)
            except (RedisError, OSError):
                continue
            finally:
                await asked.aclose()
            is_any_there = True
            if known and not (known["is_sdown"] or known["is_odown"]):
                self.sentinels.remove(address)  # of those who ask at once, each finds it there
                self.sentinels.insert(0, address)
                found = known["ip"], known["port"]
                if found != self.last:
                    self.last, self.asked_at, self.named_at = found, -math.inf, -math.inf
                return found
        if self.last and not is_any_there:
            return self.last
        raise MasterNotFoundError(f"No sentinel knows a primary of {self.name} that answers.")

    async def agreed(self) -> tuple[str, int] | None:
        """The primary that most of the sentinels name and see, as of a moment ago; None when they
        do not, or most of them do not answer.
        """
        now = time.monotonic()
        is_known = now < self.named_at + self.agreed_seconds * ASK_AGAIN_SHARE
        if not is_known and now > self.asked_at + ASK_ANEW_SECONDS:
            self.asked_at = now
            answers = await asyncio.gather(*map(self._named_by, tuple(self.sentinels)))
            said = Counter(one for one in answers if one is not None).most_common(1)
            if said and said[0][1] > self.count // 2:
                self.named, self.named_at = said[0][0], now
        return self.named if time.monotonic() < self.named_at + self.agreed_seconds else None

    async def close(self) -> None:
        """Hang up on the sentinels, until they are asked again."""
        while self.clients:
            await self.clients.popitem()[1].aclose()

    def _client(self, sentinel: tuple[str, int]) -> Any:
        pool: Any = aioredis.ConnectionPool(**self.options, host=sentinel[0], port=sentinel[1])
        return aioredis.Redis.from_pool(pool)

    async def _named_by(self, sentinel: tuple[str, int]) -> tuple[str, int] | None:
        if sentinel not in self.clients:
            self.clients[sentinel] = self._client(sentinel)
        try:
            async with asyncio.timeout(SENTINEL_SECONDS):
                known = await self.clients[sentinel].sentinel_master(self.name)
        except (RedisError, OSError):
            await self.clients.pop(sentinel).aclose()
            return None
        if known["is_sdown"] or known["is_odown"]:
            return None
        its_seconds = AGREED_SHARE * known["down-after-milliseconds"] / 1000
        self.agreed_seconds = min(AGREED_SECONDS_MAX, its_seconds)
        return known["ip"], known["port"]


class OfPrimary(SentinelManagedConnection):
    """A connection to the primary, lost once that has become a replica."""

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)
        except ResponseError as error:
            if "READONLY" not in str(error):  # how Redis 6 says it where a script wanted to write
                raise
            await self.disconnect(nowait=True)
            raise RedisConnectionError("The primary is a replica now.") from error


class OfPrimaryByTls(OfPrimary, SSLConnection):
    """The same by TLS."""
