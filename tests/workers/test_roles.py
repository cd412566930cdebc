"""Each process can write its own tables and no others: with roles that the release made."""

import asyncio
import os
import re

import asyncpg
import pytest

from app import config as settings
from app import db
from app.config import ROOT
from app.services import PROCESSES, SERVICES
from tests.databases import make_empty, release
from workers import roles

PREFIX = "test_roles"
OF_THE_RELAY = ("kafka/relay.py", "places.py")
TABLES = """
SELECT relname AS name FROM pg_class
 WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
   AND relname NOT LIKE '%migration%'
"""
CAN = """
SELECT privilege, has_table_privilege($1, $2, privilege) AS has
  FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
"""


@pytest.fixture
async def url(stores: db.Stores, config: settings.Config, monkeypatch: pytest.MonkeyPatch) -> str:
    address = await make_empty(config, "with_roles")
    monkeypatch.setenv("DATABASE_ROLES", PREFIX)
    await release(address)
    return address


async def test_each_table_is_written_by_some_process_or_by_the_owners_commands(
    stores: db.Stores,
) -> None:
    async with db.connection() as connection:
        tables = {row["name"] for row in await connection.fetch(TABLES)}
    written = set().union(*(roles.written_by(process) for process in PROCESSES))
    assert tables - written == roles.OF_THE_OWNER


def test_the_relay_can_write_its_place_in_kafka() -> None:
    told = "".join((ROOT / "app/flow/bus" / name).read_text() for name in OF_THE_RELAY)
    written = set(re.findall(r"(?:INSERT INTO|DELETE FROM|\"\nUPDATE) ([a-z_]+)", told))
    assert "places" in written
    assert written <= roles.written_by("relay")


@pytest.mark.long
async def test_each_process_can_write_its_own_tables_and_no_others(url: str) -> None:
    owner = await asyncpg.connect(url)
    try:
        tables = {row["name"] for row in await owner.fetch(TABLES)}
        assert len(tables) > 20
        for process in PROCESSES:
            own = roles.written_by(process)
            assert own - tables <= {"facts_rest", "receipts_rest", "webhook_bodies_rest"}
            for table in tables:
                rows = await owner.fetch(CAN, f"{PREFIX}_{process}", table)
                rights = {row["privilege"] for row in rows if row["has"]}
                wanted = {"SELECT"}
                if table in own:
                    wanted |= {"INSERT"}
                    wanted |= set() if table in roles.APPENDED_TO else {"UPDATE", "DELETE"}
                assert rights == wanted, (process, table)
        for one in SERVICES:
            others = set().union(
                *(roles._tables_of(other.name) for other in SERVICES if other is not one)
            )
            assert roles.written_by(one.name).isdisjoint(others)
    finally:
        await owner.close()


@pytest.mark.long
async def test_a_process_that_is_taken_over_cannot_touch_what_is_not_its_own(url: str) -> None:
    owner = await asyncpg.connect(url)
    await owner.execute(f"DROP ROLE IF EXISTS {PREFIX}_login")
    await owner.execute(f"CREATE ROLE {PREFIX}_login LOGIN IN ROLE {PREFIX}_core")
    stranger = await asyncpg.connect(url.replace("postgres@", f"{PREFIX}_login@"))
    try:
        await stranger.execute("DELETE FROM last_orders")
        for refused in (
            "UPDATE members SET available = 1000000",
            "DELETE FROM ledger",
            "UPDATE facts SET body = ''",
            "DELETE FROM receipts",
            "TRUNCATE last_orders",
            "DROP TABLE members",
            "ALTER TABLE members DISABLE TRIGGER ALL",
            "CREATE TABLE mine (x int)",
            "SELECT set_log_base(1)",
            "SELECT end_day('facts', '2026-01-01')",
            f"SET ROLE {PREFIX}_points",
            "CREATE ROLE mine SUPERUSER",
            "COPY (SELECT 1) TO '/tmp/stolen'",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await stranger.execute(refused)
    finally:
        await stranger.close()
        await owner.execute(f"DROP ROLE {PREFIX}_login")
        await owner.close()


@pytest.mark.long
async def test_a_second_release_changes_nothing_and_a_bad_prefix_is_refused(url: str) -> None:
    await asyncio.gather(release(url), release(url))
    owner = await asyncpg.connect(url)
    try:
        with pytest.raises(ValueError, match="plain name"):
            await roles.grant(owner, "x; DROP TABLE members")
    finally:
        await owner.close()
    assert os.environ["DATABASE_ROLES"] == PREFIX
