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

GENERATE = """
import asyncio
from tortoise import Tortoise
from app import config, db
async def main():
    await Tortoise.init(config=db.tortoise_config(config.load()))
    await Tortoise.generate_schemas()
    await Tortoise.close_connections()
asyncio.run(main())
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


async def run(*arguments: str, **environment: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=settings.ROOT,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def release(database_url: str) -> tuple[int, str]:
    return await run("-m", "workers.release", DATABASE_URL=database_url)


async def test_the_models_and_the_migrations_agree_on_every_column(
    fresh_url: str,
) -> None:
    """Indexes and partitions are the migrations' alone: models cannot say them."""
    made = await run("-c", GENERATE, DATABASE_URL=fresh_url)
    assert made[0] == 0, made[1]
    connection = await asyncpg.connect(fresh_url)
    try:
        generated = [tuple(row) for row in await connection.fetch(COLUMNS)]
    finally:
        await connection.close()
    async with db.connection() as migrated:
        found = [tuple(row) for row in await migrated.fetch(COLUMNS)]
    of_models = {column[0] for column in generated}
    assert len(of_models) > 10, "the models must have made something for this test to mean anything"
    assert [column for column in found if column[0] in of_models] == generated


async def test_releasing_twice_at_once_and_again_changes_nothing(fresh_url: str) -> None:
    for code, output in await asyncio.gather(release(fresh_url), release(fresh_url)):
        assert code == 0, output
    code, output = await release(fresh_url)
    assert code == 0, output
    assert "apply_start" not in output
