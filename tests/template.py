"""A cluster as the release process leaves it, made once for all processes of a test run and copied:
making one takes five times as long.
"""

import fcntl
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local import processes, servers

FOLDER = "HOLDFAST_TEST_TEMPLATE"  # tells the processes of one run where it is


@contextmanager
def folder() -> Iterator[None]:
    """A place for it, for as long as the run takes; processes started within share it."""
    if FOLDER in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="holdfast-template-") as name:
        Path(name).chmod(0o755)
        os.environ[FOLDER] = name
        try:
            yield
        finally:
            del os.environ[FOLDER]


@contextmanager
def making() -> Iterator[None]:
    """Begin to make it at once, beside whatever else takes its time before the first test."""
    beside = threading.Thread(target=_made)
    beside.start()
    try:
        yield
    finally:
        beside.join()


def copy_postgres(directory: Path) -> None:
    """A cluster in `directory`, which must not be there yet, that has all tables and no rows of
    ours.
    """
    # its owner is not ours where we are root
    subprocess.run(["cp", "-a", _made(), directory], check=True)


def _made() -> Path:
    template = Path(os.environ[FOLDER])
    with (template / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (template / "done").exists():
            _make(template / "postgres")
            (template / "done").touch()
    return template / "postgres"


def _make(directory: Path) -> None:
    port = servers.free_port()
    command = processes.server_command("postgres", directory, port)
    running = subprocess.Popen(
        command, cwd=processes.ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for_port(port)
        done = subprocess.run(
            processes.app_commands()["release"],
            cwd=processes.ROOT,
            env={
                **os.environ,
                "HOLDFAST_ENV": "development",
                "PROGRAM_STARTS_AS": "live",
                "HOLDFAST_DATA": str(directory.parent / "holdfast"),
                "DATABASE_URL": servers.postgres_url(directory, port),
            },
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        running.send_signal(signal.SIGINT)
        running.wait(timeout=60)


def wait_for_port(port: int, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not servers.is_listening(port):
        assert time.monotonic() < deadline, f"nothing listens on {port} after {seconds} s"
        time.sleep(0.05)
