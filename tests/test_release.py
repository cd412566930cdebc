"""The release process on a database of its own."""

import asyncio
import os
import sys

import asyncpg
import pytest

from app import config as settings
from app import db

COLUMNS = """
SELECT table_name, column_name, data_type, character_maximum_length, numeric_precision,
       numeric_scale, is_nullable,
       is_identity, column_default
  FROM information_schema.columns
 WHERE table_schema = 'public' AND table_name NOT LIKE '%migration%'
 ORDER BY table_name, column_name
"""
INDEXES = """
SELECT tablename, regexp_replace(indexdef, 'INDEX \\S+ ON', 'INDEX ON') AS definition
  FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE '%migration%'
 ORDER BY 1, 2
"""
CONSTRAINTS = """
SELECT conrelid::regclass::text AS "table", pg_get_constraintdef(oid) AS definition
  FROM pg_constraint
 WHERE connamespace = 'public'::regnamespace AND contype <> 'n' AND conrelid::regclass::text NOT
       LIKE '%migration%'
 ORDER BY 1, 2
"""


@pytest.fixture
async def fresh_url(stores: db.Stores, config: settings.Config) -> str:
    """The address of a second, empty database on the same server."""
    async with db.connection() as raw:
        await raw.execute(
            "SET statement_timeout = 0"
        )  # dropping waits for a checkpoint; the pool resets it afterwards
        await raw.execute("DROP DATABASE IF EXISTS fresh")
        await raw.execute("CREATE DATABASE fresh")
    return config.database_url.rsplit("/", 1)[0] + "/fresh"


async def release(database_url: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "workers.release",
        cwd=settings.ROOT,
        env={**os.environ, "DATABASE_URL": database_url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def described(connection, query: str) -> list[tuple]:
    return [tuple(row) for row in await connection.fetch(query)]


async def test_migrating_an_empty_database_makes_exactly_the_tables_of_the_models(
    fresh_url: str,
) -> None:
    code, output = await release(fresh_url)
    assert code == 0, output
    migrated = await asyncpg.connect(fresh_url)
    try:
        for query in (COLUMNS, INDEXES, CONSTRAINTS):
            async with db.connection() as generated:
                expected = await described(generated, query)
            assert expected, "the models must have made something for this test to mean anything"
            assert await described(migrated, query) == expected
    finally:
        await migrated.close()


async def test_releasing_twice_at_once_and_again_changes_nothing(fresh_url: str) -> None:
    for code, output in await asyncio.gather(release(fresh_url), release(fresh_url)):
        assert code == 0, output
    code, output = await release(fresh_url)
    assert code == 0, output
    assert "apply_start" not in output
