"""The health board: every process beats into one Redis hash, every page reads how far each
service is.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
import redis.asyncio as aioredis
from redis.exceptions import RedisError, ResponseError

from app.facts import Moment
from app.resilience import breaker, cache, reach
from app.resilience.breaker import Breaker
from app.resilience.guard import Resource, guard
from app.services import PROCESSES
from app.telemetry import logs, metrics

KEY = "health"
MISSED = "cache missed"  # a field beside those of the processes
# A process that was killed or stopped must be seen as such within five seconds: three beats missed,
# and what readers remember.
BEAT_EVERY_SECONDS = 1.0
DEAD_AFTER_SECONDS = 3.5
STUCK_AFTER_SECONDS = 2.5  # work is there, and none of it was finished: a batch takes a tenth
LATE_AFTER_SECONDS = 15.0
CAUGHT_UP_BELOW_SECONDS = 1.0
MEMO_SECONDS = 1.0
Notice = Literal["healthy", "late", "down"]
log = logs.logger()


class Beat(msgspec.Struct, frozen=True):
    """What a process says of itself, as JSON in the hash `health`; all moments by Redis' clock, for
    that of the process may be wrong.
    """

    beat_at: datetime
    lag_seconds: float
    caught_up_at: datetime | None
    details: dict[str, Any] = {}
    progress_at: datetime | None = None  # when it last finished something
    stuck_since: datetime | None = None  # since when it has had work and finished none
    is_database_reached: bool = True  # by the process that says this


@dataclass(frozen=True, slots=True)
class ServiceHealth:
    """One line of the board; the moments are aware UTC, None when they have never been."""

    name: str
    alive: bool
    lag_seconds: float
    beat_at: datetime | None
    caught_up_at: datetime | None
    details: dict[str, Any] = field(default_factory=dict)
    progress_at: datetime | None = None
    stuck_seconds: float = 0.0  # for how long it has had work and finished none
    is_database_reached: bool = True


class Board(dict[str, ServiceHealth]):
    """Service name → ServiceHealth for all PROCESSES; `is_remembered` when Redis was away and
    this is the last one.
    """

    read_at: datetime  # by Redis' clock
    is_remembered: bool = False
    cache_missed_at: datetime | None = None  # of before, the cache may lack what was committed


async def beat(
    redis: aioredis.Redis,
    service: str,
    lag_seconds: float,
    details: dict[str, Any] | None = None,
    *,
    since_progress_seconds: float | None = None,
    stuck_seconds: float = 0.0,
) -> bool:
    """Say that this process of `service` lives; call every second. Circuits that are not closed are
    added, and whether it reaches Postgres. Who does not is not caught up, whatever its lag. With
    the first beat, and with the first after the cache missed something, readers are told not to
    take what it has for new: a process that died may have committed and not said so. On the way
    back comes the level of the log that somebody wants for a while.

    A beat that Redis does not take is logged and counted, never raised (False): a missing beat is
    its own message.
    """
    missed = cache.misses()  # before the moment that is told of them
    try:
        now = await _redis_now(redis)
        is_database_reached = reach.is_database_reached()
        if is_database_reached and lag_seconds < CAUGHT_UP_BELOW_SECONDS:
            _caught_up[service] = now
        elif service not in _caught_up:
            _caught_up[service] = await _caught_up_before(redis, service)
        circuits = {name: state for name, state in breaker.states().items() if state != "closed"}
        said = Beat(
            now,
            lag_seconds,
            _caught_up[service],
            {**(details or {}), "circuits": circuits},
            _ago(now, since_progress_seconds),
            _ago(now, stuck_seconds or None),
            is_database_reached,
        )
        fields: dict[str, bytes | str] = {service: msgspec.json.encode(said)}
        if missed != _told.get(service):
            fields[MISSED] = now.isoformat()
        async with _untyped(redis).pipeline(transaction=False) as pipe:
            pipe.hset(KEY, mapping=fields)
            pipe.get(logs.LEVEL_KEY)
            _, level = await pipe.execute()
        logs.set_level((level or b"").decode(errors="replace"))
        _told[service] = missed
    except (RedisError, OSError, msgspec.MsgspecError) as error:
        metrics.LOST_SIGNALS.labels("health").inc()
        log.warning("heartbeat not written", service=service, reason=type(error).__name__)
        return False
    return True


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

    `late` when its work is more than 15 s behind, when it stands still with work before it or does
    not reach the database, and while the board itself cannot be read: the bus is away then.
    """
    health = board.get(service)
    if health is None or not health.alive:
        return "down"
    is_behind = health.lag_seconds > LATE_AFTER_SECONDS or is_stuck(health)
    is_late = is_behind or not health.is_database_reached
    return "late" if board.is_remembered or is_late else "healthy"


