"""The guard around every call that leaves the process: deadline, bulkhead, breaker, and a
stated fallback.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar
from weakref import WeakSet

from app import rooms
from app.errors import UnavailableError
from app.resilience import failures
from app.resilience.breaker import Breaker
from app.resilience.bulkhead import Bulkhead
from app.rooms import PAGE_READ_SECONDS, Room
from app.telemetry import logs, metrics

T = TypeVar("T")
TICKET_WAIT_SECONDS = 0.005  # long enough for a burst to pass, too short to notice
SHOP_CIRCUITS_MAX = 256  # a resource; the one that failed longest ago is forgotten
SHOP_CALLS_MIN = 5  # one shop asks less often than all together
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
    circuit, and with `by_shop` a circuit for each shop that has trouble of its own.

    One in a `room` asks Postgres: tickets, deadline and connections are those of the room, shared
    with all resources in it. Make one a module, never one a request: tickets and circuits live in
    it.
    """

    def __init__(
        self,
        name: str,
        deadline_seconds: float = PAGE_READ_SECONDS,
        tickets: int = 16,
        breaker: Breaker | None = None,
        *,
        room: Room | None = None,
        by_shop: bool = False,
    ) -> None:
        self.name = name
        self.room = room
        self.deadline_seconds = room.deadline_seconds if room else deadline_seconds
        self.breaker = breaker or Breaker(name)
        self.by_shop = by_shop
        self.bulkhead = _bulkhead_of(room) if room else Bulkhead(tickets, TICKET_WAIT_SECONDS)
        self.shops: OrderedDict[str, Breaker] = OrderedDict()
        self.under_way: set[asyncio.Task[Any]] = set()
        known.add(self)

    def circuits(self, shop: str) -> list[Breaker]:
        """Those a call for `shop` passes; most shops never failed, and have none of their own."""
        own = self.shops.get(shop)
        return [own, self.breaker] if own else [self.breaker]

    def failed(self, reason: str, shop: str) -> None:
        """Count a failure that `shop` may be the cause of ("": it cannot)."""
        self.breaker.failure(reason, shop)
        if not shop:
            return
        own = self.shops.pop(shop, None) or Breaker(
            self.name, calls_min=SHOP_CALLS_MIN, shop=shop, clock=self.breaker.clock
        )
        self.shops[shop] = own
        if len(self.shops) > SHOP_CIRCUITS_MAX:
            self.shops.popitem(last=False)
        own.failure(reason)


def _bulkhead_of(room: Room) -> Bulkhead:
    if room.name not in _bulkheads:
        _bulkheads[room.name] = Bulkhead(room.connections, room.wait_seconds)
    return _bulkheads[room.name]


known: WeakSet[Resource] = WeakSet()  # every one of this process
_bulkheads: dict[str, Bulkhead] = {}
_asking: ContextVar[str] = ContextVar("asking", default="")


@contextmanager
def on_behalf_of(shop: str) -> Iterator[None]:
    """Whatever is guarded in here is asked for `shop`; set once, at the door a request comes
    through.
    """
    token = _asking.set(shop)
    try:
        yield
    finally:
        _asking.reset(token)


async def guard(
    resource: Resource,
    call: Callable[[], Awaitable[T]],
    fallback: Callable[[Exception], Awaitable[T]] | None = None,
    *,
    shop: str = "",
    subject: str = "",
) -> T:
    """Await `call()` under the resource's deadline, tickets and circuits.

    Without a fallback it raises RefusedByCircuitError, BusyError, SlowError (all 503) or what the
    call raised; with one, the fallback gets that error and its answer is returned. Errors with
    `permanent` are the caller's fault: they pass through both the breaker and the fallback.
    `shop` is whom the call is for, the one named by `on_behalf_of` unless given; of one `subject`
    (a shopper) one call is made at a time.
    """
    shop = (shop or _asking.get()) if resource.by_shop else ""
    try:
        return await _guarded(resource, call, shop, subject)
    except Exception as error:
        if fallback is None or is_callers_fault(error):
            raise
        return await fallback(error)


def bulkheads() -> dict[str, Bulkhead]:
    """Those of this process, by the room or the resource they are of."""
    return {one.room.name if one.room else one.name: one.bulkhead for one in known}


def postgres_answers_again() -> None:
    """Close every circuit before Postgres, for pages and changes to go on at once."""
    for resource in known:
        if resource.room is not None:
            for circuit in (resource.breaker, *resource.shops.values()):
                circuit.answers_again()


