"""When a backup, a check and a restore last went well: told to the database itself, where /metrics
finds it.
"""

import asyncio
from typing import Any

from asyncpg.exceptions import InterfaceError, PostgresError

from app import postgres
from app.addresses import parse

NOTE = """
INSERT INTO backup_marks (name, at, said) VALUES ($1, now(), $2)
ON CONFLICT (name) DO UPDATE SET at = now(), said = excluded.said
"""
READ = "SELECT name, extract(epoch FROM now() - at)::float8 AS age, said FROM backup_marks"
SECONDS = 5.0


def note(url: str, name: str, said: str) -> bool:
    """Tell that `name` (backup, drill, verify) went well just now; False, and a line on the
    screen, when the database does not answer: what went well has done so all the same.
    """
    try:
        asyncio.run(_ask(url, NOTE, name, said))
    except (OSError, TimeoutError, PostgresError, InterfaceError) as error:
        print(f"The database could not be told of it: {error}")
        return False
    return True


def read(url: str) -> dict[str, tuple[float, str]]:
    """What was noted: how many seconds ago, and what was said of it."""
    rows = asyncio.run(_ask(url, READ))
    return {row["name"]: (row["age"], row["said"]) for row in rows}


async def _ask(url: str, statement: str, *arguments: str) -> Any:
    connection = await postgres.connect(parse(url), timeout=SECONDS)
    try:
        return await connection.fetch(statement, *arguments)
    finally:
        await connection.close(timeout=SECONDS)
