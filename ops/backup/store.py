"""The folder that backups are kept in: what is there is whole, and nothing is ever overwritten."""

import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from ops.backup import sealing

SEALED = ".sealed"
PART = ".part"  # of whatever is not whole yet
NAME = "%Y%m%dT%H%M%S.%fZ"
FULL, INCREMENTAL = "full", "incremental"
KEPT_DAYS = 14
WAL_NAME = re.compile(
    r"[0-9A-F]{24}(\.[0-9A-F]{8}\.backup|\.partial)?|[0-9A-F]{8}\.history", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Store:
    """Where backups are (`folder`), the keys (the first seals, all open), and how long what is
    needed to go back is kept.
    """

    folder: Path
    keys: tuple[bytes, ...]
    kept_days: int = KEPT_DAYS

    @property
    def bases(self) -> Path:
        return self.folder / "base"

    @property
    def wal(self) -> Path:
        return self.folder / "wal"

    @property
    def spool(self) -> Path:
        """Where `receive` has segments that are not full yet; not sealed."""
        return self.folder / "spool"


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that is whole; moments are aware UTC of the machine that took it, positions of the
    log as Postgres writes them.
    """

    name: str
    kind: str
    parent: str  # of an incremental one, else ""
    started_at: str
    ended_at: str
    timeline: int
    wal_from: str
    wal_to: str
    files: int
    bytes: int
    sealed_bytes: int

    @property
    def ended(self) -> datetime:
        return datetime.fromisoformat(self.ended_at)

    @property
    def started(self) -> datetime:
        return datetime.fromisoformat(self.started_at)


def from_environment(environ: Mapping[str, str] | None = None) -> Store:
    """The store of BACKUP_FOLDER and BACKUP_KEYS (or the file BACKUP_KEYS_FILE, read each time).

    Raises SystemExit, naming what is missing. Nothing else of the program's settings is asked for:
    the archive command runs where only Postgres is.
    """
    env = os.environ if environ is None else environ
    folder, kept = env.get("BACKUP_FOLDER", ""), env.get("BACKUP_KEPT_DAYS") or str(KEPT_DAYS)
    given = env.get("BACKUP_KEYS", "")
    if not given and env.get("BACKUP_KEYS_FILE"):
        given = Path(env["BACKUP_KEYS_FILE"]).read_text(encoding="utf-8")
    names = [name for name in re.split(r"[\s,]+", given) if name]
    if not folder or not names:
        raise SystemExit("Backups need BACKUP_FOLDER, and BACKUP_KEYS or BACKUP_KEYS_FILE.")
    if not kept.isdigit() or int(kept) < 1:
        raise SystemExit("BACKUP_KEPT_DAYS must be a number of days above 0.")
    try:
        keys = tuple(map(sealing.key_of, names))
    except ValueError:
        raise SystemExit("Each of BACKUP_KEYS must be 32 bytes in URL-safe base64.") from None
    return Store(Path(folder).absolute(), keys, int(kept))


def prepare(store: Store) -> None:
    """Make what is in the folder; the folder itself is somebody's disk. Raises SystemExit where
    that is not there.
    """
    if not store.folder.is_dir():
        raise SystemExit(f"BACKUP_FOLDER, {store.folder}, is not there: make it, or mount it.")
    for folder in (store.bases, store.wal, store.spool):
        folder.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def alone(store: Store) -> Iterator[None]:
    """Nobody else takes a backup or ends old ones meanwhile. Raises SystemExit when somebody
    does.
    """
    prepare(store)
    with (store.folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit("Another backup, or an end of old ones, is under way.") from None
        yield


def backups(store: Store) -> list[Backup]:
    """All that are whole, the oldest first."""
    if not store.bases.is_dir():
        return []
    found = [
        Backup(**json.loads((folder / "about.json").read_text(encoding="utf-8")))
        for folder in store.bases.iterdir()
        if folder.suffix != PART
    ]
    return sorted(found, key=lambda one: one.name)


def chain(all_of_them: Sequence[Backup], last: Backup) -> list[Backup]:
    """The full backup that `last` stands on, and those between. Raises SystemExit when one is
    missing.
    """
    known = {one.name: one for one in all_of_them}
    found = [last]
    while found[0].parent:
        if found[0].parent not in known:
            raise SystemExit(f"{found[0].name} stands on {found[0].parent}, which is not there.")
        found.insert(0, known[found[0].parent])
    return found


@contextmanager
def unfinished(store: Store, kind: str, now: datetime) -> Iterator[tuple[str, Path]]:
    """A name and a folder for a backup, which becomes one by `finish`; goes when that is not
    reached.
    """
    name = f"{now:{NAME}}-{kind}"
    folder = store.bases / f"{name}{PART}"
    folder.mkdir(mode=0o700)
    try:
        yield name, folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def finish(store: Store, folder: Path, backup: Backup) -> Backup:
    """Let the backup in `folder` be one, whole and on disk."""
    ended = replace(backup, ended_at=datetime.now(UTC).isoformat())
    with (folder / "about.json").open("x", encoding="utf-8") as about:
        json.dump(asdict(ended), about, indent=2)
        about.flush()
        os.fsync(about.fileno())
    _sync(folder)
    folder.rename(store.bases / backup.name)
    _sync(store.bases)
    return ended


@contextmanager
def sealed_into(path: Path, key: bytes) -> Iterator[sealing.Sealer]:
    """A new file in which what is written is sealed; on disk at the end. Raises
    FileExistsError.
    """
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(number, "wb") as out:
        sealer = sealing.Sealer(out, key)
        yield sealer
        sealer.close()
        out.flush()
        os.fsync(out.fileno())


def put(store: Store, name: str, source: BinaryIO) -> bool:
    """Keep a segment of the log under its name; False when it was there already, the same.

    Raises FileExistsError when another one is: nothing is overwritten, whoever asks. Raises
    SystemExit where no archive was begun: a folder whose disk is not mounted looks like that.
    """
    if not store.wal.is_dir():
        raise SystemExit(
            f"{store.folder} has no archive: take a full backup, or mount the disk that has it."
        )
    final = store.wal / f"{name}{SEALED}"
    part = store.wal / f"{name}.{secrets.token_hex(8)}{PART}"
    try:
        with sealed_into(part, store.keys[0]) as out:
            shutil.copyfileobj(source, out, sealing.PIECE_BYTES)
        try:
            os.link(part, final)  # as rename, but never in the place of another
        except FileExistsError:
            if _is_same(store, part, final):
                return False
            raise
        _sync(store.wal)
    finally:
        part.unlink(missing_ok=True)
    return True


def _is_same(store: Store, one: Path, other: Path) -> bool:
    with one.open("rb") as first, other.open("rb") as second:
        left = sealing.open_sealed(first, store.keys)
        right = sealing.open_sealed(second, store.keys)
        while True:
            piece = left.read(sealing.PIECE_BYTES)
            if piece != right.read(sealing.PIECE_BYTES):
                return False
            if not piece:
                return True


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
