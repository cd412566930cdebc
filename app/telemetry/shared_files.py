"""The files in which processes share their metrics, on a disk that may be full: what has no room
there is counted in memory, and comes to the disk once there is some.
"""

import logging
import mmap
import os
import threading
import time
from pathlib import Path
from typing import Any

from prometheus_client import mmap_dict, values

AGAIN_SECONDS = 5.0
INITIAL_BYTES = 1 << 16


class RoomyDict(mmap_dict.MmapedDict):
    """prometheus_client's, which maps a file without asking for its room: where there is none the
    kernel ends the process (SIGBUS) at the first byte. This one asks first.
    """

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        if read_mode:
            super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]
            return
        self._again_at = 0.0
        try:
            _make_roomy(filename)
            super().__init__(filename)  # type: ignore[no-untyped-call]
        except OSError as error:
            _drop_empty(filename)
            self._f: Any = None
            self._fname, self._capacity = filename, INITIAL_BYTES
            self._m = mmap.mmap(-1, INITIAL_BYTES)
            self._positions: dict[str, int] = {}
            self._used = 8
            self._tell_used()
            self._go_on_in_memory(error)

    def _init_value(self, key: str) -> None:
        needed = self._used + len(key.encode()) + 32  # more than any padding
        if needed > self._capacity:
            self._grow(self._capacity * 2)
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def _grow(self, capacity: int) -> None:
        if self._f is not None:
            try:
                os.posix_fallocate(self._f.fileno(), 0, capacity)
            except OSError as error:
                self._go_on_in_memory(error)
            else:
                self._m = mmap.mmap(self._f.fileno(), capacity)
                self._capacity = capacity
                return
        wider = mmap.mmap(-1, capacity)
        wider[: self._used] = self._m[: self._used]
        self._m, self._capacity = wider, capacity

    def _go_on_in_memory(self, error: OSError) -> None:
        """A file that is there keeps what it had, for who scrapes; from here on each write looks
        now and then whether there is room again.
        """
        if self._f is not None:
            self._f.close()
            self._f = None
        self._again_at = time.monotonic() + AGAIN_SECONDS
        self.__dict__["write_value"] = self._write_in_memory  # costs nothing before
        _say("metrics are kept in memory: there is no room for them", self._fname, repr(error))

    def _write_in_memory(self, key: str, value: float, timestamp: float) -> None:
        if time.monotonic() > self._again_at:
            self._again_at = time.monotonic() + AGAIN_SECONDS
            self._come_back()
        type(self).write_value(self, key, value, timestamp)  # type: ignore[no-untyped-call]

    def _come_back(self) -> None:
        try:
            _make_roomy(self._fname, self._capacity)
            file = Path(self._fname).open("r+b")  # noqa: SIM115 - closed with the process
        except OSError:
            _drop_empty(self._fname)
            return
        found = mmap.mmap(file.fileno(), self._capacity)
        found[: self._used] = self._m[: self._used]
        self._f, self._m = file, found
        del self.__dict__["write_value"]  # the class' own again
        _say("metrics are on disk again", self._fname, "")

    def _tell_used(self) -> None:
        self._m[:4] = self._used.to_bytes(4, "little")


def use() -> None:
    """From here on, for every metric that is made."""
    values.MmapedDict = RoomyDict  # type: ignore[attr-defined]


def _make_roomy(filename: str, capacity: int = INITIAL_BYTES) -> None:
    """Make the file if it is not there, and have room for all of it. Raises OSError."""
    with Path(filename).open("ab") as file:
        size = os.fstat(file.fileno()).st_size
        os.posix_fallocate(file.fileno(), 0, max(size, capacity))


def _drop_empty(filename: str) -> None:
    """A file without a byte is one that nobody can scrape."""
    try:
        if not Path(filename).stat().st_size:
            Path(filename).unlink()
    except OSError:
        pass


def _say(event: str, file: str, error: str) -> None:
    """From a thread of its own: who counts holds a lock that a line of log may want."""
    log = logging.getLogger(__name__)
    text = f"{event} ({file}) {error}".rstrip()
    threading.Thread(target=log.warning, args=(text,), daemon=True).start()
