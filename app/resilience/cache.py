"""The cache with two horizons: fresh for 30 s, kept for 7 days, so that what people see is old
but true.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
import redis.asyncio as aioredis
from redis.crc import key_slot

from app import redises
from app.resilience import reading, replicas
from app.resilience.guard import Resource, guard, is_callers_fault
from app.resilience.memory import Memory
from app.resilience.reading import Reading
from app.telemetry import logs, metrics

T = TypeVar("T")
FRESH_SECONDS = 30
KEEP_SECONDS = 7 * 86_400
MEMORY_ENTRIES_MAX = 2_048  # of this process, for when the cache and the source are both away
CLEAR_SECONDS = 60.0
PUT_BATCH = 256  # keys one script call touches; Redis does nothing else meanwhile
log = logs.logger()

# An entry is one string, half the size of a hash: the sequence, the moment it was true
# (milliseconds), the payload, with a space between. Two writers race (the worker after its commit,
# a page after its load): the higher sequence stays, of equals the one that is true later. What is
# no such string counts as nothing: MGET says so of another type.
PUT = """
local at, kept = tonumber(ARGV[1]), redis.call('MGET', unpack(KEYS))
for i, key in ipairs(KEYS) do
  local sequence = tonumber(ARGV[2 * i + 1])
  local before, since = string.match(kept[i] or '', '^(%d+) (%d+) ')
  before, since = tonumber(before or '-1'), tonumber(since or '0')
  if sequence > before or (sequence == before and at >= since) then
    local entry = ARGV[2 * i + 1] .. ' ' .. ARGV[1] .. ' ' .. ARGV[2 * i + 2]
    redis.call('SET', key, entry, 'EX', ARGV[2])
  end
end
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """A cached value and the moment it was true."""

    value: Any
    as_of: datetime


async def read_through(
    cache: aioredis.Redis,
    key: str,
    load: Callable[[], Awaitable[T]],
    resource: Resource,
    *,
    encode: Callable[[T], bytes] = msgspec.json.encode,
    decode: Callable[[bytes], T] = msgspec.json.decode,
    sequence: Callable[[T], int] | None = None,
    fresh_seconds: float = FRESH_SECONDS,
    fresh_since: datetime | None = None,
    keep_seconds: int = KEEP_SECONDS,
    may_be_old: bool = False,
) -> Reading[T]:
    """The value under `key` (give it the prefix `cache:`), loaded under guard when it is not fresh:
    older than `fresh_seconds`, or of before `fresh_since`, up to when changes may be missing.

    A load that fails gives the kept value as `cached`, or `unavailable` when there is none. Without
    the cache the value is loaded directly. `sequence` tells which of two values is newer; without
    it the later load is. What `may_be_old` comes from the replica where there is one, as of what
    that knows. Permanent errors of `load` (no such customer) are raised.
    """
    is_away, kept = await _kept(cache, key, decode)
    if kept is not None and _is_fresh(kept, fresh_seconds, fresh_since):
        metrics.CACHE.labels("fresh").inc()
        _memory.put(key, kept)
        return reading.live(kept.value, kept.as_of)

    async def write(loaded: Kept) -> None:
        number = sequence(loaded.value) if sequence else _milliseconds(loaded.as_of)
        if not is_away:
            await _put(
                CACHE, cache, [(key, number, encode(loaded.value))], loaded.as_of, keep_seconds
            )

    is_old = may_be_old and replicas.is_allowed()
    flight = _flights.get((key, is_old))
    if flight is None:
        flight = asyncio.create_task(_load(load, resource, key, write, is_old=is_old))
        _flights[key, is_old] = flight
        flight.add_done_callback(lambda done: _landed((key, is_old), done))
    try:
        loaded: Kept = await asyncio.shield(flight)
    except Exception as error:
        if is_callers_fault(error):
            raise
        return _fall_back(key, kept)
    metrics.CACHE.labels("miss" if kept is None else "renewed").inc()
    return reading.live(loaded.value, loaded.as_of)


async def put_if_newer(
    cache: aioredis.Redis,
    items: Sequence[tuple[str, int, bytes]],
    *,
    as_of: datetime | None = None,
    keep_seconds: int = KEEP_SECONDS,
) -> None:
    """Write `(key, sequence, payload)` unless something newer is there; one round trip however many
    they are.

    Called after a commit: a cache that is away is logged and counted, never raised. What it keeps
    is then older than it seems, which readers learn from `misses` through the health board.
    """
    global _misses  # noqa: PLW0603 - one number a process, told with its beat
    if items and not await _put(
        CACHE_BATCHES, cache, items, as_of or datetime.now(UTC), keep_seconds
    ):
        _misses += 1


def misses() -> int:
    """How often this process could not tell the cache what it had committed."""
    return _misses


async def clear(cache: aioredis.Redis) -> None:
    """Drop every entry: what they were made from was put back to an earlier moment, and of two
    values the one with the higher number stays. A cache that is away is logged, never raised.
    """
    client: Any = cache
    try:
        async with asyncio.timeout(CLEAR_SECONDS):
            found: list[bytes] = []
            async for key in client.scan_iter(match="cache:*", count=PUT_BATCH):
                found.append(key)
                if len(found) >= PUT_BATCH:
                    await _drop(client, found)
                    found = []
            await _drop(client, found)
    except Exception as error:  # noqa: BLE001 - its entries end by themselves
        log.warning("cache not cleared", reason=type(error).__name__)
    _memory.clear()


