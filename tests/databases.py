"""Further databases on the server of the test session, and our programs run on them."""

import asyncio
import os
import sys
from urllib.parse import urlsplit

import asyncpg

from app.config import ROOT, Config


async def make_empty(config: Config, name: str) -> str:
    """The address of a database of this name with nothing in it; another one of that name is
    gone.
    """
    admin = await asyncpg.connect(config.database_url)
    try:
        await admin.execute(f"DROP DATABASE IF EXISTS {name}")
        await admin.execute(f"CREATE DATABASE {name}")
    finally:
        await admin.close()
    return named(config.database_url, name)


def named(address: str, name: str) -> str:
    """The address of the database `name` of the server that `address` tells."""
    return urlsplit(address)._replace(path=f"/{name}").geturl()


async def migrate(address: str, target: str) -> None:
    """The tables as the release with the migration `target` left them."""
    await run(address, "-m", "tortoise", "-c", "app.db.TORTOISE", "migrate", "app", target)


async def release(address: str) -> str:
    return await run(address, "-m", "workers.release")


async def run(address: str, *arguments: str) -> str:
    """What python says of these arguments with that database; fails when it fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": address},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()
