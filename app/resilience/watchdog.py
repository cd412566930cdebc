"""Ends a process that has work and finishes none, or whose event loop stands still, so that its
supervisor starts it again.
"""

import asyncio
import contextvars
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from app.resilience.progress import Progress
from app.telemetry import logs, reports

# Longer than any deadline, lease or lock limit of ours and than a failover of a store: what is
# still stuck after this ends by no rule, and a fresh process costs seconds.
STUCK_SECONDS_MAX = 60.0
LOOK_EVERY_SECONDS = 1.0
# a look that comes so late means that the process itself stood still (SIGSTOP, a machine asleep):
# that time is nobody's fault
PAUSED_SECONDS = 5.0
EXIT_CODE = 70  # EX_SOFTWARE of sysexits.h

log = logs.logger()


@contextmanager
def watching(progress: Progress | None = None) -> Iterator[None]:
    """Watch this process while the block runs; enter it in the event loop that is watched.

    A thread does it: it still acts when the loop does not. While the stores do not answer nobody is
    ended (`progress.unknown()` says so), for no other process could go on either.
    """
    watchdog = Watchdog(progress)
    loop = asyncio.get_running_loop()

    def ask_the_loop() -> None:
        loop.call_soon_threadsafe(watchdog.loop_answers)

    # with this context, so that its lines say whose they are
    run = contextvars.copy_context().run
    arguments = (watchdog.watch, ask_the_loop)
    threading.Thread(target=run, args=arguments, name="watchdog", daemon=True).start()
    try:
        yield
    finally:
        watchdog.over.set()


class Watchdog:
    """What the thread knows. `end` is what it does about it (for tests)."""

    def __init__(
        self,
        progress: Progress | None,
        clock: Callable[[], float] = time.monotonic,
        end: Callable[[str, float], object] | None = None,
    ) -> None:
        self.progress = progress
        self.clock = clock
        self.end = end or _end
        self.over = threading.Event()
        self.looked_at = self.answered_at = self.excused_until = clock()

    def loop_answers(self) -> None:
        self.answered_at = self.clock()

    def watch(self, ask_the_loop: Callable[[], None]) -> None:
        while not self.over.wait(LOOK_EVERY_SECONDS):
            self.look()
            try:
                ask_the_loop()
            except RuntimeError:  # the loop is closed, and with it the process
                return

    def look(self) -> None:
        """End the process when it is time to."""
        now = self.clock()
        if now - self.looked_at > PAUSED_SECONDS:
            self.excused_until, self.answered_at = now + STUCK_SECONDS_MAX, now
        self.looked_at = now
        stands_still_seconds = now - self.answered_at
        if stands_still_seconds >= STUCK_SECONDS_MAX:
            self.end("its event loop stands still", stands_still_seconds)
        stuck_seconds = self.progress.stuck_seconds() if self.progress else 0.0
        if stuck_seconds >= STUCK_SECONDS_MAX and now >= self.excused_until:
            self.end("it has work and finishes none", stuck_seconds)


def _end(why: str, seconds: float) -> NoReturn:
    # the only way to another thread's stack
    frame = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001
    where = "".join(traceback.format_stack(frame)) if frame else ""
    log.critical("the watchdog ends this process", why=why, seconds=round(seconds), at=where)
    reports.flush()
    logs.flush()
    os._exit(EXIT_CODE)