async def drop(cache: aioredis.Redis, key: str) -> None:
    """Forget one entry, whose value changed without its key; a cache that is away is logged."""
    client: Any = cache
    _memory.drop(key)
    try:
        await guard(CACHE, lambda: client.unlink(key))
    except Exception as error:  # noqa: BLE001 - it ends by itself
        log.warning("an entry of the cache was not dropped", reason=type(error).__name__)


async def _drop(client: Any, keys: Sequence[bytes]) -> None:
    async with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.unlink(key)
        await pipe.execute()


def forget() -> None:
    """Drop what this process remembers (for tests)."""
    _memory.clear()


CACHE = Resource(
    "cache", 0.15, tickets=128
)  # less than a page read: a slow cache must leave time for the load
CACHE_BATCHES = Resource("cache batches", 1.0, tickets=16, breaker=CACHE.breaker)
_misses = 0
_flights: dict[tuple[str, bool], "asyncio.Task[Kept]"] = {}
_memory: Memory[str, Kept] = Memory(MEMORY_ENTRIES_MAX)


async def _kept(
    cache: aioredis.Redis, key: str, decode: Callable[[bytes], T]
) -> tuple[bool, Kept | None]:
    """Whether the cache is away, and what it holds: None also for what is no entry of this
    version, which goes.
    """
    client: Any = cache
    try:
        entry = (await guard(CACHE, lambda: client.mget(key)))[0]
        if entry is None:
            return False, None
        try:
            _, at, payload = entry.split(b" ", 2)
            return False, Kept(decode(payload), datetime.fromtimestamp(int(at) / 1000, UTC))
        except (msgspec.MsgspecError, ValueError, OverflowError, OSError) as error:
            log.warning("cache entry not understood", reason=type(error).__name__)
            await guard(CACHE, lambda: client.delete(key))  # its sequence may be nonsense, too
            return False, None
    except Exception:  # noqa: BLE001 - counted and logged by the guard; the source still knows
        metrics.CACHE.labels("away").inc()
        return True, None


def _is_fresh(kept: Kept, fresh_seconds: float, fresh_since: datetime | None) -> bool:
    if fresh_since is not None and kept.as_of <= fresh_since:
        return False
    return (datetime.now(UTC) - kept.as_of).total_seconds() <= fresh_seconds


async def _load(
    load: Callable[[], Awaitable[Any]],
    resource: Resource,
    key: str,
    write: Callable[[Kept], Awaitable[None]],
    *,
    is_old: bool,
) -> Kept:
    as_of = datetime.now(UTC)  # before the load: it is true at least since then
    if is_old:
        value, replayed_at = await guard(resource, lambda: replicas.read(load))
        loaded = Kept(value, replayed_at or as_of)
    else:
        loaded = Kept(await guard(resource, load), as_of)
    _memory.put(key, loaded)
    await write(loaded)
    return loaded


def _landed(key: tuple[str, bool], done: "asyncio.Task[Kept]") -> None:
    _flights.pop(key, None)
    if not done.cancelled():
        done.exception()  # retrieved here, for all who waited may have left


def _fall_back(key: str, kept: Kept | None) -> Reading[Any]:
    remembered = _memory.get(key)
    if kept is None or (remembered is not None and remembered.as_of > kept.as_of):
        kept = remembered
    if kept is None:
        metrics.CACHE.labels("empty").inc()
        return reading.unavailable()
    metrics.CACHE.labels("stale").inc()
    return reading.cached(kept.value, kept.as_of)


async def _put(
    resource: Resource,
    cache: aioredis.Redis,
    items: Sequence[tuple[str, int, bytes]],
    as_of: datetime,
    keep_seconds: int,
) -> bool:
    client: Any = cache

    async def send() -> None:
        async with client.pipeline(transaction=False) as pipe:
            for part in _parts(cache, items):
                arguments = [
                    value for _, sequence, payload in part for value in (sequence, payload)
                ]
                keys = [key for key, _, _ in part]
                # EVAL, not EVALSHA: the script is 600 bytes, and no restart of Redis can have
                # forgotten it
                pipe.eval(PUT, len(keys), *keys, _milliseconds(as_of), keep_seconds, *arguments)
            await pipe.execute()

    try:
        await guard(resource, send)
    except Exception as error:  # noqa: BLE001
        # what was committed stands; readers load, or see an older value, marked
        log.warning("cache not written", entries=len(items), reason=type(error).__name__)
        return False
    return True


def _parts(
    cache: aioredis.Redis, items: Sequence[tuple[str, int, bytes]]
) -> Iterator[Sequence[tuple[str, int, bytes]]]:
    """What one call of the script takes; in a cluster a slot's, where a shop's balances share one
    by their `{shop}`.
    """
    groups: Iterable[Sequence[tuple[str, int, bytes]]] = (items,)
    if redises.has_slots(cache):
        by_slot: dict[int, list[tuple[str, int, bytes]]] = {}
        for item in items:
            by_slot.setdefault(key_slot(item[0].encode()), []).append(item)
        groups = by_slot.values()
    for group in groups:
        for start in range(0, len(group), PUT_BATCH):
            yield group[start : start + PUT_BATCH]


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
