"""Runs of translating again: what was asked, how far it is, what was found, whether it is told."""

from typing import Any, NamedTuple

import msgspec

from app import db
from app.db import Connection
from app.errors import NotFoundError
from app.flow.kept.retranslation import ChangedMeanwhileError, Place, Window

MAKE = """
INSERT INTO retranslations (shop, since, until, why, is_whole) VALUES ($1, $2, $3, $4, $5)
RETURNING id
"""
READ = """
SELECT shop, since, until, why, is_whole, state, part, after_id, found, told
  FROM retranslations WHERE id = $1
"""
# a dry run may be made again as often as one likes; what is told moves points
FOUND = """
UPDATE retranslations SET part = $2, after_id = $3, found = $4, updated_at = now()
 WHERE id = $1 AND state = 'looking'
"""
LOOKED = """
UPDATE retranslations SET state = 'found', part = 0, after_id = 0, updated_at = now()
 WHERE id = $1 AND state = 'looking'
"""
BEGIN = """
UPDATE retranslations SET state = 'telling', updated_at = now()
 WHERE id = $1 AND state IN ('found', 'telling')
RETURNING id
"""
# two that tell the same run wait for each other here, and the second finds its place taken
TOLD = """
UPDATE retranslations SET part = $4, after_id = $5, told = told + $6, updated_at = now()
 WHERE id = $1 AND state = 'telling' AND (part, after_id) = ($2, $3)
RETURNING id
"""
ALL_TOLD = """
UPDATE retranslations SET state = 'told', updated_at = now() WHERE id = $1 AND state = 'telling'
"""


class Run(NamedTuple):
    """A run: `looking` (the dry run), `found`, `telling` or `told`."""

    window: Window
    state: str
    place: Place
    found: dict[str, Any]
    told: int  # facts


async def make(window: Window) -> int:
    """A new run; its number."""
    async with db.connection() as connection:
        number = await connection.fetchval(
            MAKE, window.shop, window.since, window.until, window.why, window.is_whole
        )
    return int(number)


async def load(number: int) -> Run:
    """Raises NotFoundError."""
    async with db.connection() as connection:
        row = await connection.fetchrow(READ, number)
    if row is None:
        raise NotFoundError(f"There is no run {number}.")
    window = Window(row["since"], row["until"], row["shop"], row["why"], row["is_whole"])
    place = Place(row["part"], row["after_id"])
    return Run(window, row["state"], place, msgspec.json.decode(row["found"]), row["told"])


async def keep_found(number: int, place: Place, found: dict[str, Any]) -> None:
    """Note how far the dry run is, and what it found so far."""
    async with db.connection() as connection:
        text = msgspec.json.encode(found).decode()
        await connection.execute(FOUND, number, place.part, place.row, text)


async def end_looking(number: int) -> None:
    async with db.connection() as connection:
        await connection.execute(LOOKED, number)


async def begin_telling(number: int) -> bool:
    """Whether the run may be told: its dry run is done."""
    async with db.connection() as connection:
        return await connection.fetchval(BEGIN, number) is not None


async def keep_told(
    connection: Connection, number: int, place: Place, to: Place, facts: int
) -> None:
    """Go on from `place` `to` another in the transaction that tells what is between them.

    Raises ChangedMeanwhileError when somebody else has.
    """
    row = await connection.fetchval(TOLD, number, place.part, place.row, to.part, to.row, facts)
    if row is None:
        raise ChangedMeanwhileError("Somebody else tells this run.")


async def end_telling(number: int) -> None:
    async with db.connection() as connection:
        await connection.execute(ALL_TOLD, number)
