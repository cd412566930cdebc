"""What is known of the canary, in a file beside the router, and the locks that keep two controllers
from acting at once.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

HISTORY_MAX = 50
RUNNING, PROMOTED, ROLLED_BACK, NONE = "running", "promoted", "rolled back", "none"


class BusyError(Exception):
    """Another controller is at it; the text says which process."""


class State(msgspec.Struct):
    """`share` in parts of 10,000; moments in seconds since 1970; `pins` are shop → track."""

    status: str = NONE
    release: str = ""
    share: int = 0
    step_since: float = 0.0
    reason: str = ""
    pins: dict[str, str] = {}
    history: list[str] = []

    def note(self, what: str) -> None:
        """Add a line with its time to the history, which keeps the last ones."""
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.history = [*self.history, f"{at} {what}"][-HISTORY_MAX:]


def read(folder: Path) -> State:
    """What is known; a fresh state where nothing is."""
    try:
        return msgspec.json.decode((folder / "state.json").read_bytes(), type=State)
    except FileNotFoundError:
        return State()


@contextmanager
def acting(folder: Path) -> Iterator[State]:
    """The state, to be changed; kept on disk at the end, unless the block raises. Nobody else acts
    meanwhile, so a block is short: it tells the router, and that is all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "act.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = read(folder)
        yield found
        _write(folder, found)


@contextmanager
def controlling(folder: Path) -> Iterator[None]:
    """Be the only controller for as long as the block lasts; the kernel lets go of a dead one.
    Raises BusyError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "controller.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise BusyError(
                f"Process {lock.read().strip() or 'unknown'} controls the canary already."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _write(folder: Path, state: State) -> None:
    part = folder / "state.json.part"
    with part.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(state)))
        file.flush()
        os.fsync(file.fileno())
    part.rename(folder / "state.json")
