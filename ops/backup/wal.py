"""The log in the archive: put there by Postgres' archive command or by pg_receivewal, fetched when
a backup is restored, and looked through for gaps.
"""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from ops.backup import sealing, store, tools
from ops.backup.sealing import DamagedError
from ops.backup.store import SEALED, WAL_NAME, Backup, Store

SEGMENT_BYTES = 16 * 1024 * 1024
SEGMENTS_A_LOG = 0x1_0000_0000 // SEGMENT_BYTES
SLOT = "holdfast_receive"
TIMELINE, SEGMENT_NAME = 8, 24  # characters
LOOK_SECONDS = 1.0
AGAIN_SECONDS_MAX = 30.0
STOP_SECONDS = 20.0
# Postgres ends a recovery quietly where a file of the log is not to be had (1), as it must at the
# end of the archive; one that is there and damaged must stop it instead.
NOT_THERE, NOT_TO_BE_READ = 1, 200


def archive(kept: Store, path: Path, name: str) -> None:
    """Keep the segment at `path`: whole and on disk, or not at all. Raises FileExistsError when
    another one of that name is kept.
    """
    if not WAL_NAME.fullmatch(name):
        raise SystemExit(f"{name} is no file of the log.")
    with path.open("rb") as source:
        store.put(kept, name, source)


def fetch(kept: Store, name: str, target: Path) -> int:
    """Put a file of the log where Postgres asks for it; the exit code that tells it how it went."""
    if not WAL_NAME.fullmatch(name):
        return NOT_THERE
    part = target.with_name(f"{target.name}{store.PART}")
    sealed = kept.wal / f"{name}{SEALED}"
    # the last segment is not full: only the receiver has what was written of it
    spooled = [kept.spool / name, kept.spool / f"{name}.partial"]
    try:
        if not kept.wal.is_dir():
            raise FileNotFoundError(f"{kept.wal} is not there")
        if sealed.exists():
            with sealed.open("rb") as source, part.open("wb") as out:
                shutil.copyfileobj(sealing.open_sealed(source, kept.keys), out)
        elif found := [one for one in spooled if one.exists()]:
            shutil.copyfile(found[0], part)
        elif is_gap(kept, name):
            raise DamagedError("it is missing, and later ones are there")  # noqa: TRY301 - the same
        else:
            return NOT_THERE
        part.replace(target)
    except (DamagedError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return NOT_TO_BE_READ
    return 0


def is_gap(kept: Store, name: str) -> bool:
    """Whether the archive has segments of the same timeline before and after this one: it has not
    ended there, and a recovery that did would quietly lose what comes after.
    """
    timeline = name[:TIMELINE]
    found = sorted(
        path.name[: len(name)] for path in kept.wal.glob(f"{timeline}????????????????{SEALED}")
    )
    return len(name) == SEGMENT_NAME and bool(found) and found[0] < name < found[-1]


def receive(kept: Store, url: str) -> None:
    """Take the log as it is written, until SIGTERM or SIGINT: what Postgres counts as on disk here
    (`synchronous_standby_names`) is not lost with it. Segments that are full go to the archive.
    """
    store.prepare(kept)
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda at, _: stopping.append(at))
    seconds = LOOK_SECONDS
    while not stopping:
        running = _receiver(kept, url)
        while running.poll() is None and not stopping:
            time.sleep(LOOK_SECONDS)
            try:
                if ship(kept):
                    seconds = LOOK_SECONDS
            except OSError as error:  # such as no room: they stay in the spool
                print(f"Full segments cannot be kept now: {error}", file=sys.stderr)
                time.sleep(seconds)
                seconds = min(2 * seconds, AGAIN_SECONDS_MAX)
        if stopping:
            running.terminate()
            try:
                running.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
        else:
            time.sleep(seconds)  # Postgres is away: ever less often
            seconds = min(2 * seconds, AGAIN_SECONDS_MAX)
    ship(kept)


def ship(kept: Store) -> int:
    """Move full segments from the spool to the archive; how many there were."""
    found = [one for one in sorted(kept.spool.iterdir()) if WAL_NAME.fullmatch(one.name)]
    full = [one for one in found if one.suffix != ".partial"]
    for path in full:
        archive(kept, path, path.name)
        path.unlink()
    return len(full)


def _receiver(kept: Store, url: str) -> "subprocess.Popen[bytes]":
    common = [
        tools.find("pg_receivewal"),
        f"--dbname={tools.address(url)}",
        "--no-password",
        f"--slot={SLOT}",
    ]
    subprocess.run([*common, "--create-slot", "--if-not-exists"], check=False)
    receiving = [*common, f"--directory={kept.spool}", "--synchronous", "--no-loop"]
    return subprocess.Popen(receiving)


def missing(kept: Store, backup: Backup) -> list[str]:
    """The segments that this backup needs and the archive has not."""
    first, last = _segment(backup.wal_from), _segment(backup.wal_to)
    names = [segment_name(backup.timeline, number) for number in range(first, last + 1)]
    return [name for name in names if not (kept.wal / f"{name}{SEALED}").exists()]


def first_name(backup: Backup) -> str:
    """The first segment that is needed to restore this backup."""
    return segment_name(backup.timeline, _segment(backup.wal_from))


def segment_name(timeline: int, number: int) -> str:
    return f"{timeline:08X}{number // SEGMENTS_A_LOG:08X}{number % SEGMENTS_A_LOG:08X}"


def _segment(position: str) -> int:
    """The number of the segment in which a position such as `1/A0000028` is."""
    high, low = position.split("/")
    return ((int(high, 16) << 32) + int(low, 16)) // SEGMENT_BYTES
