"""Worker processes started for a test on the servers of its session, and ended with it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT

Processes = dict[str, subprocess.Popen[bytes]]


def start(name: str, directory: Path) -> subprocess.Popen[bytes]:
    """One worker; what it says is added to `directory`/name.log."""
    with (directory / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", f"workers.{name}"], cwd=ROOT, stdout=log, stderr=log
        )


@contextmanager
def started(directory: Path, *names: str) -> Iterator[Processes]:
    """These workers by name; a test may replace one, and whatever still runs at the end is
    killed.
    """
    assert "DATABASE_URL" in os.environ, "the servers of the session come first: ask for `stores`"
    processes = {name: start(name, directory) for name in names}
    try:
        yield processes
    finally:
        for process in processes.values():
            process.kill()
            process.wait(5)


def said(directory: Path) -> str:
    """Everything the workers have logged."""
    return "\n".join(path.read_text() for path in sorted(directory.glob("*.log")))
