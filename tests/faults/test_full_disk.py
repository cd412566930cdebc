"""Postgres on a disk that fills up: what people see, and that it is back by itself."""

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests import template
from tests.faults import disks
from tests.faults.test_put_back import fetch
from tests.stack import Stack
from tests.waiting import seconds_until, wait_for

pytestmark = pytest.mark.long
SIZE_MEGABYTES, SECONDS = 192, 120


@pytest.fixture
def stack() -> Iterator[Stack]:
    with (
        template.folder(),
        tempfile.TemporaryDirectory(prefix="holdfast-stack-", ignore_cleanup_errors=True) as name,
        disks.small_disk(Path(name) / "postgres", SIZE_MEGABYTES),
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
    disk = stack.directory / "postgres"
    disks.fill(disk)
    with contextlib.suppress(OSError, asyncpg.PostgresError):
        fetch(stack, "SELECT pg_switch_wal()")  # what was set aside for the log is used up
    disks.fill(disk)
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
    disks.make_room(disk)
    began = time.monotonic()
    stack.start("postgres")  # as its supervisor does, where it has ended itself
    took = seconds_until(
        "every point is there", lambda: stack.me(bob)["points"]["available"] == 1_100, SECONDS
    )
    print(f"room again: every point there {took:.1f} s later")
    wait_for("healthy", lambda: stack.health().get("status") == "ok", SECONDS)
    print(f"healthy {time.monotonic() - began:.1f} s after there was room")
    print(stack.verify())
