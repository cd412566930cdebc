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
        raise SystemExit("There is no backup to begin from" + (f" at {at}." if at else "."))
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
    if folder.exists() and any(folder.iterdir()):
        raise SystemExit(f"{folder} is not empty; a restore never writes over anything.")
    links = store.chain(store.backups(kept), choose(kept, at, name))
    parts = folder.with_name(f"{folder.name}{store.PART}")
    parts.mkdir(mode=0o700)
    try:
        for number, one in enumerate(links):
            (parts / str(number)).mkdir(mode=0o700)
            taking.read(kept, one, parts / str(number))
        _own(parts, owner)
        if folder.exists():
            folder.rmdir()
        if len(links) == 1:
            (parts / "0").rename(folder)
        else:
            _combine([parts / str(number) for number in range(len(links))], folder)
    finally:
        shutil.rmtree(parts)
    _tell(folder, at)
    _own(folder, owner)
    return links[-1]


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
