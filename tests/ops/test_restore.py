"""Backups really taken and restored: to a moment, with the log, after a crash, never damaged."""

import asyncio
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from app.config import ROOT
from local import servers
from ops.backup import clusters, rehearsal, restoring, store, taking, wal
from ops.backup.rehearsal import World
from tests.waiting import wait_for

pytestmark = pytest.mark.long
ROWS = 500


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="holdfast-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture
def world(folder: Path) -> Iterator[World]:
    with rehearsal.world(folder) as made:
        yield made


def test_the_drill_finds_every_member_as_before_and_also_with_the_log_of_a_copy_of_before() -> None:
    assert rehearsal.rehearse(60) == []


def command(world: World, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "ops.backup", *arguments],
        cwd=ROOT,
        env={**world.environment, **more},
        capture_output=True,
        text=True,
        timeout=300,
    )


async def execute(url: str, *statements: str) -> int:
    """How many rows the last one gave."""
    connection = await asyncpg.connect(url)
    try:
        for one in statements[:-1]:
            await connection.execute(one)
        found: int = await connection.fetchval(statements[-1])
    finally:
        await connection.close()
    return found


COUNT = "SELECT count(*) FROM noted"


def test_what_a_receiver_has_on_disk_survives_the_loss_of_the_whole_server(
    world: World, folder: Path
) -> None:
    """With `synchronous_standby_names` no commit that was acknowledged is lost, whatever burns."""
    asyncio.run(execute(world.url, "CREATE TABLE noted (number int PRIMARY KEY)", COUNT))
    taking.take(world.kept, world.url, store.FULL)
    receiving = subprocess.Popen(
        [sys.executable, "-m", "ops.backup", "receive"],
        cwd=ROOT,
        env=world.environment,
        user=servers.postgres_user(),  # as Postgres, which is to read what was received
    )
    try:
        asyncio.run(_write_synchronously(world))
        world.postgres.send_signal(signal.SIGKILL)
        world.postgres.wait(30)
    finally:
        receiving.terminate()
        receiving.wait(60)
    shutil.rmtree(folder / "postgres")
    restoring.restore(world.kept, folder / "restored", owner=servers.postgres_user())
    with clusters.running(folder / "restored", world.url, world.environment, 120) as copy:
        assert asyncio.run(execute(copy, COUNT)) == ROWS


async def _write_synchronously(world: World) -> None:
    connection = await asyncpg.connect(world.url)
    try:
        await connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'pg_receivewal'")
        await connection.execute("SELECT pg_reload_conf()")
        until = time.monotonic() + 60
        while await connection.fetchval(
            "SELECT count(*) = 0 FROM pg_stat_replication WHERE sync_state = 'sync'"
        ):
            assert time.monotonic() < until, "the receiver never came"
            await asyncio.sleep(0.1)
        for number in range(ROWS):
            await connection.execute("INSERT INTO noted VALUES ($1)", number)
    finally:
        connection.terminate()


def test_a_damaged_or_incomplete_backup_is_found_and_never_restored(
    world: World, folder: Path
) -> None:
    full = taking.take(world.kept, world.url, store.FULL)
    taking.take(world.kept, world.url, store.INCREMENTAL)
    assert command(world, "verify").returncode == 0
    base = world.kept.bases / full.name / taking.BASE
    content = base.read_bytes()
    base.write_bytes(content[:-7])
    said = command(world, "verify")
    assert said.returncode == 1
    assert f"{full.name}: damaged" in said.stdout
    said = command(world, "restore", str(folder / "restored"))
    assert said.returncode != 0
    assert "damaged" in said.stderr
    assert not (folder / "restored").exists(), "nothing half-made is left"
    base.write_bytes(content)
    first = world.kept.wal / f"{wal.first_name(full)}{store.SEALED}"
    first.rename(first.with_suffix(".away"))
    said = command(world, "verify")
    assert f"{full.name}: 1 segments of the log are missing" in said.stdout
    first.with_suffix(".away").rename(first)
    (folder / "there").mkdir()
    (folder / "there" / "somebody's").touch()
    assert "not empty" in command(world, "restore", str(folder / "there")).stderr


def test_the_commands_tell_what_there_is_and_how_old_and_the_drill_proves_it(world: World) -> None:
    assert command(world, "incremental").returncode == 1, "it has nothing to stand on"
    assert "no good backup yet" in command(world, "status").stdout
    assert command(world, "full").returncode == 0
    assert command(world, "status").returncode == 1, "it was never restored"
    drilled = command(world, "drill", "--at", datetime.now(UTC).isoformat())
    # nothing is recorded after that moment: there is no log to reach it by
    assert drilled.returncode == 1
    drilled = command(world, "drill")
    assert drilled.returncode == 0, drilled.stdout + drilled.stderr
    assert "good" in drilled.stdout
    said = command(world, "status")
    assert said.returncode == 0, said.stdout
    assert "the last good drill is 0.0 hours old" in said.stdout
    assert command(world, "prune").stdout.startswith("0 backups and")


def test_a_backup_that_breaks_off_leaves_nothing_and_says_why(world: World) -> None:
    world.postgres.send_signal(signal.SIGKILL)
    world.postgres.wait(30)
    said = command(world, "full")
    assert said.returncode == 1
    assert "No backup was taken" in said.stderr
    assert list(world.kept.bases.iterdir()) == []


def test_the_archive_holds_each_segment_once_postgres_has_it_no_more(world: World) -> None:
    asyncio.run(
        execute(world.url, "CREATE TABLE noted (number int)", "SELECT pg_switch_wal()::text")
    )
    wait_for("the segment is archived", lambda: any(world.kept.wal.glob("*.sealed")), 60)
    assert next(world.kept.wal.iterdir()).stat().st_mode & 0o077 == 0, "for its owner alone"
