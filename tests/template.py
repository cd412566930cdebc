"""A cluster as the release process leaves it, made once for all processes of a test run and copied:
making one takes five times as long.
"""

import fcntl
import os
import signal
import subprocess
import tempfile
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


def copy_postgres(directory: Path, environment: dict[str, str]) -> None:
    """A cluster in `directory`, which must not be there yet, that has all tables and no rows of
    ours; `environment` has what the release process needs besides a DATABASE_URL.
    """
    template = Path(os.environ[FOLDER])
    with (template / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (template / "done").exists():
            _make(template / "postgres", environment)
            (template / "done").touch()
    # its owner is not ours where we are root
    subprocess.run(["cp", "-a", template / "postgres", directory], check=True)


def _make(directory: Path, environment: dict[str, str]) -> None:
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
            env={**environment, "DATABASE_URL": servers.postgres_url(directory, port)},
            capture_output=True,
            text=True,
            timeout=300,
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
