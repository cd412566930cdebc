"""Backups that are old, never restored, or have no log; a database that was put back."""

import shutil
import time
from datetime import UTC, datetime

import pytest

from local import servers
from ops.backup import restoring, store
from tests.faults.shoppers import bob_with
from tests.faults.test_put_back import archived
from tests.operate.runbook.following import House, Stranger, makes
from tests.waiting import wait_for

pytestmark = [pytest.mark.operate, pytest.mark.long]
AGED = """
INSERT INTO backup_marks VALUES ($1, now() - $2::float8 * interval '1 hour', 'long ago')
 ON CONFLICT (name) DO UPDATE SET at = excluded.at
"""
ARCHIVED_SECONDS = 180.0  # Postgres tries again once a minute


@makes("backup-old")
def test_nobody_made_a_backup_for_long(house: House, stranger: Stranger) -> None:
    stranger.execute(AGED, "backup", 30.0)
    house.tells("backup-old")
    house.does("backup-old")
    house.is_over("backup-old")


@makes("drill-old")
def test_nobody_restored_one_for_long(house: House, stranger: Stranger) -> None:
    bob_with(house.stack, 30)
    stranger.execute(AGED, "drill", 9 * 24.0)
    house.does("backup-old")  # there is one
    house.tells("drill-old")
    house.does("drill-old")
    house.is_over("drill-old")


@makes("archive-late")
def test_the_archive_takes_nothing(house: House, stranger: Stranger) -> None:
    stranger.execute("ALTER SYSTEM SET archive_command = 'false'")
    stranger.execute("SELECT pg_reload_conf()")
    stranger.execute("SELECT pg_switch_wal()")
    house.tells("archive-late")
    stranger.execute("ALTER SYSTEM RESET archive_command")
    stranger.execute("SELECT pg_reload_conf()")
    house.is_over("archive-late", ARCHIVED_SECONDS)


@makes("database-restored")
def test_the_database_is_put_back_to_its_last_backup(house: House) -> None:
    stack = house.stack
    bob = bob_with(stack, 30)
    house.does("backup-old")
    time.sleep(1.1)  # a look of its own tells the time of what is known
    began = datetime.now(UTC)
    stack.order(bob, "70.00")
    stack.wait_for_points(bob, 100)
    kept = store.from_environment(stack.environment)
    archived(kept, stack)
    stack.kill("postgres")
    shutil.rmtree(stack.directory / "postgres")
    newest = store.backups(kept)[-1]
    restoring.restore(
        kept, stack.directory / "postgres", newest.ended, owner=servers.postgres_user()
    )
    stack.start("postgres")
    house.tells("database-restored")
    house.does("database-restored", {"2026-11-27T01:30:00+00:00": began.isoformat()})
    house.is_over("database-restored", 90)
    wait_for("what is true now", lambda: stack.me(bob)["points"]["available"] == 30, 60)
