"""Whether the work of this process goes on: how far behind it is, and since when it has had work
and finished none.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MOVED_SECONDS = 0.1  # less is the jitter of two measurements


class Progress:
    """One of a process. Who consumes calls `made()` whenever something is finished (committed,
    acknowledged), and holds `busy()` while a batch is in hand; the heartbeat calls `lag()` or
    `unknown()` every second.

    All of it is counted on this process' monotonic clock. Lag is that of the work that is this
    process' to do: a standby has none.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.lag_seconds = 0.0
        self._made_at = self._measured_at = clock()
        self._waiting_since: float | None = None
        self._in_hand: dict[object, float] = {}

    def made(self) -> None:
        self._made_at = self._clock()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Work in hand counts as work that waits: a lane that is leased is in no queue any more."""
        batch = object()
        self._in_hand[batch] = self._clock()
        try:
            yield
        finally:
            del self._in_hand[batch]

    def lag(self, seconds: float) -> None:
        """How long the oldest work has waited, just measured: 0 when there is none.

        When it grew less than time went by, the oldest of before was finished, if by another
        process: that is progress, too.
        """
        now = self._clock()
        seconds = max(seconds, now - min(self._in_hand.values(), default=now))
        expected = self.lag_seconds + (now - self._measured_at)
        if self.lag_seconds > 0 and seconds < expected - MOVED_SECONDS:
            self._made_at = now
        if seconds <= 0:
            self._waiting_since = None
        elif self._waiting_since is None:
            # at the last look nothing waited here: the rest of its age it spent on its way to us
            self._waiting_since = max(now - seconds, self._measured_at)
        self.lag_seconds, self._measured_at = seconds, now

    def unknown(self) -> None:
        """It cannot be measured, for a store is away: then it grows, and nobody is to blame."""
        now = self._clock()
        self.lag_seconds += now - self._measured_at
        self._measured_at, self._waiting_since = now, None

    def since_made_seconds(self) -> float:
        """Since something was last finished, or since the process began."""
        return self._clock() - self._made_at

    def stuck_seconds(self) -> float:
        """For how long there has been work and none was finished; 0 while all is well."""
        since = self._waiting_since
        return 0.0 if since is None else max(0.0, self._clock() - max(since, self._made_at))
