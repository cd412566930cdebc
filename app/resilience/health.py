"""The health board: every process beats into one Redis hash, every page reads how far each
service is.
"""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import redis.asyncio as aioredis
from redis.exceptions import RedisError

from app.resilience import breaker
from app.resilience.guard import Resource, guard
from app.services import PROCESSES
from app.telemetry import logs, metrics

KEY = "health"
BEAT_EVERY_SECONDS = 2.0
DEAD_AFTER_SECONDS = 8.0
LATE_AFTER_SECONDS = 15.0
CAUGHT_UP_BELOW_SECONDS = 1.0
MEMO_SECONDS = 1.0
Notice = Literal["healthy", "late", "down"]
log = logs.logger()


class Beat(msgspec.Struct, frozen=True):
    """What a process says of itself, as JSON in the hash `health`."""

    beat_at: datetime
    lag_seconds: float
    caught_up_at: datetime | None
    details: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class ServiceHealth:
    """One line of the board; the moments are aware UTC, None when they have never been."""

    name: str
    alive: bool
    lag_seconds: float
    beat_at: datetime | None
    caught_up_at: datetime | None
    details: dict[str, Any] = field(default_factory=dict)


class Board(dict[str, ServiceHealth]):
    """Service name → ServiceHealth for all PROCESSES; `is_remembered` when Redis was away and
    this is the last one.
    """

    read_at: datetime
    is_remembered: bool = False


async def beat(
    redis: aioredis.Redis, service: str, lag_seconds: float, details: dict[str, Any] | None = None
) -> None:
    """Say that this process of `service` lives; call every 2 s. Circuits that are not closed are
    added.

    A beat that Redis does not take is logged and counted, never raised: a missing beat is its own
    message.
    """
    now = datetime.now(UTC)
    try:
        if lag_seconds < CAUGHT_UP_BELOW_SECONDS:
            _caught_up[service] = now
        elif service not in _caught_up:
            _caught_up[service] = await _caught_up_before(redis, service)
        circuits = {name: state for name, state in breaker.states().items() if state != "closed"}
        said = Beat(
            now, lag_seconds, _caught_up[service], {**(details or {}), "circuits": circuits}
        )
        await _untyped(redis).hset(KEY, service, msgspec.json.encode(said))
    except (RedisError, OSError, msgspec.MsgspecError) as error:
        metrics.LOST_SIGNALS.labels("health").inc()
        log.warning("heartbeat not written", service=service, reason=type(error).__name__)


async def board(redis: aioredis.Redis) -> Board:
    """How every service is, at most a second old; while Redis is away the last one known,
    marked as such.
    """
    global _memo  # noqa: PLW0603 - one board a process, so that pages cost Redis one read a second
    memo = _memo
    if memo is not None and time.monotonic() - memo[0] < MEMO_SECONDS:
        return memo[1]
    async with _reading:
        if _memo is not None and _memo is not memo:
            return _memo[1]  # somebody read it while we waited
        last = _memo[1] if _memo else None
        found = await guard(HEALTH, lambda: _read(redis), lambda _: _remembered(last))
        _memo = (time.monotonic(), found)
        return found


def service_notice(board: Board, service: str) -> Notice:
    """What to tell people about a service.

    `late` when its work is more than 15 s behind, and while the board itself cannot be read: the
    bus is away then.
    """
    health = board.get(service)
    if health is None or not health.alive:
        return "down"
    return "late" if board.is_remembered or health.lag_seconds > LATE_AFTER_SECONDS else "healthy"


def forget() -> None:
    """Drop what this process remembers (for tests)."""
    global _memo  # noqa: PLW0603
    _memo = None
    _caught_up.clear()


HEALTH = Resource("health board", 0.3, tickets=4)
_reading = asyncio.Lock()
_memo: tuple[float, Board] | None = None
_caught_up: dict[str, datetime | None] = {}


def _untyped(redis: aioredis.Redis) -> Any:
    return redis  # redis-py's annotations mix the answers of its two clients


async def _caught_up_before(redis: aioredis.Redis, service: str) -> datetime | None:
    """A process that restarts with work waiting goes on from what its predecessor said."""
    raw = await _untyped(redis).hget(KEY, service)
    return msgspec.json.decode(raw, type=Beat).caught_up_at if raw else None


async def _read(redis: aioredis.Redis) -> Board:
    raw = await _untyped(redis).hmget(KEY, list(PROCESSES))
    now = datetime.now(UTC)
    found = Board(
        (name, _line(name, value, now)) for name, value in zip(PROCESSES, raw, strict=True)
    )
    found.read_at = now
    return found


def _line(name: str, raw: bytes | None, now: datetime) -> ServiceHealth:
    if raw is None:
        return ServiceHealth(name, alive=False, lag_seconds=0.0, beat_at=None, caught_up_at=None)
    said = msgspec.json.decode(raw, type=Beat)
    age_seconds = (now - said.beat_at).total_seconds()
    return ServiceHealth(
        name,
        age_seconds < DEAD_AFTER_SECONDS,
        said.lag_seconds,
        said.beat_at,
        said.caught_up_at,
        said.details,
    )


async def _remembered(last: Board | None) -> Board:
    known = last or {name: _line(name, None, datetime.now(UTC)) for name in PROCESSES}
    found = Board(known)
    found.read_at = last.read_at if last else datetime.now(UTC)
    found.is_remembered = True
    return found
