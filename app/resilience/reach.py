"""Whether this process reaches Postgres, asked all the time beside its work: one that is cut off
silently must know so itself, before the limits of its commands find out; and whether it is still
the same one.
"""

import asyncio
import time

import asyncpg

from app import db, rooms
from app.resilience import deadline, guard, memory
from app.resilience.deadline import pause
from app.resilience.failures import reason
from app.telemetry import logs

# Together below the two seconds within which a reader must know; slow counts as away.
EVERY_SECONDS = 0.5
ANSWER_SECONDS = 0.9

log = logs.logger()


async def watch(stop: asyncio.Event) -> None:
    """Ask until `stop` is set; any failure is an answer, and nothing is raised."""
    rooms.current.set(rooms.HEALTH)  # of this task alone
    while not stop.is_set():
        await look()
        await pause(EVERY_SECONDS, stop)


async def look() -> None:
    """Ask once, and remember the answer."""
    global _away_since, _mark  # noqa: PLW0603 - one answer a process
    asked_at = time.monotonic()
    try:
        mark = await deadline.within(ANSWER_SECONDS, _ask())
    except Exception as error:  # noqa: BLE001 - whatever it is, nobody in this process gets an answer
        if _away_since is None:
            _away_since = asked_at
            log.warning("the database is not reached", reason=reason(error))
    else:
        if _away_since is not None:
            log.info("the database is reached again", seconds=round(asked_at - _away_since, 1))
            guard.postgres_answers_again()
        _away_since = None
        if mark and _mark and mark != _mark:
            log.warning("the database is another one, or was put back: nothing of it is remembered")
            memory.forget_all()
        _mark = mark or _mark


def is_database_reached() -> bool:
    """What the last look found; True before the first."""
    return _away_since is None


def forget() -> None:
    """Drop what this process remembers (for tests)."""
    global _away_since, _mark
    _away_since, _mark = None, ""


_away_since: float | None = None
_mark = ""  # of the database and its timeline; empty while nobody can say


async def _ask() -> str:
    async with db.connection() as connection:
        try:
            return str(await connection.fetchval("SELECT cluster_mark()") or "")
        except asyncpg.UndefinedFunctionError:  # its tables are yet to be made
            return ""
