"""The archive of the log: whole or not there, never overwritten, and never quietly damaged."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import ROOT
from ops.backup import sealing, store, wal
from ops.backup.store import Store

NAME, NEXT = "000000010000000000000007", "000000010000000000000008"
SEGMENT = os.urandom(200_000)


@pytest.fixture
def kept(tmp_path: Path) -> Store:
    made = Store(tmp_path / "backups", (os.urandom(32),))
    made.folder.mkdir()
    store.prepare(made)
    return made


def segment(tmp_path: Path, content: bytes = SEGMENT) -> Path:
    path = tmp_path / "segment"
    path.write_bytes(content)
    return path


def test_a_segment_comes_back_as_it_was(kept: Store, tmp_path: Path) -> None:
    wal.archive(kept, segment(tmp_path), NAME)
    target = tmp_path / "RECOVERYXLOG"
    assert wal.fetch(kept, NAME, target) == 0
    assert target.read_bytes() == SEGMENT
    assert [path.name for path in kept.wal.iterdir()] == [f"{NAME}.sealed"], "nothing half-made"


def test_postgres_may_ask_twice_but_nothing_is_overwritten(kept: Store, tmp_path: Path) -> None:
    wal.archive(kept, segment(tmp_path), NAME)
    before = (kept.wal / f"{NAME}.sealed").read_bytes()
    wal.archive(kept, segment(tmp_path), NAME)
    with pytest.raises(FileExistsError):
        wal.archive(kept, segment(tmp_path, b"of another server"), NAME)
    assert (kept.wal / f"{NAME}.sealed").read_bytes() == before
    assert len(list(kept.wal.iterdir())) == 1


def test_what_is_not_there_ends_a_recovery_and_what_is_damaged_stops_it(
    kept: Store, tmp_path: Path
) -> None:
    target = tmp_path / "RECOVERYXLOG"
    assert wal.fetch(kept, NEXT, target) == wal.NOT_THERE
    assert wal.fetch(kept, "../../etc/passwd", target) == wal.NOT_THERE
    wal.archive(kept, segment(tmp_path), NAME)
    sealed = kept.wal / f"{NAME}.sealed"
    sealed.write_bytes(sealed.read_bytes()[:-1])
    assert wal.fetch(kept, NAME, target) == wal.NOT_TO_BE_READ > 125
    assert not target.exists()


def test_a_gap_stops_a_recovery_and_so_does_an_archive_that_is_gone(
    kept: Store, tmp_path: Path
) -> None:
    target, gap = tmp_path / "RECOVERYXLOG", "000000010000000000000006"
    wal.archive(kept, segment(tmp_path), "000000010000000000000005")
    assert wal.fetch(kept, gap, target) == wal.NOT_THERE, "the archive ends here"
    wal.archive(kept, segment(tmp_path), "000000020000000000000007")
    assert wal.fetch(kept, gap, target) == wal.NOT_THERE, "another timeline goes on"
    assert wal.fetch(kept, "000000020000000000000006", target) == wal.NOT_THERE
    wal.archive(kept, segment(tmp_path), NAME)
    assert wal.fetch(kept, gap, target) == wal.NOT_TO_BE_READ
    assert wal.fetch(kept, "00000003.history", target) == wal.NOT_THERE
    kept.wal.rename(tmp_path / "away")
    assert wal.fetch(kept, NAME, target) == wal.NOT_TO_BE_READ


def test_the_segment_that_is_not_full_comes_from_whoever_receives_it(
    kept: Store, tmp_path: Path
) -> None:
    (kept.spool / f"{NEXT}.partial").write_bytes(b"the newest")
    (kept.spool / NAME).write_bytes(SEGMENT)
    target = tmp_path / "RECOVERYXLOG"
    assert wal.fetch(kept, NEXT, target) == 0
    assert target.read_bytes() == b"the newest"
    assert wal.ship(kept) == 1, "a full one goes to the archive"
    assert [path.name for path in kept.spool.iterdir()] == [f"{NEXT}.partial"]
    assert wal.fetch(kept, NAME, target) == 0
    assert target.read_bytes() == SEGMENT


def test_only_files_of_the_log_have_a_place_there(kept: Store, tmp_path: Path) -> None:
    for name in ("../x", "base", f"{NAME}.sealed", NAME.lower().replace("1", "a")):
        with pytest.raises(SystemExit):
            wal.archive(kept, segment(tmp_path), name)
    for name in ("00000002.history", f"{NAME}.00000028.backup"):
        wal.archive(kept, segment(tmp_path), name)


def test_the_commands_postgres_calls_say_how_it_went(tmp_path: Path) -> None:
    env = {
        **os.environ,
        "BACKUP_FOLDER": str(tmp_path / "backups"),
        "BACKUP_KEYS": sealing.written(os.urandom(32)),
    }

    def call(*arguments: str, **more: str) -> int:
        command = [sys.executable, "-m", "ops.backup", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env={**env, **more}, capture_output=True, text=True
        )
        assert "Traceback" not in done.stderr
        return done.returncode

    path = str(segment(tmp_path))
    assert call("archive", path, NAME) == 1, "its disk is not there, or nobody has begun one"
    assert not (tmp_path / "backups").exists()
    (tmp_path / "backups").mkdir()
    assert call("archive", path, NAME) == 1
    (tmp_path / "backups" / "wal").mkdir()
    assert call("archive", path, NAME) == 0
    assert call("fetch", NAME, str(tmp_path / "out")) == 0
    assert (tmp_path / "out").read_bytes() == SEGMENT
    assert call("fetch", NEXT, str(tmp_path / "out")) == 1
    segment(tmp_path, b"another")
    assert call("archive", path, NAME) == 1
    assert call("archive", path, NEXT, BACKUP_KEYS="") == 1, "without a key nothing is kept"


def test_a_segment_is_named_as_postgres_names_it() -> None:
    at = wal._segment("1/A0000028")
    assert wal.segment_name(3, at) == "0000000300000001000000A0"


def test_settings_say_what_is_missing_or_wrong(tmp_path: Path) -> None:
    key, other = (sealing.written(os.urandom(32)) for _ in range(2))
    keys = tmp_path / "keys"
    keys.write_text(f"{key}\n{other}\n")
    found = store.from_environment({"BACKUP_FOLDER": "x", "BACKUP_KEYS_FILE": str(keys)})
    assert found.keys == (sealing.key_of(key), sealing.key_of(other))
    for wrong in (
        {},
        {"BACKUP_FOLDER": "x"},
        {"BACKUP_FOLDER": "x", "BACKUP_KEYS": "short"},
        {"BACKUP_FOLDER": "x", "BACKUP_KEYS": key, "BACKUP_KEPT_DAYS": "none"},
    ):
        with pytest.raises(SystemExit):
            store.from_environment(wrong)


def test_another_backup_at_once_is_refused(kept: Store) -> None:
    with store.alone(kept), pytest.raises(SystemExit, match="under way"), store.alone(kept):
        pass


def test_reading_a_file_in_pieces_needs_no_more_than_a_piece(kept: Store) -> None:
    class Endless(io.RawIOBase):
        left = 64 * sealing.PIECE_BYTES
        largest = 0

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1, /) -> bytes:
            assert 0 < size <= sealing.PIECE_BYTES
            size = min(size, self.left)
            self.left -= size
            return bytes(size)

    assert store.put(kept, NAME, Endless())  # type: ignore[arg-type]
