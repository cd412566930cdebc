"""A circuit breaker in this process's memory: closed, open, half-open; asking it costs no
network call.
"""

import time
from collections.abc import Callable
from enum import IntEnum

from app.telemetry import logs, metrics

SHOPS_MIN = 3  # so many shops fail only together when it is not for something of their own

log = logs.logger()


class State(IntEnum):
    """The numbers are those of the `holdfast_breaker_state` gauge."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Breaker:
    """Opens when `failing_share` of at least `calls_min` calls within `window_seconds` failed.

    Open, it refuses for `open_seconds`; then half-open, it lets one probe through at a time, closes
    after `success_threshold` successes, and opens again at the first failure. A share, because a
    busy part with one failure in a hundred serves ninety-nine; enough calls, because one slow
    answer alone says nothing. Failures named with a shop open it only when they come from three
    shops or more: fewer are those shops' own trouble, and have circuits of their own.
    """

    def __init__(
        self,
        name: str,
        *,
        failing_share: float = 0.5,
        calls_min: int = 10,
        window_seconds: int = 10,
        open_seconds: float = 5.0,
        success_threshold: int = 2,
        shop: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.failing_share = failing_share
        self.calls_min = calls_min
        self.open_seconds = open_seconds
        self.success_threshold = success_threshold
        self.shop = shop  # whose circuit it is, "" for everybody's
        self.clock = clock
        self.state = State.CLOSED
        self._counts = Counts(window_seconds)
        self._opened_at = 0.0
        self._successes = 0
        self._is_probing = False
        if not shop:  # shops are too many for a metric, and nobody else's business
            _known[name] = self
            metrics.BREAKER.labels(name).set(self.state)

    def allow(self) -> bool:
        """Whether a call may go out now; in half-open a yes is the probe, given back by its
        outcome.
        """
        if self.state is State.CLOSED:
            return True
        if self.state is State.OPEN and self.clock() - self._opened_at >= self.open_seconds:
            self._move(State.HALF_OPEN, f"{self.open_seconds:g} s have passed")
        if self.state is State.OPEN or self._is_probing:
            return False
        self._is_probing = True
        return True

    def success(self) -> None:
        if self.state is State.CLOSED:
            self._counts.add(self.clock())
        elif self.state is State.HALF_OPEN:
            self._is_probing = False
            self._successes += 1
            if self._successes >= self.success_threshold:
                self._move(State.CLOSED, f"{self._successes} probes succeeded")

    def failure(self, reason: str, shop: str = "") -> None:
        """`shop` is the one that may itself be the cause, "" when no shop can be."""
        if self.state is State.HALF_OPEN:
            self._move(State.OPEN, f"probe failed: {reason}")
        elif self.state is State.CLOSED:
            now = self.clock()
            self._counts.add_failure(now, shop)
            calls, failed, unnamed, shops = self._counts.total(now)
            is_general = unnamed * 2 >= failed or shops >= SHOPS_MIN
            if calls >= self.calls_min and failed >= self.failing_share * calls and is_general:
                self._move(State.OPEN, f"{failed} of {calls} calls failed: {reason}")

    def neutral(self) -> None:
        """The call said nothing about the other side (the caller gave up, or was itself at
        fault).
        """
        self._is_probing = False

    def answers_again(self) -> None:
        """The other side is known to answer: nobody need find out by a probe."""
        if self.state is not State.CLOSED:
            self._move(State.CLOSED, "it is known to answer again")

    def _move(self, state: State, reason: str) -> None:
        before, self.state = self.state, state
        self._is_probing = False
        self._successes = 0
        self._counts.clear()
        if state is State.OPEN:
            self._opened_at = self.clock()
        label = f"{self.name} of one shop" if self.shop else self.name
        if not self.shop:
            metrics.BREAKER.labels(label).set(state)
        metrics.TRANSITIONS.labels(label, state.name.lower()).inc()
        level = log.warning if state is State.OPEN else log.info
        level(
            "circuit moved",
            circuit=label,
            before=before.name.lower(),
            now=state.name.lower(),
            reason=reason,
            **({"shop": self.shop} if self.shop else {}),
        )


class Counts:
    """Calls and failures of the last seconds, a bucket a second: adding costs the same however
    many there are.
    """

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        self.clear()

    def clear(self) -> None:
        self._at = [-1] * self.seconds  # the second a bucket is of
        self._calls = [0] * self.seconds
        self._failed = [0] * self.seconds
        self._unnamed = [0] * self.seconds
        self._shops: dict[str, int] = {}  # the last few that failed, and in which second

    def add(self, now: float) -> int:
        """Count a call; its bucket."""
        second = int(now)
        place = second % self.seconds
        if self._at[place] != second:
            self._at[place] = second
            self._calls[place] = self._failed[place] = self._unnamed[place] = 0
        self._calls[place] += 1
        return place

    def add_failure(self, now: float, shop: str) -> None:
        place = self.add(now)
        self._failed[place] += 1
        if not shop:
            self._unnamed[place] += 1
            return
        self._shops.pop(shop, None)
        self._shops[shop] = int(now)
        if len(self._shops) > SHOPS_MIN:
            del self._shops[next(iter(self._shops))]  # the one that failed longest ago

    def total(self, now: float) -> tuple[int, int, int, int]:
        """Calls, failures, failures without a shop, and how many shops failed (more than three
        count as three).
        """
        since = int(now) - self.seconds
        places = [place for place in range(self.seconds) if self._at[place] > since]
        calls, failed, unnamed = (
            sum(counts[place] for place in places)
            for counts in (self._calls, self._failed, self._unnamed)
        )
        return calls, failed, unnamed, sum(at > since for at in self._shops.values())


_known: dict[str, Breaker] = {}


def states() -> dict[str, str]:
    """Every breaker of this process by name, but those of single shops: closed | half_open |
    open.
    """
    return {name: breaker.state.name.lower() for name, breaker in _known.items()}
