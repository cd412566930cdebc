"""`make run` when its supervisor is killed: everything ends, and the next one starts."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local import servers
from tests.conftest import ROOT

READY = "Holdfast is ready"


@pytest.fixture
def data() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="run-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name).resolve() / "holdfast"


def make_run(data: Path) -> subprocess.Popen[str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"DATABASE_URL", "REDIS_URL", "CACHE_REDIS_URL"}
    }
    ports = {"PORT": str(servers.free_port()), "DEVSTORE_PORT": str(servers.free_port())}
    return subprocess.Popen(
        [sys.executable, "-m", "local.run"],
        cwd=ROOT,
        env={**environment, **ports, "HOLDFAST_DATA": str(data), "DEVSTORE_DEMO": "off"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read_until(running: subprocess.Popen[str], sentence: str) -> str:
    said = ""
    assert running.stdout
    for line in running.stdout:
        said += line
        if sentence in line:
            return said
    raise AssertionError(said)


def ours(data: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HOLDFAST_RUN") == str(data) or str(data) in " ".join(
                process.cmdline()
            ):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def test_a_killed_supervisor_takes_everything_with_it_and_the_next_run_starts(data: Path) -> None:
    running = make_run(data)
    try:
        read_until(running, READY)
        assert len(ours(data)) > 6, "the house must be up for this test to mean anything"
        supervisor = int((data / "supervisord.pid").read_text())
        os.kill(supervisor, signal.SIGKILL)
        began = time.monotonic()
        read_until(running, "Stopping; your data stays")
        assert time.monotonic() - began < 2
        said = running.communicate(timeout=20)[0]
        assert running.returncode == 1
        assert "supervisor ended by itself" in said
        assert ours(data) == []

        running = make_run(data)
        read_until(running, READY)
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=20)[0]
        assert (running.returncode, said.splitlines()[-1]) == (0, "Stopped.")
        assert ours(data) == []
    finally:
        if running.poll() is None:
            running.send_signal(signal.SIGINT)
            running.communicate(timeout=20)
