"""Postgres on a disk that fills up: what people see, and that it is back by itself."""

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from tests import template
from tests.faults.test_put_back import fetch
from tests.stack import Stack
from tests.waiting import seconds_until, wait_for

pytestmark = pytest.mark.long
SIZE_MEGABYTES, SECONDS = 192, 120


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    options = f"size={SIZE_MEGABYTES}m,mode=0755"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True
    )
    if done.returncode:
        pytest.skip("no disk of a size of its own can be made here: that needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def stack() -> Iterator[Stack]:
    with (
        template.folder(),
        tempfile.TemporaryDirectory(prefix="holdfast-stack-", ignore_cleanup_errors=True) as name,
        small_disk(Path(name) / "postgres"),
    ):
        folder = Path(name)
        folder.chmod(0o755)
        made = Stack(folder)
        template.copy_postgres(folder / "copied")
        subprocess.run(["cp", "-a", f"{folder}/copied/.", f"{folder}/postgres"], check=True)
        shutil.rmtree(folder / "copied")
        (folder / "released").touch()
        try:
            made.start_everything()
            made.install()
            yield made
        finally:
            made.stop_everything()


def test_a_full_disk_under_postgres_loses_nothing_and_is_over_when_there_is_room(
    stack: Stack,
) -> None:
    bob = stack.customer("Bob")
    stack.order(bob, "100.00")
    stack.wait_for_points(bob, 100)
    ballast = stack.directory / "postgres" / "ballast"
    _fill(ballast)
    with contextlib.suppress(OSError, asyncpg.PostgresError):
        fetch(stack, "SELECT pg_switch_wal()")  # what was set aside for the log is used up
    _fill(ballast)
    for _ in range(10):
        stack.order(bob, "100.00")
    time.sleep(10)
    health = stack.health()
    shown = stack.me(bob)["points"]
    page = stack.open_admin("/customers")
    is_running = stack.running["postgres"].poll() is None
    print(f"\nfull: {health['status']}, {health['checks']}; Postgres runs: {is_running}; {shown}")
    assert health["status"] in {"degraded", "ok"}, "never down: webhooks are taken in"
    assert shown["available"] <= 1_100, "what is shown is true, of now or of before"
    assert page.status_code == 200
    ballast.unlink()
    began = time.monotonic()
    stack.start("postgres")  # as its supervisor does, where it has ended itself
    took = seconds_until(
        "every point is there", lambda: stack.me(bob)["points"]["available"] == 1_100, SECONDS
    )
    print(f"room again: every point there {took:.1f} s later")
    wait_for("healthy", lambda: stack.health().get("status") == "ok", SECONDS)
    print(f"healthy {time.monotonic() - began:.1f} s after there was room")
    print(stack.verify())


def _fill(path: Path) -> None:
    """To the last byte, and a little later again: the log gives back what it recycles."""
    piece = bytes(64 * 1024)
    with path.open("ab", buffering=0) as out:
        try:
            while True:
                out.write(piece)
        except OSError:
            return
