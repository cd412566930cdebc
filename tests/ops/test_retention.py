"""What can still be needed stays; what cannot goes, and never the newest full backup."""

import json
import os
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ops.backup import retention, store, wal
from ops.backup.store import FULL, INCREMENTAL, Backup, Store

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture
def kept(tmp_path: Path) -> Store:
    made = Store(tmp_path / "backups", (os.urandom(32),), kept_days=14)
    made.folder.mkdir()
    store.prepare(made)
    return made


def taken(kept: Store, days_ago: float, kind: str, segment: int, parent: str = "") -> Backup:
    at = NOW - timedelta(days=days_ago)
    position = f"0/{segment:02X}000028"
    made = Backup(
        f"{at:{store.NAME}}-{kind}",
        kind,
        parent,
        at.isoformat(),
        at.isoformat(),
        1,
        position,
        position,
        1,
        1,
        1,
    )
    folder = kept.bases / made.name
    folder.mkdir()
    (folder / "about.json").write_text(json.dumps(asdict(made)))
    return made


def segments(kept: Store) -> list[int]:
    found = [path.name for path in kept.wal.glob("*.sealed") if "history" not in path.name]
    return sorted(int(name[16:24], 16) for name in found)


def archived(kept: Store, count: int) -> None:
    for number in range(1, count + 1):
        (kept.wal / f"{wal.segment_name(1, number)}.sealed").touch()
    (kept.wal / "00000002.history.sealed").touch()


def test_any_moment_of_the_last_days_can_be_gone_back_to(kept: Store) -> None:
    archived(kept, 60)
    old = taken(kept, 35, FULL, 5)
    taken(kept, 34, INCREMENTAL, 8, old.name)
    needed = [taken(kept, 21, FULL, 20)]
    needed += [taken(kept, days, INCREMENTAL, 40 - days, needed[-1].name) for days in (18, 15)]
    needed.append(taken(kept, 7, FULL, 50))
    gone = retention.prune(kept, NOW)
    assert store.backups(kept) == needed
    assert gone.backups == 2
    assert segments(kept) == list(range(20, 61)), "from the first that is needed on"
    assert (kept.wal / "00000002.history.sealed").exists()
    assert retention.prune(kept, NOW) == (0, 0)


def test_the_only_full_backup_stays_however_old(kept: Store) -> None:
    archived(kept, 9)
    only = taken(kept, 400, FULL, 3)
    later = taken(kept, 399, INCREMENTAL, 5, only.name)
    retention.prune(kept, NOW)
    assert store.backups(kept) == [only, later]
    assert segments(kept) == list(range(3, 10))


def test_without_a_backup_no_segment_goes(kept: Store) -> None:
    archived(kept, 3)
    assert retention.prune(kept, NOW) == (0, 0)
    assert segments(kept) == [1, 2, 3]


def test_what_was_never_finished_goes_after_a_day(kept: Store) -> None:
    (kept.bases / "half.part").mkdir()
    (kept.wal / "half.part").touch()
    retention.prune(kept, NOW)
    assert (kept.wal / "half.part").exists(), "somebody may be at it"
    for path in (kept.bases / "half.part", kept.wal / "half.part"):
        os.utime(path, (0, 0))
    retention.prune(kept, NOW)
    assert not list(kept.bases.iterdir())
    assert not list(kept.wal.iterdir())


def test_a_chain_with_a_gap_is_told(kept: Store) -> None:
    full = taken(kept, 3, FULL, 3)
    middle = taken(kept, 2, INCREMENTAL, 4, full.name)
    last = taken(kept, 1, INCREMENTAL, 5, middle.name)
    found = store.backups(kept)
    assert store.chain(found, last) == [full, middle, last]
    with pytest.raises(SystemExit, match="is not there"):
        store.chain([full, last], last)