def is_callers_fault(error: BaseException) -> bool:
    """True when trying again cannot help and the other side is not to blame.

    Besides our own errors these are Postgres' complaints about the data (class 22) and constraints
    (class 23).
    """
    if getattr(error, "permanent", False):
        return True
    sqlstate = getattr(error, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None)
    return isinstance(sqlstate, str) and sqlstate[:2] in {"22", "23"}


async def _guarded(
    resource: Resource, call: Callable[[], Awaitable[T]], shop: str, subject: str
) -> T:
    began = time.monotonic()
    if not await resource.bulkhead.take(shop, subject):
        metrics.GUARD.labels(resource.name, "busy").inc()
        raise BusyError(f"Too many calls to {resource.name} are under way.")
    # who waits for a ticket is waited for, too
    left_seconds = max(0.0, resource.deadline_seconds - (time.monotonic() - began))
    circuits = resource.circuits(shop)
    if not _may_pass(circuits):
        resource.bulkhead.give_back(shop, subject)
        metrics.GUARD.labels(resource.name, "refused").inc()
        raise RefusedByCircuitError(f"{resource.name} is not answering; it was not asked again.")
    # A task of its own: a driver that cleans up after a cancellation (asyncpg waits for the server,
    # which may be stopped) would keep us past the deadline. The ticket comes back only when the
    # task has really ended.
    task = asyncio.create_task(_in_its_room(resource.room, call))
    resource.under_way.add(task)  # asyncio itself keeps only weak references
    task.add_done_callback(lambda done: _give_back(resource, done, shop, subject))
    try:
        await asyncio.wait((task,), timeout=left_seconds)
    except asyncio.CancelledError:
        task.cancel()
        _neutral(circuits)
        raise
    if not task.done():
        task.cancel()
        _neutral(circuits)
        if left_seconds >= resource.deadline_seconds / 2:  # else it had no time to show how it is
            _failed(resource, "slow", f"no answer within {resource.deadline_seconds:g} s", shop)
        else:
            metrics.GUARD.labels(resource.name, "busy").inc()
        raise SlowError(f"{resource.name} did not answer in time.")
    return _outcome(resource, task, circuits, shop)


def _may_pass(circuits: list[Breaker]) -> bool:
    for place, circuit in enumerate(circuits):
        if not circuit.allow():
            _neutral(circuits[:place])  # no probe of theirs goes out
            return False
    return True


def _neutral(circuits: list[Breaker]) -> None:
    for circuit in circuits:
        circuit.neutral()


async def _in_its_room(room: Room | None, call: Callable[[], Awaitable[T]]) -> T:
    if room is not None:
        rooms.current.set(room)  # of this task alone
    return await call()


def _give_back(resource: Resource, done: "asyncio.Task[Any]", shop: str, subject: str) -> None:
    resource.bulkhead.give_back(shop, subject)
    resource.under_way.discard(done)
    if not done.cancelled():
        # of an abandoned call: retrieved, so that asyncio does not complain about it
        done.exception()


def _outcome(resource: Resource, task: "asyncio.Task[T]", circuits: list[Breaker], shop: str) -> T:
    if task.cancelled():
        _neutral(circuits)
        raise SlowError(f"{resource.name} gave up the call.")
    error = task.exception()
    if error is None:
        _succeeded(resource, "ok", circuits)
        return task.result()
    if is_callers_fault(error):
        _succeeded(resource, "rejected", circuits)  # the other side answered
        raise error
    _neutral(circuits)
    if failures.is_locked(error):  # somebody holds that one row: no fault of Postgres or the shop
        metrics.GUARD.labels(resource.name, "locked").inc()
        log.warning("guarded call met a lock", resource=resource.name)
    else:
        # what no shop can cause counts for everybody at once
        cause = "" if failures.is_store_away(error) else shop
        _failed(resource, "failed", type(error).__name__, cause)
    raise error


def _succeeded(resource: Resource, outcome: str, circuits: list[Breaker]) -> None:
    metrics.GUARD.labels(resource.name, outcome).inc()
    for circuit in circuits:
        circuit.success()


def _failed(resource: Resource, outcome: str, reason: str, shop: str) -> None:
    metrics.GUARD.labels(resource.name, outcome).inc()
    log.warning("guarded call failed", resource=resource.name, outcome=outcome, reason=reason)
    resource.failed(reason, shop)
