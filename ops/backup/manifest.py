"""Reads a backup as Postgres sends it, file by file, against the manifest that comes with it."""

import hashlib
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from ops.backup.sealing import DamagedError

NAME = "backup_manifest"
BYTES_MAX = 256 * 1024 * 1024
READ_BYTES = 1024 * 1024
LAST_LINE = b'"Manifest-Checksum"'
# what Postgres leaves out of its manifest: the log, which has checksums of its own
NOT_LISTED = ("pg_wal/",)
SHOWN = 5


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Checked:
    """What a backup holds, every file as its manifest says it."""

    text: bytes
    files: int
    bytes: int
    timeline: int
    wal_from: str
    wal_to: str


def check(stream: Readable, into: Path | None = None) -> Checked:
    """Read a backup (tar) to its end, and write it `into` a folder, where one is given.

    Raises DamagedError that names what is missing, too much or not as the manifest says.
    """
    found: dict[str, tuple[int, str]] = {}
    text = b""
    try:
        opened: Any = tarfile.open  # its overloads know no stream with a size of reads
        with opened(fileobj=stream, mode="r|", bufsize=READ_BYTES) as tar:
            for member in tar:
                tar.members = []  # of thousands of files it would keep each
                name = _safe(member.name)
                if member.isdir() and into is not None:
                    (into / name).mkdir(mode=0o700, parents=True, exist_ok=True)
                if not member.isreg():
                    if not member.isdir():
                        raise DamagedError(f"{name} is no file; tablespaces are not supported")
                    continue
                content = tar.extractfile(member)
                assert content is not None
                if name == NAME:
                    text = content.read(BYTES_MAX)
                else:
                    found[name] = _read(content, into / name if into is not None else None)
    except tarfile.TarError as error:
        raise DamagedError(f"it is no whole tar file: {error}") from error
    while stream.read(READ_BYTES):  # what fills it up, which whoever keeps it keeps, too
        pass
    return _compared(text, found)


def parse(text: bytes) -> dict[str, Any]:
    """The manifest, whose own checksum is right. Raises DamagedError."""
    body, is_there, _ = text.rpartition(LAST_LINE)
    try:
        told: dict[str, Any] = json.loads(text)
        is_right = told["Manifest-Checksum"] == hashlib.sha256(body).hexdigest()
    except (ValueError, KeyError) as error:
        raise DamagedError("its manifest is missing or cannot be read") from error
    if not is_there or not is_right:
        raise DamagedError("its manifest was changed: the checksum of it differs")
    return told


def _compared(text: bytes, found: dict[str, tuple[int, str]]) -> Checked:
    told = parse(text)
    listed = {_path(one): one for one in told["Files"]}
    wrong = [f"{name} is missing" for name in listed.keys() - found.keys()]
    wrong += [
        f"{name} is not in the manifest"
        for name in found.keys() - listed.keys()
        if not name.startswith(NOT_LISTED)
    ]
    for name in listed.keys() & found.keys():
        size, digest = found[name]
        one = listed[name]
        if one.get("Checksum-Algorithm") != "SHA256":
            wrong.append(f"{name} has no SHA-256 in the manifest")
        elif (size, digest) != (one["Size"], one["Checksum"]):
            wrong.append(f"{name} differs")
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise DamagedError("; ".join(sorted(wrong)[:SHOWN]) + more)
    ranges = told["WAL-Ranges"]
    return Checked(
        text,
        len(found),
        sum(size for size, _ in found.values()),
        ranges[-1]["Timeline"],
        ranges[0]["Start-LSN"],
        ranges[-1]["End-LSN"],
    )


def _path(one: dict[str, Any]) -> str:
    """A file's name; one that is no UTF-8 is told in hexadecimal."""
    if "Path" in one:
        return str(one["Path"])
    return bytes.fromhex(one["Encoded-Path"]).decode(errors="surrogateescape")


def _read(content: IO[bytes], path: Path | None) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    out = None
    if path is not None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        out = path.open("xb")
        path.chmod(0o600)
    try:
        while piece := content.read(READ_BYTES):
            digest.update(piece)
            size += len(piece)
            if out is not None:
                out.write(piece)
    finally:
        if out is not None:
            out.close()
    return size, digest.hexdigest()


def _safe(name: str) -> str:
    """A name inside the folder it is written into. Raises DamagedError for any other."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise DamagedError(f"{name} leads out of the backup")
    return str(path)
