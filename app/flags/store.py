"""Flags in Postgres: what operators have said, and what they said before."""

import json
import re
from typing import NamedTuple

from app import db
from app.errors import BadInputError, ConflictError, NotFoundError
from app.flags.known import FLAGS, FULL, Setting, default
from app.telemetry import logs

SHOPS_MAX = 500  # in each list: every process holds them
NAME_LENGTH_MAX = 64
CHANGES_SHOWN = 20
SHOP = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com")
SELECT = """
SELECT key, enabled, share_in_10000, shops_on, shops_off, version, changed_by, changed_at FROM flags
"""
INSERT = """
INSERT INTO flags (key, enabled, share_in_10000, shops_on, shops_off, version, owner, changed_by)
VALUES ($1, $2, $3, $4, $5, 1, $6, $7) ON CONFLICT (key) DO NOTHING RETURNING version
"""
UPDATE = """
UPDATE flags SET enabled = $2, share_in_10000 = $3, shops_on = $4, shops_off = $5, owner = $6,
                 changed_by = $7, changed_at = now(), version = version + 1
 WHERE key = $1 AND version = $8 RETURNING version
"""
NOTE = "INSERT INTO flag_changes (key, version, said, changed_by) VALUES ($1, $2, $3, $4)"
SELECT_CHANGES = """
SELECT key, version, said, changed_by, changed_at FROM flag_changes ORDER BY id DESC LIMIT $1
"""
log = logs.logger()


class Change(NamedTuple):
    """One line of who changed what."""

    key: str
    version: int
    said: str  # of the flag from then on
    changed_by: str
    changed_at: object


async def read() -> dict[str, Setting]:
    """What operators have said of the flags there are, by key."""
    async with db.connection() as connection:
        rows = await connection.fetch(SELECT)
    return {
        row["key"]: Setting(
            row["key"],
            row["enabled"],
            row["share_in_10000"],
            frozenset(row["shops_on"]),
            frozenset(row["shops_off"]),
            row["version"],
            row["changed_by"],
            row["changed_at"],
        )
        for row in rows
        if row["key"] in FLAGS
    }


async def changes() -> list[Change]:
    """The newest changes, the newest first."""
    async with db.connection() as connection:
        return [Change(**row) for row in await connection.fetch(SELECT_CHANGES, CHANGES_SHOWN)]


async def setting(key: str) -> Setting:
    """What holds of a flag now, by Postgres. Raises NotFoundError."""
    if key not in FLAGS:
        raise NotFoundError(f"There is no flag {key}.")
    return (await read()).get(key) or default(FLAGS[key])


async def change(wanted: Setting, by: str) -> int:
    """Save `wanted`, whose version is the one it was made from; the new version.

    Raises NotFoundError, BadInputError, and ConflictError when somebody else was faster.
    """
    _check(wanted, by)
    values = (
        wanted.key,
        wanted.is_enabled,
        wanted.share_in_10000,
        sorted(wanted.shops_on),
        sorted(wanted.shops_off),
        FLAGS[wanted.key].owner,
        by,
    )
    async with db.transaction() as connection:
        if wanted.version:
            version = await connection.fetchval(UPDATE, *values, wanted.version)
        else:
            version = await connection.fetchval(INSERT, *values)
        if version is None:
            raise ConflictError("Somebody else has changed this flag meanwhile; look again.")
        said = json.dumps(
            {
                "enabled": wanted.is_enabled,
                "share_in_10000": wanted.share_in_10000,
                "shops_on": sorted(wanted.shops_on),
                "shops_off": sorted(wanted.shops_off),
            }
        )
        await connection.execute(NOTE, wanted.key, version, said, by)
    log.info("flag changed", flag=wanted.key, version=version, said=said, by=by)
    return int(version)


def _check(wanted: Setting, by: str) -> None:
    if wanted.key not in FLAGS:
        raise NotFoundError(f"There is no flag {wanted.key}.")
    if not 0 <= wanted.share_in_10000 <= FULL:
        raise BadInputError(f"A share is a whole number from 0 to {FULL:,}.")
    for shops in (wanted.shops_on, wanted.shops_off):
        if len(shops) > SHOPS_MAX:
            raise BadInputError(f"Please name at most {SHOPS_MAX} shops.")
        for shop in shops:
            if not SHOP.fullmatch(shop):
                raise BadInputError(f"{shop[:80]} is no shop; one is like alice.myshopify.com.")
    if wanted.shops_on & wanted.shops_off:
        raise BadInputError("A shop cannot have it and not have it.")
    if not 0 < len(by) <= NAME_LENGTH_MAX:
        raise BadInputError(f"Please say who you are, in {NAME_LENGTH_MAX} characters at most.")
