"""Log lines on their way out: a bounded queue, and a thread that writes them, so that whoever
logs never waits for whoever reads.
"""

import atexit
import contextlib
import os
import select
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from app.telemetry.metrics import LOG_LINES_DROPPED

LINES_MAX = 10_000  # at a line a request some seconds of a busy web process
BYTES_MAX = 8 * 1024 * 1024  # a traceback is long: lines alone would not bound the memory
WRITE_BYTES_MAX = 256 * 1024
# lines of so long go out in one write: a thread woken for each costs more than the line itself, and
# a kill -9 takes no more than these with it
GATHER_SECONDS = 0.02
FLUSH_SECONDS_MAX = 2.0  # at the end of a process, which must not wait for its reader either


class Outlet:
    """Takes whole lines (bytes with their newline) from any thread and writes them in order to a
    file descriptor of its own.

    What does not fit is dropped and counted; once there is room again `dropped_line(count)` stands
    in its place. A reader that has left (EPIPE), a full disk or a descriptor of None cost lines,
    and raise nothing.
    """

    def __init__(self, descriptor: int | None, dropped_line: Callable[[int], bytes]) -> None:
        self.descriptor = descriptor
        self.dropped_line = dropped_line
        # a number stands where so many lines were dropped
        self._waiting: SimpleQueue[bytes | int] = SimpleQueue()
        # re-entrant: the garbage collector may log in the middle of a put
        self._lock = threading.RLock()
        self._dropped = 0  # since the last number
        self._put_count = self._put_bytes = 0  # changed under the lock
        self._done_count = self._done_bytes = 0  # changed by the writing thread alone
        threading.Thread(target=self._write_for_ever, name="log outlet", daemon=True).start()
        atexit.register(self.flush)

    def put(self, line: bytes) -> None:
        """Hand over a line; returns at once, whatever the reader does."""
        with self._lock:
            bytes_waiting = self._put_bytes - self._done_bytes
            if self._waiting.qsize() >= LINES_MAX or bytes_waiting + len(line) > BYTES_MAX:
                self._dropped += 1
                LOG_LINES_DROPPED.inc()
                return
            self._mark_the_gap()
            self._put(line)

    def flush(self, seconds: float = FLUSH_SECONDS_MAX) -> None:
        """Wait until everything handed over is written, but no longer than `seconds`."""
        ends = time.monotonic() + seconds
        with self._lock:
            self._mark_the_gap()
        while self._done_count < self._put_count and time.monotonic() < ends:
            time.sleep(0.005)

    def _put(self, line: bytes | int) -> None:
        self._put_count += 1
        self._put_bytes += _size(line)
        self._waiting.put(line)

    def _mark_the_gap(self) -> None:
        if self._dropped:
            count, self._dropped = self._dropped, 0
            self._put(count)

    def _write_for_ever(self) -> None:
        while True:
            lines = self._next()
            try:
                texts = [self.dropped_line(x) if isinstance(x, int) else x for x in lines]
                _write_all(self.descriptor, b"".join(texts))
            except OSError:
                with self._lock:
                    self._dropped += sum(x if isinstance(x, int) else 1 for x in lines)
                LOG_LINES_DROPPED.inc(sum(not isinstance(x, int) for x in lines))
            else:
                with self._lock:
                    if self._waiting.empty():
                        self._mark_the_gap()
            self._done_bytes += sum(map(_size, lines))
            self._done_count += len(lines)

    def _next(self) -> list[bytes | int]:
        """Waits for a line; then what has gathered behind it."""
        lines = [self._waiting.get()]
        time.sleep(GATHER_SECONDS)
        size = _size(lines[0])
        with contextlib.suppress(Empty):
            while size < WRITE_BYTES_MAX:
                lines.append(self._waiting.get_nowait())
                size += _size(lines[-1])
        return lines


def _size(line: bytes | int) -> int:
    return 0 if isinstance(line, int) else len(line)


def _write_all(descriptor: int | None, data: bytes) -> None:
    if descriptor is None:
        raise BrokenPipeError
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:  # somebody made the pipe non-blocking, and it is full
            select.select((), (descriptor,), (), 1.0)
