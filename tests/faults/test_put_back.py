"""Postgres put back to an hour ago: it is noticed, the window is noted, what it lost is found at
Shopify, and what is told again counts once.
"""

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from local import servers
from ops.backup import rehearsal, restoring, sealing, store, taking
from ops.backup.store import Store
from tests import template
from tests.stack import Stack
from tests.waiting import seconds_until, wait_for

pytestmark = pytest.mark.long
KEY = bytes(range(32))
SECONDS = 90


@pytest.fixture
def kept_and_stack() -> Iterator[tuple[Store, Stack]]:
    """A stack whose Postgres has an archive."""
    with (
        template.folder(),
        tempfile.TemporaryDirectory(prefix="holdfast-stack-", ignore_cleanup_errors=True) as name,
    ):
        folder = Path(name)
        folder.chmod(0o755)
        kept = Store(folder / "backups", (KEY,))
        stack = Stack(
            folder,
            BACKUP_FOLDER=str(kept.folder),
            BACKUP_KEYS=sealing.written(kept.keys[0]),
            RECONCILE_EVERY_SECONDS="360",  # looks again after ten
        )
        template.copy_postgres(folder / "postgres")
        (folder / "released").touch()
        rehearsal.prepare(kept, folder / "postgres")
        try:
            stack.start_everything()
            stack.install()
            yield kept, stack
        finally:
            stack.stop_everything()


def fetch(stack: Stack, statement: str, *arguments: Any) -> list[Any]:
    async def ask() -> list[Any]:
        connection = await asyncpg.connect(stack.environment["DATABASE_URL"])
        try:
            return list(await connection.fetch(statement, *arguments))
        finally:
            await connection.close()

    return asyncio.run(ask())


def losses(stack: Stack) -> list[Any]:
    try:
        return fetch(stack, "SELECT * FROM redis_losses ORDER BY id")
    except (OSError, asyncpg.PostgresError):
        return []


def test_a_database_of_an_hour_ago_gets_everything_back_from_shopify_by_itself(
    kept_and_stack: tuple[Store, Stack],
) -> None:
    kept, stack = kept_and_stack
    bob, carol = stack.customer("Bob"), stack.customer("Carol")
    for _ in range(3):
        stack.order(bob, "100.00")
    stack.wait_for_points(bob, 300)
    backup = taking.take(kept, stack.environment["DATABASE_URL"], store.FULL)
    time.sleep(1.1)  # a look of its own tells the time of what is known
    before_the_hour = datetime.now(UTC)
    for _ in range(4):  # the hour that is lost
        stack.order(bob, "100.00")
        stack.order(carol, "50.00")
    stack.wait_for_points(bob, 700)
    stack.wait_for_points(carol, 200)
    newest = fetch(stack, "SELECT max(tx) AS tx FROM facts")[0]["tx"]
    archived(kept, stack)
    stack.kill("postgres")
    shutil.rmtree(stack.directory / "postgres")
    restoring.restore(
        kept, stack.directory / "postgres", backup.ended, owner=servers.postgres_user()
    )
    began = time.monotonic()
    stack.control("POST", "shopify", {"mode": "gone"})  # so that what is true meanwhile is seen
    stack.start("postgres")
    wait_for("the loss is noted", lambda: bool(losses(stack)), SECONDS)
    print(f"\nnoted {time.monotonic() - began:.1f} s after Postgres was started again")
    (loss,) = losses(stack)
    assert loss["kind"] == "database"
    assert loss["lost_from"] <= before_the_hour
    assert (before_the_hour - loss["lost_from"]).total_seconds() < 30, "and not much earlier"
    wait_for("the app is healthy", lambda: stack.health().get("status") == "ok", SECONDS)
    found = stack.me(bob)["points"]
    assert (found["available"], found["source"]) == (300, "live"), "what is true now, marked so"
    wait_for("Health says so", lambda: says(stack, "The database was put back"), SECONDS)
    stack.order(bob, "100.00")
    stack.wait_for_points(bob, 400)
    (fresh,) = fetch(stack, "SELECT min(tx) AS tx FROM facts WHERE tx > $1", newest)
    assert fresh["tx"] is not None, "it is sorted behind all that was ever written"
    stack.control("POST", "shopify", {"mode": "normal"})
    took = seconds_until("it counts", lambda: stack.me(bob)["points"]["available"] == 800, SECONDS)
    print(f"all points are there {took:.1f} s after Shopify answers")
    stack.wait_for_points(carol, 200, SECONDS)
    wait_for("it is settled", lambda: losses(stack)[0]["reconciled_at"] is not None, SECONDS)
    report = by_hand(stack, loss["lost_from"])
    print(report)
    assert "9 orders had changed, 9 were known, 0 are told again" in report
    wait_for("Health says that, too", lambda: says(stack, "is compared with Shopify"), SECONDS)
    sent_again(stack, loss["lost_from"])
    assert stack.me(bob)["points"]["available"] == 800, "and again changes nothing"
    assert stack.me(carol)["points"]["available"] == 200
    print(stack.verify())
    assert len(losses(stack)) == 1, "it is noted once"


def says(stack: Stack, words: str) -> bool:
    return words in stack.open_admin("/health").text


def archived(kept: Store, stack: Stack) -> None:
    """Wait until the archive knows what was written up to now, as it does within a minute."""
    switch = "SELECT pg_walfile_name(pg_switch_wal()) AS name"
    name = fetch(stack, switch)[0]["name"]
    wait_for("it is archived", (kept.wal / f"{name}{store.SEALED}").exists, SECONDS)


def by_hand(stack: Stack, since: datetime) -> str:
    """What the command says of the same time."""
    done = subprocess.run(
        [sys.executable, "-m", "ops.reconcile", "--since", since.isoformat()],
        cwd=stack.root,
        env=stack.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def sent_again(stack: Stack, since: datetime) -> None:
    """Every webhook of a time once more, by the same id."""
    deliveries = stack.control("GET", "deliveries")
    window = [one for one in deliveries if datetime.fromisoformat(one["triggered_at"]) >= since]
    assert len(window) >= 6
    for one in reversed(window):
        stack.control("POST", f"deliveries/{one['id']}/send")
