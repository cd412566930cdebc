"""The guard around every call that leaves the process: deadline, bulkhead, breaker, and a
stated fallback.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from app.errors import UnavailableError
from app.resilience.breaker import Breaker
from app.telemetry import logs, metrics

T = TypeVar("T")
PAGE_READ_SECONDS = 0.3  # DESIGN §2
TICKET_WAIT_SECONDS = 0.005  # long enough for a burst to pass, too short to notice
log = logs.logger()


class RefusedByCircuitError(UnavailableError):
    """The circuit is open: the call was not made at all."""

    code = "circuit_open"


class BusyError(UnavailableError):
    """All tickets are out: the call was not made at all."""

    code = "busy"


class SlowError(UnavailableError):
    """No answer within the deadline; the call was given up and may still have had its effect."""

    code = "slow"


class Resource:
    """Something that can fail apart from us: its deadline, how many calls may be under way, its
    breaker.

    Make one a module, never one a request: the tickets and the circuit live in it.
    """

    def __init__(
        self,
        name: str,
        deadline_seconds: float = PAGE_READ_SECONDS,
        tickets: int = 16,
        breaker: Breaker | None = None,
    ) -> None:
        self.name = name
        self.deadline_seconds = deadline_seconds
        self.breaker = breaker or Breaker(name)
        self.tickets = asyncio.Semaphore(tickets)
        self.under_way: set[asyncio.Task[Any]] = set()


async def guard(
    resource: Resource,
    call: Callable[[], Awaitable[T]],
    fallback: Callable[[Exception], Awaitable[T]] | None = None,
) -> T:
    """Await `call()` under the resource's deadline, tickets and breaker.

    Without a fallback it raises RefusedByCircuitError, BusyError, SlowError (all 503) or what the
    call raised; with one, the fallback gets that error and its answer is returned. Errors with
    `permanent` are the caller's fault: they pass through both the breaker and the fallback.
    """
    try:
        return await _guarded(resource, call)
    except Exception as error:
        if fallback is None or is_callers_fault(error):
            raise
        return await fallback(error)


def is_callers_fault(error: BaseException) -> bool:
    """True when trying again cannot help and the other side is not to blame.

    Besides our own errors these are Postgres' complaints about the data (class 22) and constraints
    (class 23).
    """
    if getattr(error, "permanent", False):
        return True
    sqlstate = getattr(error, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None)
    return isinstance(sqlstate, str) and sqlstate[:2] in {"22", "23"}


async def _guarded(resource: Resource, call: Callable[[], Awaitable[T]]) -> T:
    await _take_ticket(resource)
    if not resource.breaker.allow():
        resource.tickets.release()
        metrics.GUARD.labels(resource.name, "refused").inc()
        raise RefusedByCircuitError(f"{resource.name} is not answering; it was not asked again.")
    # A task of its own: a driver that cleans up after a cancellation (asyncpg waits for the server,
    # which may be stopped) would keep us past the deadline. The ticket comes back only when the
    # task has really ended.
    task = asyncio.create_task(_coroutine(call))
    resource.under_way.add(task)  # asyncio itself keeps only weak references
    task.add_done_callback(lambda done: _give_back(resource, done))
    try:
        await asyncio.wait((task,), timeout=resource.deadline_seconds)
    except asyncio.CancelledError:
        task.cancel()
        resource.breaker.neutral()
        raise
    if not task.done():
        task.cancel()
        _failed(resource, "slow", f"no answer within {resource.deadline_seconds:g} s")
        raise SlowError(f"{resource.name} did not answer in time.")
    return _outcome(resource, task)


async def _take_ticket(resource: Resource) -> None:
    if not resource.tickets.locked():
        await resource.tickets.acquire()  # free: returns without giving up control
        return
    try:
        async with asyncio.timeout(TICKET_WAIT_SECONDS):
            await resource.tickets.acquire()
    except TimeoutError:
        metrics.GUARD.labels(resource.name, "busy").inc()
        raise BusyError(f"Too many calls to {resource.name} are under way.") from None


async def _coroutine(call: Callable[[], Awaitable[T]]) -> T:
    return await call()


def _give_back(resource: Resource, done: "asyncio.Task[Any]") -> None:
    resource.tickets.release()
    resource.under_way.discard(done)
    if not done.cancelled():
        # of an abandoned call: retrieved, so that asyncio does not complain about it
        done.exception()


def _outcome(resource: Resource, task: "asyncio.Task[T]") -> T:
    if task.cancelled():
        resource.breaker.neutral()
        raise SlowError(f"{resource.name} gave up the call.")
    error = task.exception()
    if error is None:
        resource.breaker.success()
        metrics.GUARD.labels(resource.name, "ok").inc()
        return task.result()
    if is_callers_fault(error):
        resource.breaker.success()  # the other side answered
        metrics.GUARD.labels(resource.name, "rejected").inc()
    else:
        _failed(resource, "failed", type(error).__name__)
    raise error


def _failed(resource: Resource, outcome: str, reason: str) -> None:
    metrics.GUARD.labels(resource.name, outcome).inc()
    log.warning("guarded call failed", resource=resource.name, outcome=outcome, reason=reason)
    resource.breaker.failure(reason)
