"""A disk of a size of its own, to be filled to its last byte and given room again."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PIECE_BYTES = 64 * 1024


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """`folder`, made here, on a disk of `megabytes`."""
    folder.mkdir(parents=True)
    options = f"size={megabytes}m,mode=0755"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True
    )
    if done.returncode:
        pytest.skip("no disk of a size of its own can be made here: that needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> None:
    """To the last byte; more when it is called again, where somebody gave back some."""
    with _ballast(folder).open("ab", buffering=0) as out:
        piece = bytes(PIECE_BYTES)
        while piece:
            try:
                out.write(piece)
            except OSError:
                piece = piece[: len(piece) // 2]


def make_room(folder: Path) -> None:
    """What filled it goes."""
    _ballast(folder).unlink()


def _ballast(folder: Path) -> Path:
    return folder / "ballast"
