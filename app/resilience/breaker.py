"""A circuit breaker in this process's memory: closed, open, half-open; asking it costs no
network call.
"""

import time
from collections import deque
from collections.abc import Callable
from enum import IntEnum

from app.telemetry import logs, metrics

log = logs.logger()


class State(IntEnum):
    """The numbers are those of the `holdfast_breaker_state` gauge."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Breaker:
    """Opens after `error_threshold` failures within `window_seconds`.

    Open, it refuses for `open_seconds`; then half-open, it lets one probe through at a time, closes
    after `success_threshold` successes, and opens again at the first failure. With a threshold of 1
    a single slow answer cuts everybody off; with a very high one every caller waits out the
    deadline of a dead part.
    """

    def __init__(
        self,
        name: str,
        *,
        error_threshold: int = 5,
        window_seconds: float = 10.0,
        open_seconds: float = 5.0,
        success_threshold: int = 2,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.error_threshold = error_threshold
        self.window_seconds = window_seconds
        self.open_seconds = open_seconds
        self.success_threshold = success_threshold
        self.clock = clock
        self.state = State.CLOSED
        self._failed_at: deque[float] = deque(maxlen=error_threshold)
        self._opened_at = 0.0
        self._successes = 0
        self._is_probing = False
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
        if self.state is not State.HALF_OPEN:
            return
        self._is_probing = False
        self._successes += 1
        if self._successes >= self.success_threshold:
            self._move(State.CLOSED, f"{self._successes} probes succeeded")

    def failure(self, reason: str) -> None:
        now = self.clock()
        if self.state is State.HALF_OPEN:
            self._move(State.OPEN, f"probe failed: {reason}")
        elif self.state is State.CLOSED:
            self._failed_at.append(now)
            is_full = len(self._failed_at) == self.error_threshold
            if is_full and now - self._failed_at[0] <= self.window_seconds:
                self._move(
                    State.OPEN,
                    f"{self.error_threshold} failures within {self.window_seconds:g} s: {reason}",
                )

    def neutral(self) -> None:
        """The call said nothing about the other side (the caller gave up, or was itself at
        fault).
        """
        self._is_probing = False

    def _move(self, state: State, reason: str) -> None:
        before, self.state = self.state, state
        self._is_probing = False
        self._successes = 0
        self._failed_at.clear()
        if state is State.OPEN:
            self._opened_at = self.clock()
        metrics.BREAKER.labels(self.name).set(state)
        metrics.TRANSITIONS.labels(self.name, state.name.lower()).inc()
        level = log.warning if state is State.OPEN else log.info
        level(
            "circuit moved",
            circuit=self.name,
            before=before.name.lower(),
            now=state.name.lower(),
            reason=reason,
        )


_known: dict[str, Breaker] = {}


def states() -> dict[str, str]:
    """Every breaker of this process by name: closed | half_open | open."""
    return {name: breaker.state.name.lower() for name, breaker in _known.items()}
