"""A backup is what its manifest says, file by file, or it is none."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from ops.backup import manifest
from ops.backup.sealing import DamagedError

FILES = {"PG_VERSION": b"18\n", "base/5/1259": bytes(8_192), "global/pg_control": b"control"}


def told(files: dict[str, bytes]) -> bytes:
    listed = [
        {
            "Path": name,
            "Size": len(content),
            "Checksum-Algorithm": "SHA256",
            "Checksum": hashlib.sha256(content).hexdigest(),
        }
        for name, content in files.items()
    ]
    ranges = [{"Timeline": 2, "Start-LSN": "0/2000028", "End-LSN": "0/2000120"}]
    body = json.dumps({"Files": listed, "WAL-Ranges": ranges})[:-1] + ",\n"
    digest = hashlib.sha256(body.encode()).hexdigest()
    return f'{body}"Manifest-Checksum": "{digest}"}}\n'.encode()


def backup(files: dict[str, bytes], text: bytes | None = None) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in {**files, manifest.NAME: text or told(files)}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    out.seek(0)
    return out


def test_a_whole_backup_is_read_and_written_where_it_is_wanted(tmp_path: Path) -> None:
    found = manifest.check(backup(FILES), tmp_path)
    assert (found.files, found.timeline, found.wal_from) == (3, 2, "0/2000028")
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == FILES


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({**FILES, "PG_VERSION": b"17\n"}, "PG_VERSION differs"),
        ({name: FILES[name] for name in list(FILES)[:2]}, "global/pg_control is missing"),
        ({**FILES, "base/5/1": b""}, "base/5/1 is not in the manifest"),
    ],
)
def test_what_differs_is_named(files: dict[str, bytes], said: str) -> None:
    with pytest.raises(DamagedError, match=said):
        manifest.check(backup(files, told(FILES)))


def test_a_manifest_that_was_changed_proves_nothing() -> None:
    changed = told(FILES).replace(b'"Size": 3', b'"Size": 4')
    for text in (changed, b"{}", b"", told(FILES)[:-40]):
        with pytest.raises(DamagedError):
            manifest.check(backup(FILES, text or b" "))


def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    for at, name in enumerate(("../outside", "/tmp/outside", "base/../../outside")):
        with pytest.raises(DamagedError, match="leads out"):
            manifest.check(backup({**FILES, name: b"x"}), tmp_path / "into" / str(at))
    assert not list(tmp_path.rglob("outside"))


def test_a_stream_that_broke_off_is_no_backup() -> None:
    whole = backup(FILES).getvalue()
    for length in (0, 700, 1_500, 9_000):
        with pytest.raises(DamagedError):
            manifest.check(io.BytesIO(whole[:length]))
