"""Ends what is no longer needed: never the newest full backup, nor what anything kept stands on."""

import shutil
import time
from datetime import datetime, timedelta
from typing import NamedTuple

from ops.backup import store, wal
from ops.backup.store import FULL, PART, SEALED, Backup, Store

PART_SECONDS = 86_400  # what was not finished for so long never will be
TIMELINE = 8  # characters of a segment's name that say which; the rest is its place


class Pruned(NamedTuple):
    backups: int
    segments: int


def prune(kept: Store, now: datetime) -> Pruned:
    """Keep what is needed to go back to any moment of the last `kept_days`; how much went."""
    with store.alone(kept):
        found = store.backups(kept)
        needed = _needed(found, now - timedelta(days=kept.kept_days))
        gone = [one for one in found if one not in needed]
        for backup in reversed(gone):  # those that stand on others first: none is left without
            folder = kept.bases / backup.name
            folder.rename(folder.with_name(f"{folder.name}{PART}"))
            shutil.rmtree(folder.with_name(f"{folder.name}{PART}"))
        segments = 0
        if needed:
            first = wal.first_name(needed[0])[TIMELINE:]
            for path in sorted(kept.wal.glob(f"*{SEALED}")):
                if not path.name.count(".history") and path.name[TIMELINE : len(first) + 8] < first:
                    path.unlink()
                    segments += 1
        _forget_parts(kept)
    return Pruned(len(gone), segments)


def _needed(found: list[Backup], since: datetime) -> list[Backup]:
    """From the newest full backup on that was whole at `since`; all of them before there is one."""
    full = [place for place, one in enumerate(found) if one.kind == FULL and one.ended <= since]
    return found[full[-1] :] if full else found


def _forget_parts(kept: Store) -> None:
    long_ago = time.time() - PART_SECONDS
    for folder in (kept.bases, kept.wal):
        for path in folder.glob(f"*{PART}"):
            if path.stat().st_mtime < long_ago:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