def is_stuck(health: ServiceHealth) -> bool:
    """Whether a service has had work before it for some seconds and finished none of it."""
    return health.stuck_seconds > STUCK_AFTER_SECONDS


def witness(service: str, lag_seconds: Callable[[aioredis.Redis], Awaitable[float]]) -> None:
    """Let readers of the board measure the lag of `service` themselves, too: a process that stands
    still is no judge of itself. It is asked once a second, and must cost Redis next to nothing.
    """
    _witnesses[service] = lag_seconds


def forget() -> None:
    """Drop what this process remembers (for tests)."""
    global _memo  # noqa: PLW0603
    _memo = None
    _caught_up.clear()
    _told.clear()


# asked again every second, for pages must follow a Redis that is back at once
HEALTH = Resource(
    "health board",
    0.3,
    tickets=4,
    breaker=Breaker("health board", open_seconds=1.0, success_threshold=1),
)
_reading = asyncio.Lock()
_memo: tuple[float, Board] | None = None
_caught_up: dict[str, datetime | None] = {}
_told: dict[str, int] = {}  # by service: the misses of the cache that readers know of
_witnesses: dict[str, Callable[[aioredis.Redis], Awaitable[float]]] = {}


def _untyped(redis: aioredis.Redis) -> Any:
    return redis  # redis-py's annotations mix the answers of its two clients


async def _redis_now(redis: aioredis.Redis) -> datetime:
    seconds, microseconds = await _untyped(redis).time()
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds)


def _ago(now: datetime, seconds: float | None) -> datetime | None:
    return None if seconds is None else now - timedelta(seconds=seconds)


async def _caught_up_before(redis: aioredis.Redis, service: str) -> datetime | None:
    """A process that restarts with work waiting goes on from what its predecessor said."""
    raw = await _untyped(redis).hget(KEY, service)
    return msgspec.json.decode(raw, type=Beat).caught_up_at if raw else None


async def _read(redis: aioredis.Redis) -> Board:
    *raw, missed = await _untyped(redis).hmget(KEY, [*PROCESSES, MISSED])
    now = await _redis_now(redis)
    found = Board(
        (name, _line(name, value, now)) for name, value in zip(PROCESSES, raw, strict=True)
    )
    for name, ask in _witnesses.items():
        try:
            seen_seconds = await ask(redis)
        except ResponseError as error:  # a damaged key is not a Redis that is away
            log.warning("lag not seen", service=name, reason=type(error).__name__)
            continue
        line = found[name]
        found[name] = replace(line, lag_seconds=max(line.lag_seconds, seen_seconds))
    found.read_at = now
    found.cache_missed_at = _moment(missed, now)
    return found


def _moment(raw: bytes | None, now: datetime) -> datetime | None:
    """When the cache last missed something: just now, where what is written there is no moment."""
    try:
        return msgspec.convert(raw.decode(), Moment) if raw else None
    except (msgspec.ValidationError, UnicodeDecodeError):
        return now


def _line(name: str, raw: bytes | None, now: datetime) -> ServiceHealth:
    try:
        said = msgspec.json.decode(raw or b"", type=Beat)
    except msgspec.MsgspecError:  # never beat, or nothing of ours
        return ServiceHealth(name, alive=False, lag_seconds=0.0, beat_at=None, caught_up_at=None)
    age_seconds = (now - said.beat_at).total_seconds()
    return ServiceHealth(
        name,
        # a beat from the future tells nothing: Redis' clock was set back since
        abs(age_seconds) < DEAD_AFTER_SECONDS,
        said.lag_seconds,
        said.beat_at,
        said.caught_up_at,
        said.details,
        said.progress_at,
        (now - said.stuck_since).total_seconds() if said.stuck_since else 0.0,
        said.is_database_reached,
    )


async def _remembered(last: Board | None) -> Board:
    known = last or {name: _line(name, None, datetime.now(UTC)) for name in PROCESSES}
    found = Board(known)
    found.read_at = last.read_at if last else datetime.now(UTC)
    found.is_remembered = True
    found.cache_missed_at = last.cache_missed_at if last else None
    return found
