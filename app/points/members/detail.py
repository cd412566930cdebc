"""Rows as pages show them: a member's lots and ledger in pages, and a shop's newest movements."""

from typing import Any

from app import paging
from app.paging import Cursor, Links
from app.points.ledger import sentences
from app.points.views import Activity, LedgerView, LotView

LEDGER_SIZE, LOTS_SIZE = 50, 25
SEQUENCE_MAX = 9_000_000_000_000_000_000  # behind every row
# in the order they will be spent; what never expires is last
_LOT_PLACE = "(COALESCE(expires_at, '9999-01-01 00:00:00+00'), available_at, id)"
_LOT_COLUMNS = "id, source, granted, remaining, is_pending, available_at, expires_at"
SELECT_LOTS = f"""
SELECT {_LOT_COLUMNS} FROM lots
 WHERE member_id = $1 AND remaining > 0 AND {_LOT_PLACE} > ($2, $3, $4::bigint)
 ORDER BY expires_at NULLS LAST, available_at, id LIMIT $5
"""
SELECT_LOTS_BACKWARDS = f"""
SELECT {_LOT_COLUMNS} FROM lots
 WHERE member_id = $1 AND remaining > 0 AND {_LOT_PLACE} < ($2, $3, $4::bigint)
 ORDER BY expires_at DESC NULLS FIRST, available_at DESC, id DESC LIMIT $5
"""
_LEDGER_COLUMNS = (
    "sequence, source, effect, from_bucket, to_bucket, points, why, effective_at, recorded_at"
)
SELECT_LEDGER = f"""
SELECT {_LEDGER_COLUMNS} FROM ledger WHERE member_id = $1 AND sequence < $2
 ORDER BY sequence DESC LIMIT $3
"""
SELECT_LEDGER_BACKWARDS = f"""
SELECT {_LEDGER_COLUMNS} FROM ledger WHERE member_id = $1 AND sequence > $2
 ORDER BY sequence LIMIT $3
"""
SELECT_NEWEST = """
SELECT member.customer_id, row.effect, row.from_bucket, row.to_bucket, row.points, row.why,
       row.effective_at
  FROM (SELECT * FROM ledger WHERE shop = $1 ORDER BY id DESC LIMIT $2) AS row
  JOIN members AS member ON member.id = row.member_id
 ORDER BY row.id DESC
"""


async def lots(conn: Any, member_id: int, at: Cursor | None) -> tuple[list[LotView], Links]:
    """A page of the lots with points left, in the order they will be spent."""
    statement = SELECT_LOTS_BACKWARDS if at and at.is_backwards else SELECT_LOTS
    expires, available, lot_id = at.keys if at else (0, 0, 0)
    place = paging.moment(expires), paging.moment(available), lot_id
    found = await conn.fetch(statement, member_id, *place, LOTS_SIZE + 1)
    rows, has_previous, has_next = paging.cut(found, at, LOTS_SIZE)
    links = Links()
    if rows:
        links = paging.links(_lot_key(rows[0]), _lot_key(rows[-1]), has_previous, has_next)
    return [_lot_view(row) for row in rows], links


def _lot_key(row: Any) -> str:
    expires = paging.key(row["expires_at"] or paging.NEVER)
    return f"{expires}.{paging.key(row['available_at'])}.{row['id']}"


async def ledger(conn: Any, member_id: int, at: Cursor | None) -> tuple[list[LedgerView], Links]:
    """A page of a member's rows, the newest first."""
    statement = SELECT_LEDGER_BACKWARDS if at and at.is_backwards else SELECT_LEDGER
    keys = at.keys if at else (SEQUENCE_MAX,)
    found = await conn.fetch(statement, member_id, *keys, LEDGER_SIZE + 1)
    rows, has_previous, has_next = paging.cut(found, at, LEDGER_SIZE)
    links = Links()
    if rows:
        first, last = str(rows[0]["sequence"]), str(rows[-1]["sequence"])
        links = paging.links(first, last, has_previous, has_next)
    return [_ledger_view(row) for row in rows], links


async def newest(conn: Any, shop: str, number: int) -> list[Activity]:
    """The rows of a shop that were recorded last."""
    return [_activity(row) for row in await conn.fetch(SELECT_NEWEST, shop, number)]


def _lot_view(row: Any) -> LotView:
    return LotView(
        str(row["id"]),
        row["source"],
        row["granted"],
        row["remaining"],
        row["is_pending"],
        row["available_at"],
        row["expires_at"],
    )


def _ledger_view(row: Any) -> LedgerView:
    points = row["points"]
    return LedgerView(
        row["sequence"],
        row["source"],
        row["effect"],
        row["from_bucket"],
        row["to_bucket"],
        points,
        _change(row),
        sentences.sentence(row["effect"], points, row["why"]),
        row["effective_at"],
        row["recorded_at"],
    )


def _activity(row: Any) -> Activity:
    text = sentences.sentence(row["effect"], row["points"], row["why"])
    return Activity(
        row["customer_id"],
        row["effect"],
        row["to_bucket"],
        row["points"],
        _change(row),
        text,
        row["effective_at"],
    )


def _change(row: Any) -> int:
    """What a movement did to the available points."""
    points: int = row["points"]
    return (
        points
        if row["to_bucket"] == "available"
        else -points
        if row["from_bucket"] == "available"
        else 0
    )
