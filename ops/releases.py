"""`python -m ops.releases list | keep NAME [REF] | start NAME PROCESS`: the last builds, each with
its code in a folder of its own, over the same stores; for machines without containers.
"""

import argparse
import fcntl
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from app.config import RELEASE, ROOT

KEPT = 2
LOCKED = "requirements.lock"


class ReleaseError(Exception):
    """What was asked for cannot be done; the text says why."""


def keep(folder: Path, name: str, ref: str) -> Path:
    """Keep the commit `ref` as the build `name`, with what it needs installed; older builds go, but
    for the last two and those that run. Raises ReleaseError.
    """
    if not RELEASE.fullmatch(name):
        raise ReleaseError("A name has letters, digits, dots and dashes alone, 64 at most.")
    place = folder / name
    if place.exists():
        raise ReleaseError(f"{name} is kept already; a build never changes.")
    part = folder / f".{name}.part"
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        _unpack(ref, part)
        _install(part)
        _try_out(part)
        part.rename(place)
        os.utime(place)
    except OSError as error:  # such as a full disk, or no git
        raise ReleaseError(f"{name} is not kept: {error}.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    _prune(folder)
    return place


def kept(folder: Path) -> list[Path]:
    """The builds there are, the newest first."""
    # a link is somebody's own, and not ours to forget
    found = [path for path in folder.glob("[!.]*") if path.is_dir() and not path.is_symlink()]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def command(folder: Path, name: str, process: str) -> list[str]:
    """What the build's own Procfile says, with its own Python. Raises ReleaseError."""
    place = folder / name
    if not place.is_dir():
        known = ", ".join(path.name for path in kept(folder)) or "none"
        raise ReleaseError(f"There is no build {name}; kept are: {known}.")
    line = re.search(
        rf"^{re.escape(process)}: (.+)$", (place / "Procfile").read_text(), re.MULTILINE
    )
    if line is None:
        raise ReleaseError(f"{name} has no process {process}.")
    python = str(place / ".venv/bin/python")
    return [python if part == "python" else part for part in shlex.split(line[1])]


def start(folder: Path, name: str, process: str) -> None:
    """Become that process of that build. While it runs its build is not forgotten."""
    argv = command(folder, name, process)
    in_use = os.open(folder / f".{name}.lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(in_use, fcntl.LOCK_SH)
    os.set_inheritable(in_use, True)
    environment = {"HOLDFAST_DATA": str(ROOT / ".holdfast"), **os.environ, "RELEASE": name}
    try:
        os.chdir(folder / name)
        os.execve(argv[0], argv, environment)
    except OSError as error:
        raise ReleaseError(f"{name} does not start: {error}. Start the other build.") from error


def _unpack(ref: str, place: Path) -> None:
    """The commit as it is, whatever else lies in our own folder. Raises ReleaseError, OSError."""
    if ref.startswith("-"):
        raise ReleaseError(f"{ref} is no commit.")
    archive = subprocess.run(
        ["git", "archive", "--format=tar", ref], cwd=ROOT, capture_output=True, check=False
    )
    if archive.returncode:
        raise ReleaseError(archive.stderr.decode().strip())
    _done(["tar", "-x", "-C", str(place)], archive.stdout)


def _try_out(place: Path) -> None:
    """What cannot start is not kept: the build before it stays the last one that can. Raises
    ReleaseError, OSError.
    """
    _done([str(place / ".venv/bin/python"), "-c", "import starlette, asyncpg, redis"])


def _done(command: list[str], given: bytes = b"") -> None:
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise ReleaseError(f"{command[0]} failed: {said[-1] if said else done.returncode}")


def _install(place: Path) -> None:
    """Its own environment; ours, where it needs the very same."""
    environment = place / ".venv"
    if (place / LOCKED).read_bytes() == (ROOT / LOCKED).read_bytes():
        environment.symlink_to(sys.prefix)
        return
    _done([sys.executable, "-m", "venv", str(environment)])
    options = ["--quiet", "--require-hashes", "-r", str(place / LOCKED)]
    _done([str(environment / "bin/pip"), "install", *options])


def _prune(folder: Path) -> None:
    for place in kept(folder)[KEPT:]:
        lock = folder / f".{place.name}.lock"
        with lock.open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # it runs
            # a virtual environment that is a link is unlinked, not followed
            shutil.rmtree(place)
            lock.unlink()


def main(given: argparse.Namespace) -> int:
    """Do what is asked; 0 when it was done, 2 when it cannot be."""
    folder = Path(given.folder).resolve()
    try:
        if given.command == "keep":
            print(keep(folder, given.name, given.ref))
        elif given.command == "start":
            start(folder, given.name, given.process)
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 2
    for place in kept(folder):
        at = time.strftime("%Y-%m-%d %H:%M", time.gmtime(place.stat().st_mtime))
        print(f"{place.name}  kept since {at} UTC")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ops.releases", description=__doc__)
    default = os.environ.get("RELEASES_FOLDER", str(ROOT / ".holdfast/releases"))
    parser.add_argument("--folder", default=default)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the builds there are, the newest first")
    keeping = commands.add_parser("keep", help="keep a commit as a build")
    keeping.add_argument("name")
    keeping.add_argument("ref", nargs="?", default="HEAD")
    starting = commands.add_parser("start", help="become a process of a build")
    starting.add_argument("name")
    starting.add_argument("process", help="a line of its Procfile, such as web")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main(_arguments()))
