"""Restores a backup into a folder of its own, from where Postgres goes on to the moment wanted."""

import os
import shlex
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from ops.backup import store, taking, tools
from ops.backup.store import Backup, Store

ROOT = Path(__file__).resolve().parent.parent.parent
VERSION = "PG_VERSION"
TARGET = """
# written by the restore
restore_command = '{command}'
recovery_target_action = 'promote'
recovery_target_timeline = 'latest'
"""


def choose(kept: Store, at: datetime | None, name: str = "") -> Backup:
    """The newest backup that was whole `at` that moment, or the one of this `name`.

    Raises SystemExit when there is none.
    """
    found = store.backups(kept)
    if name:
        found = [one for one in found if one.name == name]
    elif at is not None:
        found = [one for one in found if one.ended <= at]
    if not found:
        oldest = min((one.ended for one in store.backups(kept)), default=None)
        said = f" The oldest is of {oldest}." if oldest and not name else ""
        when = f" at {at}." if at else f" of the name {name}." if name else "."
        raise SystemExit(f"There is no backup to begin from{when}{said}")
    return found[-1]


def restore(
    kept: Store,
    folder: Path,
    at: datetime | None = None,
    name: str = "",
    *,
    owner: int | None = None,
) -> Backup:
    """Put the database into `folder`, which must not be there yet or be empty, ready for Postgres
    to be started on it: it takes the log from the archive up to `at` (aware), or to its end.

    Every file is checked on its way. Files belong to `owner` where that is given. Raises
    SystemExit, or DamagedError of a backup that is not what was taken.
    """
    folder = folder.resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SystemExit(f"{folder} is not empty; a restore never writes over anything.")
    links = store.chain(store.backups(kept), choose(kept, at, name))
    is_new = not folder.exists()  # else it may be a disk of its own
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    parts = folder / store.PART
    parts.mkdir(mode=0o700)
    try:
        whole = _put_together(kept, links, parts, owner)
        _tell(whole, at)
        # without this file Postgres does not start: it comes last, when all the others are there
        for path in sorted(whole.iterdir(), key=lambda one: one.name == VERSION):
            path.rename(folder / path.name)
    except BaseException:
        shutil.rmtree(folder if is_new else parts)
        raise
    shutil.rmtree(parts)
    _own(folder, owner)
    folder.chmod(0o700)
    return links[-1]


def _put_together(kept: Store, links: list[Backup], parts: Path, owner: int | None) -> Path:
    """The folder, among `parts`, in which the whole of them is."""
    found = [parts / str(number) for number in range(len(links))]
    for one, part in zip(links, found, strict=True):
        part.mkdir(mode=0o700)
        taking.read(kept, one, part)
    if len(found) == 1:
        return found[0]
    _own(parts, owner)
    _combine(found, parts / "whole")
    return parts / "whole"


def _combine(folders: list[Path], into: Path) -> None:
    done = subprocess.run(
        [tools.find("pg_combinebackup"), *map(str, folders), f"--output={into}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"The backups do not fit together: {done.stderr.strip()}")


def _tell(folder: Path, at: datetime | None) -> None:
    """How to go on from here; what an administrator set with ALTER SYSTEM stays."""
    command = (
        f"PYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} "
        "-m ops.backup fetch %f %p"
    )
    text = TARGET.format(command=command.replace("'", "''"))
    if at is not None:
        text += f"recovery_target_time = '{at.isoformat()}'\n"
    with (folder / "postgresql.auto.conf").open("a", encoding="utf-8") as settings:
        settings.write(text)
    (folder / "recovery.signal").touch(mode=0o600)


def _own(folder: Path, owner: int | None) -> None:
    if owner is None:
        return
    for path, _, names in os.walk(folder):
        os.chown(path, owner, owner)
        for name in names:
            os.chown(Path(path) / name, owner, owner, follow_symlinks=False)
