"""A session of Postgres beside the stack, for a test that is no coroutine."""

import asyncio
from typing import Any

import asyncpg

from tests.stack import Stack


class Beside:
    """A session of the test's own, driven from a test that is no coroutine."""

    def __init__(self, stack: Stack) -> None:
        self.url = stack.environment["DATABASE_URL"]
        self.loop = asyncio.new_event_loop()
        self.connection: Any = self.run(asyncpg.connect(self.url))

    def run(self, call: Any) -> Any:
        return self.loop.run_until_complete(call)

    def execute(self, sql: str, *values: Any) -> Any:
        return self.run(self.connection.execute(sql, *values))

    def fetchval(self, sql: str, *values: Any) -> Any:
        return self.run(self.connection.fetchval(sql, *values))

    def letters(self) -> int:
        """How many letters there are: those of earlier tests stay, for they are stated reasons."""
        return int(self.fetchval("SELECT count(*) FROM dead_letters"))

    def close(self) -> None:
        if not self.connection.is_closed():
            self.run(self.connection.close())
        self.loop.close()
