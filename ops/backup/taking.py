"""Takes backups: pg_basebackup's stream, checked by its manifest while it is sealed."""

import subprocess
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from ops.backup import manifest, sealing, store, tools
from ops.backup.sealing import DamagedError
from ops.backup.store import FULL, INCREMENTAL, Backup, Store

BASE, MANIFEST = f"base.tar{store.SEALED}", f"manifest{store.SEALED}"
END_SECONDS = 30.0


class Tee:
    """Reads from `source`, and puts all that is read under seal."""

    def __init__(self, source: IO[bytes], sealer: sealing.Sealer) -> None:
        self.source, self.sealer = source, sealer

    def read(self, size: int, /) -> bytes:
        piece = self.source.read(size)
        self.sealer.write(piece)
        return piece


def take(kept: Store, url: str, kind: str) -> Backup:
    """A backup of the database at `url`: `full`, or `incremental` on the newest there is.

    Postgres waits until the log the backup needs is in the archive. Raises SystemExit with the
    reason; nothing of an attempt that failed stays.
    """
    now = datetime.now(UTC)
    with store.alone(kept), store.unfinished(kept, kind, now) as (name, folder):
        before = store.backups(kept)
        if kind == INCREMENTAL and not before:
            raise SystemExit("An incremental backup stands on a full one, and there is none yet.")
        parent = before[-1] if kind == INCREMENTAL else None
        with tempfile.TemporaryDirectory(prefix="holdfast-backup-") as scratch:
            options = _incremental(kept, parent, Path(scratch)) if parent else []
            checked, sealed_bytes = _stream(kept, url, options, folder / BASE)
        with store.sealed_into(folder / MANIFEST, kept.keys[0]) as out:
            out.write(checked.text)
        backup = Backup(
            name,
            kind,
            parent.name if parent else "",
            now.isoformat(),
            "",
            checked.timeline,
            checked.wal_from,
            checked.wal_to,
            checked.files,
            checked.bytes,
            sealed_bytes,
        )
        return store.finish(kept, folder, backup)


def read(kept: Store, backup: Backup, into: Path | None = None) -> manifest.Checked:
    """Read a backup that is kept to its end, and write it `into` a folder, where one is given.

    Raises DamagedError where it is not what was taken.
    """
    folder = kept.bases / backup.name
    text = manifest_of(kept, backup)
    with (folder / BASE).open("rb") as source:
        checked = manifest.check(sealing.open_sealed(source, kept.keys), into)
    if checked.text != text:
        raise DamagedError("its manifest is not the one it was taken with")
    if into is not None:
        (into / manifest.NAME).write_bytes(text)
    return checked


def manifest_of(kept: Store, backup: Backup) -> bytes:
    with (kept.bases / backup.name / MANIFEST).open("rb") as source:
        return sealing.open_sealed(source, kept.keys).read(manifest.BYTES_MAX)


def _incremental(kept: Store, parent: Backup, scratch: Path) -> list[str]:
    path = scratch / manifest.NAME
    path.write_bytes(manifest_of(kept, parent))
    return [f"--incremental={path}"]


def _stream(
    kept: Store, url: str, options: Sequence[str], path: Path
) -> tuple[manifest.Checked, int]:
    command = [
        tools.find("pg_basebackup"),
        f"--dbname={tools.address(url)}",
        "--no-password",
        "--pgdata=-",
        "--format=tar",
        "--wal-method=none",  # the archive has it; what is taken ends only once that is so
        "--checkpoint=fast",
        "--manifest-checksums=SHA256",
        *options,
    ]
    with (
        tempfile.TemporaryFile() as said,
        store.sealed_into(path, kept.keys[0]) as sealer,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said) as running,
    ):
        assert running.stdout is not None
        try:
            checked = manifest.check(Tee(running.stdout, sealer))
            ended = running.wait()
        except DamagedError as error:
            running.terminate()  # it may have failed, and then its own words say why
            running.wait(END_SECONDS)
            raise SystemExit(f"No backup was taken: {_words(said) or error}") from None
        if ended:
            raise SystemExit(f"No backup was taken: {_words(said)}")
    return checked, sealer.sealed_bytes


def _words(said: IO[bytes]) -> str:
    said.seek(0)
    return said.read(4_000).decode(errors="replace").strip()


__all__ = ["FULL", "INCREMENTAL", "manifest_of", "read", "take"]
