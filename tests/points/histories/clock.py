"""A clock that stands still until it is moved, for the service and for Postgres."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from unittest.mock import patch

from app import db

# a name without its schema is looked for in these in turn
BEFORE = "ALTER DATABASE postgres SET search_path = clock, pg_catalog, public"
AFTER = "ALTER DATABASE postgres RESET search_path"
FUNCTIONS = """
CREATE SCHEMA IF NOT EXISTS clock;
CREATE TABLE IF NOT EXISTS clock.stands (at timestamptz NOT NULL);
CREATE OR REPLACE FUNCTION clock.now() RETURNS timestamptz STABLE LANGUAGE sql
    AS 'SELECT at FROM clock.stands';
CREATE OR REPLACE FUNCTION clock.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql
    AS 'SELECT at FROM clock.stands';
DELETE FROM clock.stands;
INSERT INTO clock.stands VALUES (pg_catalog.now());
"""
START = datetime(2025, 10, 20, 12, 34, 56, 250_000, UTC)


class Clock:
    """Stands where modules have `datetime`."""

    def __init__(self) -> None:
        self.at = START

    async def move(self, to: datetime) -> None:
        self.at = to
        async with db.connection() as conn:
            await conn.execute("UPDATE clock.stands SET at = $1", to)

    async def advance(self, time: timedelta) -> None:
        await self.move(self.at + time)

    def now(self, zone: tzinfo | None = None) -> datetime:
        return self.at.astimezone(zone)

    def __getattr__(self, name: str) -> Any:
        return getattr(datetime, name)

    def __call__(self, *args: Any, **named: Any) -> datetime:
        return datetime(*args, **named)  # noqa: DTZ001 - as who calls says

    def __instancecheck__(self, one: object) -> bool:
        return isinstance(one, datetime)


@contextmanager
def _in_modules(clock: Clock) -> Iterator[None]:
    patches = [
        patch.object(module, "datetime", clock)
        for name, module in list(sys.modules.items())
        if name.startswith("app.points") and getattr(module, "datetime", None) is datetime
    ]
    for one in patches:
        one.start()
    try:
        yield
    finally:
        for one in patches:
            one.stop()


@asynccontextmanager
async def standing() -> AsyncIterator[Clock]:
    """Time is what this clock says, in `app.points` and in Postgres."""
    clock = Clock()
    async with db.connection() as conn:
        await conn.execute(FUNCTIONS)
        await conn.execute(BEFORE)
    _reconnect()
    try:
        with _in_modules(clock):
            await clock.move(START)
            yield clock
    finally:
        async with db.connection() as conn:
            await conn.execute(AFTER)
        _reconnect()


def _reconnect() -> None:
    for pool in db.pools().values():
        pool.drop_idle()
