"""The restore drill: the newest backup restored into a folder of its own, verified, and compared
with the original.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from asyncpg.exceptions import InternalClientError, PostgresError

from app import postgres
from app.addresses import parse
from local import servers
from ops.backup import clusters, restoring
from ops.backup.store import Store

RECOVERY_SECONDS = 3_600.0
BATCH = 5_000
FIGURES = """
SELECT (SELECT count(*) FROM members) AS members, (SELECT count(*) FROM ledger) AS rows,
       (SELECT coalesce(sum(available), 0) FROM members)::bigint AS available,
       (SELECT max(recorded_at) FROM ledger) AS newest
"""
# The ledger is append-only and chained: where the newest row of a member in the copy stands in the
# original with the same hash, everything before it is the same, too.
MEMBERS = """
SELECT id, sequence, last_hash FROM members WHERE id > $1 AND sequence > 0 ORDER BY id LIMIT $2
"""
DIFFERENT = """
SELECT told.id, member.id IS NULL AS is_gone
  FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS told (id, sequence, hash)
  LEFT JOIN ledger AS row ON row.member_id = told.id AND row.sequence = told.sequence
  LEFT JOIN members AS member ON member.id = told.id
 WHERE row.hash IS DISTINCT FROM told.hash
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a database holds; `newest` is when its newest movement of points was recorded."""

    members: int
    rows: int
    available: int
    newest: datetime | None


@dataclass(slots=True)
class Drilled:
    """What a drill found, and how long it took."""

    backup: str
    restore_seconds: float = 0.0
    recover_seconds: float = 0.0
    verify_seconds: float = 0.0
    is_verified: bool = False
    figures: Figures | None = None
    compared: int = 0
    different: int = 0
    gone: int = 0  # redacted in the original since
    is_compared: bool = True
    is_original_there: bool = True
    balances: dict[str, tuple[int, ...]] = field(default_factory=dict)  # by whoever asks for them

    @property
    def is_good(self) -> bool:
        return self.is_verified and self.different == 0

    def __str__(self) -> str:
        """A few lines for people."""
        total = self.restore_seconds + self.recover_seconds + self.verify_seconds
        found = self.figures
        took = (
            f"restored {self.backup} in {self.restore_seconds:.1f} s, "
            f"took the log in {self.recover_seconds:.1f} s, "
            f"verified in {self.verify_seconds:.1f} s: {total:.1f} s in all"
        )
        lines = [took]
        if found:
            lines.append(
                f"{found.members:,} members, {found.rows:,} ledger rows, "
                f"{found.available:,} points to spend; the newest movement is of {found.newest}"
            )
        if not self.is_compared:
            pass  # by whoever asked
        elif self.is_original_there:
            lines.append(
                f"{self.compared:,} members compared with the original by their chains: "
                f"{self.different:,} differ, {self.gone:,} redacted since"
            )
        else:
            lines.append("the original does not answer: nothing was compared with it")
        lines.append("good" if self.is_good else "NOT GOOD")
        return "\n".join(lines)


def drill(
    kept: Store,
    url: str,
    at: datetime | None = None,
    environment: Mapping[str, str] | None = None,
    *,
    compares: bool = True,
    look: Callable[[str], Coroutine[Any, Any, dict[str, tuple[int, ...]]]] | None = None,
) -> Drilled:
    """Restore as of `at` (aware; None: the end of the archive), run `verify` on the copy, compare
    it with the original at `url`, and throw it away.

    Raises SystemExit or DamagedError when there is nothing to verify.
    """
    env = {**os.environ, **(environment or {})}
    with tempfile.TemporaryDirectory(prefix="holdfast-drill-", ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        scratch.chmod(0o711)  # root's PostgreSQL is another user
        began = time.monotonic()
        backup = restoring.restore(kept, scratch / "restored", at, owner=servers.postgres_user())
        found = Drilled(backup.name, time.monotonic() - began)
        began = time.monotonic()
        with clusters.running(scratch / "restored", url, env, RECOVERY_SECONDS) as copy:
            found.recover_seconds = time.monotonic() - began
            began = time.monotonic()
            found.is_verified = _verify(copy, env)
            found.verify_seconds = time.monotonic() - began
            asyncio.run(_compare(found, copy, url if compares else ""))
            if look is not None:
                found.balances = asyncio.run(look(copy))
    return found


def _verify(copy: str, env: Mapping[str, str]) -> bool:
    """What `make verify` says of the copy is printed; whether all of it adds up."""
    done = subprocess.run(
        [sys.executable, "-m", "workers.verify", "--calm", "0"],
        cwd=restoring.ROOT,
        env={**env, "DATABASE_URL": copy},
        check=False,
    )
    return done.returncode == 0


async def figures(connection: Any) -> Figures:
    return Figures(*await connection.fetchrow(FIGURES))


async def _compare(found: Drilled, copy: str, original: str) -> None:
    restored = await postgres.connect(parse(copy))
    try:
        found.figures = await figures(restored)
        found.is_compared = bool(original)
        if not original:
            return
        try:
            living = await postgres.connect(parse(original))
        except (OSError, TimeoutError, PostgresError, InternalClientError):
            found.is_original_there = False
            return
        try:
            await _compare_members(found, restored, living)
        finally:
            await living.close()
    finally:
        await restored.close()


async def _compare_members(found: Drilled, restored: Any, living: Any) -> None:
    last = 0
    while rows := await restored.fetch(MEMBERS, last, BATCH):
        last = rows[-1]["id"]
        columns = [[row[name] for row in rows] for name in ("id", "sequence", "last_hash")]
        differing = await living.fetch(DIFFERENT, *columns)
        found.compared += len(rows)
        found.gone += sum(row["is_gone"] for row in differing)
        found.different += sum(not row["is_gone"] for row in differing)
