"""Backups onto a disk that fills up, and restores into odd places: nothing is lost, nothing half
made passes for whole, and what is wrong is said in a sentence.
"""

import asyncio
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.config import ROOT
from local import servers
from ops.backup import clusters, rehearsal, restoring, store, taking
from ops.backup.rehearsal import World
from tests.faults import disks
from tests.ops.test_restore import COUNT, command, execute
from tests.waiting import wait_for

pytestmark = pytest.mark.long
SIZE_MEGABYTES = 64
FAILED = "SELECT failed_count FROM pg_stat_archiver"
READY = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name ~ '^[0-9A-F]{24}.ready$'"
ARCHIVED = "SELECT archived_count FROM pg_stat_archiver"


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="holdfast ", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture
def small(folder: Path) -> Iterator[World]:
    with disks.small_disk(folder / "backups", SIZE_MEGABYTES), rehearsal.world(folder) as made:
        yield made


def write(world: World, rows: int) -> int:
    """As many rows more, each in the log of a segment that is full."""
    statement = f"INSERT INTO noted SELECT FROM generate_series(1, {rows})"
    return asyncio.run(execute(world.url, statement, "SELECT pg_switch_wal()::text"))


def test_an_archive_without_room_keeps_the_log_at_postgres_and_goes_on_by_itself(
    small: World, folder: Path
) -> None:
    asyncio.run(execute(small.url, "CREATE TABLE IF NOT EXISTS noted ()", COUNT))
    taking.take(small.kept, small.url, store.FULL)
    disks.fill(small.kept.folder)
    before = asyncio.run(execute(small.url, FAILED))
    write(small, 100)
    wait_for("it fails", lambda: asyncio.run(execute(small.url, FAILED)) > before, 60)
    said = command(small, "full")
    assert said.returncode == 1
    assert "No space left on device" in said.stderr
    assert "Traceback" not in said.stderr
    assert len(list(small.kept.bases.iterdir())) == 1, "nothing half-made is left"
    assert not list(small.kept.wal.glob(f"*{store.PART}"))
    wrote = asyncio.run(execute(small.url, "INSERT INTO noted SELECT", COUNT))
    assert wrote == 101, "Postgres itself goes on"
    disks.make_room(small.kept.folder)
    archived = asyncio.run(execute(small.url, ARCHIVED))
    wait_for("it goes on", lambda: asyncio.run(execute(small.url, ARCHIVED)) > archived, 120)
    write(small, 1)
    wait_for("all of it", lambda: asyncio.run(execute(small.url, READY)) == 0, 120)
    assert command(small, "verify").returncode == 0
    restoring.restore(small.kept, folder / "restored", owner=servers.postgres_user())
    with clusters.running(folder / "restored", small.url, small.environment, 120) as copy:
        assert asyncio.run(execute(copy, COUNT)) == 102


def test_a_backup_that_is_killed_leaves_nothing_that_passes_for_one(small: World) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "ops.backup", "full"],
        cwd=ROOT,
        env=small.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for("it has begun", lambda: any(small.kept.bases.glob("*.part/*")), 60)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert store.backups(small.kept) == []
    assert command(small, "verify").stdout == "There is no backup.\n"
    assert command(small, "full").returncode == 0, "whoever was killed holds nobody up"
    assert len(store.backups(small.kept)) == 1


def test_restores_into_odd_places_and_to_moments_that_no_backup_reaches(
    small: World, folder: Path
) -> None:
    taking.take(small.kept, small.url, store.FULL)
    taking.take(small.kept, small.url, store.INCREMENTAL)
    long_ago = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    said = command(small, "restore", str(folder / "restored"), "--at", long_ago)
    assert said.returncode == 1
    assert said.stderr.startswith("There is no backup to begin from at ")
    assert "The oldest is of " in said.stderr
    assert not (folder / "restored").exists()

    (folder / "a real one").mkdir()
    (folder / "a link").symlink_to(folder / "a real one")
    assert command(small, "restore", str(folder / "a link")).returncode == 0
    with clusters.running(folder / "a real one", small.url, small.environment, 120) as copy:
        assert asyncio.run(execute(copy, "SELECT 1")) == 1
    with disks.small_disk(folder / "a disk", 2 * SIZE_MEGABYTES) as disk:
        assert command(small, "restore", str(disk)).returncode == 0
        assert (disk / "PG_VERSION").exists()
    with disks.small_disk(folder / "too small", 8) as disk:
        said = command(small, "restore", str(disk))
        assert said.returncode == 1
        assert "No space left on device" in said.stderr
        assert not list(disk.iterdir()), "nothing half-made is left"

    small.kept.bases.rename(small.kept.folder / "away")
    said = command(small, "restore", str(folder / "restored"))
    assert said.stderr == "There is no backup to begin from.\n"
    said = command(small, "full", BACKUP_FOLDER=str(folder / "not there"))
    assert said.returncode == 1
    assert "is not there: make it, or mount it" in said.stderr


def test_without_its_key_a_backup_says_so_and_stays_as_it_is(small: World, folder: Path) -> None:
    taking.take(small.kept, small.url, store.FULL)
    another = command(small, "key").stdout.strip()
    said = command(small, "verify", BACKUP_KEYS=another)
    assert said.returncode == 1
    assert "which is not known here" in said.stdout
    said = command(small, "restore", str(folder / "restored"), BACKUP_KEYS=another)
    assert "which is not known here" in said.stderr
    assert not (folder / "restored").exists()
    both = f"{another} {small.environment['BACKUP_KEYS']}"
    assert command(small, "incremental", BACKUP_KEYS=both).returncode == 0, "rotated"
    assert command(small, "verify", BACKUP_KEYS=both).returncode == 0
