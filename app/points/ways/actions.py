"""What merchants do with ways to earn: make one, change it, switch it on and off.

Each change is a version, which holds for what happens from then on.
"""

import re
from collections.abc import Mapping
from typing import Any

from app import db, text
from app.db import Connection, Row
from app.errors import BadInputError, ConflictError, NotFoundError, RefusedError
from app.points.ledger.keys import checked_key
from app.points.ways import rules
from app.points.ways.rules import Way

NO_SUCH = "There is no such way to earn in this shop."
TITLES = {
    "account": "Create an account",
    "newsletter": "Subscribe to our e-mails",
    "birthday": "Celebrate your birthday",
}
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
COLUMNS = "id, shop, kind, handle, title, points, per, times, url, is_active, version"
# two forms at once: the second finds what the first made
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('ways/' || $1::text, 0))"
SELECT_BY_KEY = f"SELECT {COLUMNS} FROM ways WHERE shop = $1 AND idempotency_key = $2"
SELECT_SAME = f"SELECT {COLUMNS} FROM ways WHERE shop = $1 AND kind = $2 AND handle = $3"
COUNT = "SELECT count(*) FROM ways WHERE shop = $1"
SELECT = f"SELECT {COLUMNS} FROM ways WHERE shop = $1 AND id = $2 FOR UPDATE"
INSERT = f"""
INSERT INTO ways (shop, kind, handle, title, points, per, times, url, is_active, version,
                  idempotency_key, given, given_points, walk_at, walked_id, updated_at)
VALUES ($1, $2::text, $3, $4, $5, $6, $7, $8, $9, 1, $10, 0, 0,
        CASE WHEN $2::text = 'birthday' THEN now() END, '', now())
RETURNING {COLUMNS}
"""
# a day that was switched off is not made up for
UPDATE = f"""
UPDATE ways SET title = $3, points = $4, per = $5, times = $6, url = $7, is_active = $8,
                version = version + 1, updated_at = now(), handle = $9,
                walk_at = CASE WHEN kind = 'birthday' AND NOT is_active AND $8 THEN now()
                               ELSE walk_at END,
                walked_on = CASE WHEN NOT is_active AND $8 THEN NULL ELSE walked_on END
 WHERE shop = $1 AND id = $2 RETURNING {COLUMNS}
"""
INSERT_VERSION = """
INSERT INTO way_versions (shop, way_id, version, title, points, per, times, is_active, edited_by,
                          created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp())
"""


class StaleWayError(ConflictError):
    """Somebody else changed this way meanwhile: `current` is how it stands."""

    code = "stale"

    def __init__(self, current: Way) -> None:
        super().__init__("Somebody else changed this meanwhile. Nothing of yours was saved yet.")
        self.current = current


async def make(
    shop: str,
    kind: str,
    fields: Mapping[str, Any],
    by: str,
    *,
    key: str | None = None,
    is_active: bool = True,
) -> Way:
    """A new way of that kind with `fields`: title, points, and for a network its url, for an action
    its handle, per and times. The same `key` makes one.

    Raises BadInputError, ConflictError for one there is already, RefusedError for more than 50.
    """
    if kind not in rules.KINDS:
        raise BadInputError("Please choose what is to give points.")
    wanted = _checked(kind, fields)
    key = checked_key(key) if key is not None else None
    async with db.transaction() as conn:
        await conn.execute(LOCK, shop)
        if key is not None and (row := await conn.fetchrow(SELECT_BY_KEY, shop, key)) is not None:
            return way(row)
        if (row := await conn.fetchrow(SELECT_SAME, shop, kind, wanted["handle"])) is not None:
            raise ConflictError(f"There is “{row['title']}” for this already; please change that.")
        if await conn.fetchval(COUNT, shop) >= rules.WAYS_MAX:
            raise RefusedError(f"A shop can have at most {rules.WAYS_MAX} ways to earn.")
        row = await conn.fetchrow(
            INSERT,
            shop,
            kind,
            wanted["handle"],
            wanted["title"],
            wanted["points"],
            wanted["per"],
            wanted["times"],
            wanted["url"],
            is_active,
            key,
        )
        return await _version(conn, row, by)


async def change(
    shop: str,
    way_id: str,
    fields: Mapping[str, Any],
    by: str,
    *,
    seen_version: int | None = None,
) -> Way:
    """Change title, points, url, per or times, as far as they are in `fields`. What stays the same
    makes no version. Raises BadInputError, NotFoundError, StaleWayError, ConflictError.
    """
    async with db.transaction() as conn:
        await conn.execute(LOCK, shop)
        current = await _current(conn, shop, way_id)
        now = current._asdict()
        wanted = _checked(current.kind, {**now, **fields, "handle": current.handle})
        if current.kind == "action":
            wanted["handle"] = current.handle  # shops' servers call it by this name
        if all(now[name] == value for name, value in wanted.items()):
            return current
        if seen_version not in {None, current.version}:
            raise StaleWayError(current)
        same = await conn.fetchrow(SELECT_SAME, shop, current.kind, wanted["handle"])
        if same is not None and same["id"] != current.id:
            raise ConflictError(f"“{same['title']}” has this link already.")
        return await _update(conn, current._replace(**wanted), by)


async def switch(shop: str, way_id: str, by: str, *, is_active: bool) -> Way:
    """Switch a way on or off; asking again changes nothing. Raises NotFoundError."""
    async with db.transaction() as conn:
        await conn.execute(LOCK, shop)
        current = await _current(conn, shop, way_id)
        if current.is_active == is_active:
            return current
        return await _update(conn, current._replace(is_active=is_active), by)


def way(row: Row) -> Way:
    """A Way from a row with COLUMNS."""
    return Way(*(row[name] for name in Way._fields))


async def _update(conn: Connection, wanted: Way, by: str) -> Way:
    row = await conn.fetchrow(
        UPDATE,
        wanted.shop,
        wanted.id,
        wanted.title,
        wanted.points,
        wanted.per,
        wanted.times,
        wanted.url,
        wanted.is_active,
        wanted.handle,
    )
    return await _version(conn, row, by)


async def _version(conn: Connection, row: Row | None, by: str) -> Way:
    assert row is not None
    made = way(row)
    await conn.execute(
        INSERT_VERSION,
        made.shop,
        made.id,
        made.version,
        made.title,
        made.points,
        made.per,
        made.times,
        made.is_active,
        text.clean(by, 64),
    )
    return made


async def _current(conn: Connection, shop: str, way_id: str) -> Way:
    found = _NUMBER.fullmatch(way_id)
    row = await conn.fetchrow(SELECT, shop, int(way_id)) if found else None
    if row is None:
        raise NotFoundError(NO_SUCH)
    return way(row)


def _checked(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a way as they are kept. Raises BadInputError with the first problem."""
    title = text.clean(str(fields.get("title") or ""), rules.TITLE_LENGTH_MAX + 1).strip()
    per, times = fields.get("per") or "once", fields.get("times")
    wanted: dict[str, Any] = {
        "title": title or TITLES.get(kind, ""),
        "points": fields.get("points"),
        "per": per if kind == "action" else "once",
        "times": 1 if kind != "action" or per == "once" else (1 if times is None else times),
        "url": rules.link(str(fields.get("url") or "")) if kind == "follow" else "",
        "handle": str(fields.get("handle") or "").strip() if kind == "action" else "",
    }
    if wrong := rules.problems(kind, wanted):
        raise BadInputError(next(iter(wrong.values())))
    if kind == "follow":
        wanted["handle"] = rules.place(wanted["url"])
    return wanted
