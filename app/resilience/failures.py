"""Tells failures of the infrastructure, which pass, from failures of the event itself, which do
not.
"""

import asyncio
import random
from collections.abc import Iterator

import asyncpg
import msgspec
from asyncpg.exceptions import InterfaceError, InternalClientError
from redis import exceptions as redis_errors
from tortoise.exceptions import DBConnectionError

from app.errors import HoldfastError
from app.resilience.deadline import pause
from app.telemetry import logs

REASON_LENGTH_MAX = 2_000

log = logs.logger()

# Postgres away, going away, or without room; a deadlock or serialization conflict, where another
# try is the cure. A statement that ran out of time is not here: one event can be its cause, and
# must not block all others for ever.
_AWAY = (
    ConnectionError,
    DBConnectionError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,  # our certificate or password has run out
    asyncpg.ReadOnlySQLTransactionError,  # a standby, or a disk that is nearly full
    InternalClientError,
    redis_errors.ConnectionError,
)
# "released": what a transaction meets whose session Postgres ended in the middle of it
_LOST = ("closed", "closing", "released back to the pool")
_PASSING = (
    *_AWAY,
    TimeoutError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    redis_errors.TimeoutError,
)


def is_passing(error: BaseException) -> bool:
    """Whether trying the very same again later can help because the fault lies with a store,
    not with the event.
    """
    return any(isinstance(seen, _PASSING) or _is_lost_connection(seen) for seen in _causes(error))


def is_locked(error: BaseException) -> bool:
    """Whether the time to wait for one row ran out: somebody holds it, all others are free."""
    return any(isinstance(seen, asyncpg.LockNotAvailableError) for seen in _causes(error))


def is_store_away(error: BaseException) -> bool:
    """Whether Postgres, Redis or the way to them failed, whoever asked and whatever for; being
    slow is not that.
    """
    return any(isinstance(seen, _AWAY) or _is_lost_connection(seen) for seen in _causes(error))


def is_conflict(error: BaseException) -> bool:
    """Whether two transactions got in each other's way: a deadlock or a serialization failure,
    nobody's fault.
    """
    return any(isinstance(seen, asyncpg.TransactionRollbackError) for seen in _causes(error))


def is_permanent(error: BaseException) -> bool:
    """Whether no later try can succeed: the rules say no, or the data has another shape than
    agreed.
    """
    if isinstance(error, HoldfastError):
        return error.permanent
    return any(isinstance(seen, msgspec.DecodeError | asyncpg.DataError) for seen in _causes(error))


def reason(error: BaseException) -> str:
    """The failure as one sentence for people, of bounded length."""
    text = error.message if isinstance(error, HoldfastError) else f"{type(error).__name__}: {error}"
    return text.replace("\x00", "").encode(errors="replace").decode()[:REASON_LENGTH_MAX]


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:  # Tortoise wraps what asyncpg raised
        yield seen
        seen = seen.__cause__


def _is_lost_connection(error: BaseException) -> bool:
    if isinstance(error, OSError):  # no route to the host; but a file that is missing is a bug
        return error.filename is None and not isinstance(error, TimeoutError)
    # asyncpg has one class for this and for wrong use of it, which is a bug and must not be
    # repeated for ever
    return isinstance(error, InterfaceError) and any(said in str(error) for said in _LOST)


class Backoff:
    """Waits longer after each failure in a row; says so when it begins and when it is over, not
    in between.
    """

    def __init__(
        self, doing: str, *, first_seconds: float = 0.05, most_seconds: float = 2.0
    ) -> None:
        self.doing = doing
        self.first_seconds = first_seconds
        self.most_seconds = most_seconds
        self.failures = 0

    async def wait(self, error: Exception, stop: asyncio.Event) -> None:
        """Sleep, or return as soon as `stop` is set."""
        if self.failures == 0:
            if is_passing(error):
                log.warning("held up, trying again", doing=self.doing, reason=reason(error))
            else:
                log.error("failed, trying again", doing=self.doing, exc_info=error)
        seconds = min(self.most_seconds, self.first_seconds * 2 ** min(self.failures, 16))
        self.failures += 1
        await pause(seconds * random.uniform(0.8, 1.2), stop)  # noqa: S311 - jitter

    def over(self) -> None:
        """Call after every success."""
        if self.failures:
            log.info("going on", doing=self.doing, failures=self.failures)
            self.failures = 0
