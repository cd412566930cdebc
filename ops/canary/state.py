"""What is known of the canary, in a file beside the router, and the locks that keep two controllers
from acting at once.
"""

import contextlib
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


class BrokenError(Exception):
    """What is known of the canary cannot be read; the text says what to do."""


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
    """What is known; a fresh state where nothing is. Raises BrokenError, OSError."""
    try:
        return msgspec.json.decode((folder / "state.json").read_bytes(), type=State)
    except FileNotFoundError:
        return State()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BrokenError(
            f"{folder / 'state.json'} cannot be read ({error}): `rollback` begins it anew."
        ) from error


def read_anyhow(folder: Path) -> State:
    """The same for who takes everything back: what cannot be read is put aside."""
    try:
        return read(folder)
    except BrokenError as error:
        with contextlib.suppress(OSError):
            (folder / "state.json").rename(folder / "state.json.broken")
        begun = State(pins={})
        begun.note(str(error))
        return begun


def write(folder: Path, state: State) -> None:
    """Keep it on disk, whole or not at all. Raises OSError."""
    part = folder / "state.json.part"
    with part.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(state)))
        file.flush()
        os.fsync(file.fileno())
    part.rename(folder / "state.json")


@contextmanager
def acting(folder: Path) -> Iterator[State]:
    """The state, to be changed; kept on disk at the end, unless the block raises. Nobody else acts
    meanwhile, so a block is short: it tells the router, and that is all. Raises BrokenError,
    OSError.
    """
    with alone(folder):
        found = read(folder)
        yield found
        write(folder, found)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else acts while the block lasts. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "act.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
        with contextlib.suppress(OSError):  # a name for people; a full disk keeps nobody back
            os.ftruncate(lock.fileno(), 0)
            os.write(lock.fileno(), str(os.getpid()).encode())
        yield
