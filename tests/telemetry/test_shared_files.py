"""Metrics on a disk that is full: no process dies of it, and they are there once it has room."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict

from app import config as settings
from app.telemetry import shared_files
from app.telemetry.shared_files import RoomyDict
from tests.faults import disks

COUNTS = "from app.telemetry import metrics\nmetrics.WEBHOOKS.labels('queued').inc()\n"
MANY = 700  # more than a file has room for as it begins


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with disks.small_disk(tmp_path / "metrics", 1) as made:
        yield made


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_files, "AGAIN_SECONDS", 0.0)


def on_disk(path: Path) -> dict[str, float]:
    found = MmapedDict.read_all_values_from_file(path)  # type: ignore[no-untyped-call]
    return {key: value for key, value, _, _ in found}


def test_a_process_that_starts_with_a_full_disk_lives_and_counts(disk: Path) -> None:
    disks.fill(disk)
    done = subprocess.run(
        [sys.executable, "-c", COUNTS + "metrics.render()\nprint('lives')"],
        cwd=settings.ROOT,
        env={"PROMETHEUS_MULTIPROC_DIR": str(disk)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "lives\n"
    assert "there is no room" in done.stderr
    assert [one.name for one in disk.iterdir()] == ["ballast"], "nothing that cannot be scraped"


def test_what_was_counted_in_memory_is_on_disk_once_there_is_room(disk: Path) -> None:
    disks.fill(disk)
    own = RoomyDict(str(disk / "counter_1.db"))
    for number in range(MANY):
        own.write_value(f"metric {number:0>100}", number, 0.0)
    disks.make_room(disk)
    time.sleep(0.001)
    own.write_value("one more", 1.0, 0.0)
    found = on_disk(disk / "counter_1.db")
    assert len(found) == MANY + 1
    assert found[f"metric {MANY - 1:0>100}"] == MANY - 1
    own.write_value("one more", 2.0, 0.0)
    assert on_disk(disk / "counter_1.db")["one more"] == 2.0
    own.close()


def test_a_file_that_cannot_grow_keeps_what_it_has_until_it_can(disk: Path) -> None:
    own = RoomyDict(str(disk / "counter_1.db"))
    own.write_value("early", 1.0, 0.0)
    disks.fill(disk)
    for number in range(MANY):
        own.write_value(f"metric {number:0>100}", number, 0.0)
    own.write_value("early", 2.0, 0.0)
    assert on_disk(disk / "counter_1.db")["early"] == 1.0
    disks.make_room(disk)
    time.sleep(0.001)
    own.write_value("early", 3.0, 0.0)
    found = on_disk(disk / "counter_1.db")
    assert found["early"] == 3.0
    assert len(found) == MANY + 1
    own.close()


def test_with_room_it_is_prometheus_clients_own(disk: Path) -> None:
    own = RoomyDict(str(disk / "counter_1.db"))
    for number in range(MANY):
        own.write_value(f"metric {number:0>100}", number, 0.0)
    assert len(on_disk(disk / "counter_1.db")) == MANY
    own.close()
    again = RoomyDict(str(disk / "counter_1.db"))
    assert again.read_value(f"metric {7:0>100}") == (7.0, 0.0)
    again.close()
