"""Whether the Redis of the lanes keeps what it has taken: asked at the start, and then every
minute.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from app import db, redises, sentinels
from app.config import Config
from app.flow.lanes import scripts
from app.telemetry import logs

LOOK_EVERY_SECONDS = 60.0
LOOK_SECONDS_MAX = 2.0
OLDEST_VERSION = (6, 2)

log = logs.logger()


class NotDurableError(SystemExit):
    """Raised at boot in production; its text says what to set."""


@dataclass(frozen=True, slots=True)
class Durability:
    """What is wrong with Redis as plain sentences, none when it keeps what it takes; and how many
    replicas it has.
    """

    problems: tuple[str, ...]
    replicas: int


def at_boot(config: Config) -> None:
    """Look once, before the process has a loop. Raises NotDurableError in production when webhooks
    could be lost with Redis; a Redis that does not answer is looked at again later, for a process
    starts without it.
    """
    for url in (config.redis_url, *config.lane_redis_urls):
        found = asyncio.run(_look_once(replace(config, redis_url=url)))
        if found is not None and found.problems and config.is_production:
            raise NotDurableError("Holdfast does not start: " + " ".join(found.problems))


async def look(redis: Redis, config: Config) -> Durability | None:
    """Ask the Redis of `config` how it is set up, and remember, log and count it; None when it does
    not answer.
    """
    url = config.redis_url
    try:
        async with asyncio.timeout(LOOK_SECONDS_MAX):
            found = await _asked(redis, config)
    except (RedisError, OSError) as error:
        log.warning("Redis could not be asked how it is set up", error=repr(error))
        return None
    _replicas_most[url] = max(_replicas_most.get(url, 0), found.replicas)
    if url not in _last or _last[url].problems != found.problems:
        for problem in found.problems:
            log.error("Redis may lose webhooks", problem=problem)
    _last[url] = found
    return found


def known() -> Durability | None:
    """What the last look at each Redis of lanes found, together; None before the first."""
    if not _last:
        return None
    problems = dict.fromkeys(problem for one in _last.values() for problem in one.problems)
    return Durability(tuple(problems), min(one.replicas for one in _last.values()))


def wants_replica(config: Config) -> bool:
    """Whether admission waits for a replica: since this process started there was one, or there are
    sentinels, who will make one of them the primary.
    """
    return _replicas_most.get(config.redis_url, 0) > 0 or redises.is_sentinels(config.redis_url)


async def outlives(redis: Redis, replicas: int) -> bool:
    """Whether what so many replicas have confirmed outlives a fail-over: one of them has it, and
    most of the sentinels, where there are some, have not made another primary meanwhile.
    """
    return replicas > 0 and await sentinels.is_agreed(redis)


async def replica_answers(redis: Redis, milliseconds: int) -> bool:
    """Whether everything Redis was told until now outlives it. Raises redis errors."""
    client: Any = redis
    async with client.pipeline(transaction=False) as pipe:
        scripts.wait_for_replica(pipe, milliseconds)
        *_, replicas = await pipe.execute()
    return await outlives(redis, replicas)


def forget() -> None:
    """Drop what this process remembers (for tests)."""
    _last.clear()
    _replicas_most.clear()


_last: dict[str, Durability] = {}  # by the URL of the Redis
_replicas_most: dict[str, int] = {}


async def _look_once(config: Config) -> Durability | None:
    redis = db.redis_client(config.redis_url)
    try:
        return await look(redis, config)
    finally:
        await redis.aclose()


async def _asked(redis: Redis, config: Config) -> Durability:
    client: Any = redis
    info = {**await client.info("server"), **await client.info("persistence")}
    replication = await client.info("replication")
    replicas = sum(
        1
        for name, value in replication.items()
        if name.startswith("slave") and isinstance(value, dict) and value["state"] == "online"
    )
    try:
        settings: dict[str, Any] | None = {**await client.config_get("append*")}
        settings |= await client.config_get("maxmemory*")
    except ResponseError:  # providers forbid CONFIG
        settings = None
    found = [*_of_server(info), *_of_settings(settings, config)]
    before = _replicas_most.get(config.redis_url, 0)
    if replicas < before:
        found.append(
            f"Redis had {before} replicas and has {replicas}: without any, webhooks are"
            " kept in Postgres too."
        )
    return Durability(tuple(found), replicas)


def _of_server(info: dict[str, Any]) -> Iterable[str]:
    version = str(info.get("redis_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < OLDEST_VERSION:
        yield f"Redis is version {version}, and the lanes need 6.2."
    if info.get("aof_last_write_status", "ok") != "ok":
        yield "Redis could not write its append-only file."


def _of_settings(settings: dict[str, Any] | None, config: Config) -> Iterable[str]:
    if settings is None:
        if not config.redis_is_durable:
            yield (
                "Redis does not tell how it is set up. If its provider says that it writes every"
                " change to disk and drops nothing when it is full, set REDIS_DURABLE=yes."
            )
        return
    if settings.get("appendonly") != "yes":
        yield "Redis keeps no append-only file: set appendonly to yes."
    elif settings.get("appendfsync") not in {"always", "everysec"}:
        yield "Redis leaves writing to the operating system: set appendfsync to always or everysec."
    policy = settings.get("maxmemory-policy")
    if policy != "noeviction":
        yield (
            f"Redis drops keys when it is full (maxmemory-policy is {policy}): set it to"
            " noeviction, and give caches a Redis of their own (CACHE_REDIS_URL)."
        )
