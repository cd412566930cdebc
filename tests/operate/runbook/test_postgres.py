"""Postgres: stopped, slow, crowded, its log held up or without days to come, its replica away."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.faults.shoppers import bob_with
from tests.operate.runbook.following import House, Stranger, makes
from tests.replicas import OwnReplica
from tests.waiting import wait_for

pytestmark = [pytest.mark.operate, pytest.mark.long]
CROWDED_SHARE = 0.87
KEPT_AGAIN_SECONDS = 150.0  # the keeper comes once a minute
WAITS_MAX = 4


@makes("postgres-away")
def test_postgres_is_stopped(house: House) -> None:
    house.stack.stop("postgres")
    house.tells("postgres-away")
    house.stack.start("postgres")
    house.is_over("postgres-away", 90)


@makes("postgres-slow")
def test_somebody_keeps_a_table_locked(house: House, stranger: Stranger) -> None:
    bob = bob_with(house.stack, 10)
    stranger.begin("LOCK TABLE members IN ACCESS EXCLUSIVE MODE")
    house.stack.order(bob, "10.00")
    house.tells("postgres-slow")
    house.does("postgres-slow")
    house.is_over("postgres-slow")
    house.stack.wait_for_points(bob, 20, 60)


@makes("pages-slow")
def test_the_way_to_postgres_is_slow(house: House) -> None:
    way = house.stack.between("web", "postgres")
    bob = bob_with(house.stack, 10)
    way.delay(0.25)
    for _ in range(WAITS_MAX):
        house.stack.open_admin("/")
        house.stack.me(bob)
    house.tells("pages-slow")
    way.pass_on()
    house.is_over("pages-slow")


@makes("crowded")
def test_somebody_takes_most_sessions(house: House, stranger: Stranger) -> None:
    most = int(stranger.fetchval("SHOW max_connections"))
    before = int(stranger.fetchval("SELECT count(*) FROM pg_stat_activity"))

    async def crowd() -> list[Any]:
        named = {"application_name": "nightly report"}
        return [
            await asyncpg.connect(stranger.url, server_settings=named)
            for _ in range(int(most * CROWDED_SHARE) - before)
        ]

    sessions = stranger.run(crowd())
    house.tells("crowded")
    assert int(stranger.fetchval("SELECT count(*) FROM pg_stat_activity")) > 0.85 * most
    house.does("crowded")
    house.is_over("crowded")
    assert int(stranger.fetchval("SELECT count(*) FROM pg_stat_activity")) < 0.85 * most
    for one in sessions:
        one.terminate()
    stranger.run(asyncio.sleep(0.1))


@makes("log-held-up")
def test_somebody_holds_the_log_up(house: House, stranger: Stranger) -> None:
    bob = bob_with(house.stack, 10)
    stranger.begin("SELECT pg_current_xact_id()")
    house.stack.order(bob, "10.00")
    house.tells("log-held-up")
    house.does("log-held-up")
    house.is_over("log-held-up")
    house.stack.wait_for_points(bob, 20, 60)


@makes("log-days-missing")
def test_somebody_keeps_the_log_from_getting_its_days(house: House, stranger: Stranger) -> None:
    today = datetime.now(UTC).date()
    for days in range(1, 8):
        stranger.execute(f"DROP TABLE IF EXISTS facts_{today + timedelta(days=days):%Y%m%d}")
    stranger.begin("LOCK TABLE facts IN SHARE UPDATE EXCLUSIVE MODE")
    house.tells("log-days-missing")
    house.does("log-days-missing")
    house.is_over("log-days-missing", KEPT_AGAIN_SECONDS)


@makes("replica-behind")
def test_the_replica_is_stopped(house: House, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    replica = OwnReplica(tmp_path / "replica", house.stack.environment["DATABASE_URL"])
    try:
        house.restart_web(DATABASE_READ_URL=replica.url)
        wait_for("it follows", house.is_well, 60)
        replica.stop()
        house.tells("replica-behind")
        replica.start()
        house.is_over("replica-behind", 90)
    finally:
        house.restart_web()
        replica.stop(kill=True)
