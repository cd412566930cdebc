"""A shop's newest movements, and when a member's points expire."""

from typing import Any

from app import paging
from app.paging import Cursor, Links
from app.points.ledger import sentences
from app.points.views import Activity, Expiry

EXPIRIES_SIZE = 10
# a moment each, and what never expires in one line at the end
_LEFT = """
SELECT COALESCE(expires_at, '9999-01-01 00:00:00+00') AS ends_at, sum(remaining)::bigint AS points,
       COALESCE(sum(remaining) FILTER (WHERE is_pending), 0)::bigint AS pending,
       min(available_at) FILTER (WHERE is_pending) AS pending_until
  FROM lots WHERE member_id = $1 AND remaining > 0
   AND COALESCE(expires_at, '9999-01-01 00:00:00+00') {beyond} $2
 GROUP BY ends_at ORDER BY ends_at{way} LIMIT $3
"""
SELECT_EXPIRIES = _LEFT.format(beyond=">", way="")
SELECT_EXPIRIES_BACKWARDS = _LEFT.format(beyond="<", way=" DESC")
SELECT_NEWEST = """
SELECT member.customer_id, row.effect, row.from_bucket, row.to_bucket, row.points, row.why,
       row.effective_at
  FROM (SELECT * FROM ledger WHERE shop = $1 ORDER BY id DESC LIMIT $2) AS row
  JOIN members AS member ON member.id = row.member_id
 ORDER BY row.id DESC
"""


async def expiries(conn: Any, member_id: int, at: Cursor | None) -> tuple[list[Expiry], Links]:
    """A page of what is left by when it expires, which names a line; the next to expire first."""
    statement = SELECT_EXPIRIES_BACKWARDS if at and at.is_backwards else SELECT_EXPIRIES
    start = paging.moment(at.keys[0] if at else 0)
    found = await conn.fetch(statement, member_id, start, EXPIRIES_SIZE + 1)
    rows, has_previous, has_next = paging.cut(found, at, EXPIRIES_SIZE)
    links = Links()
    if rows:
        first, last = (str(paging.key(row["ends_at"])) for row in (rows[0], rows[-1]))
        links = paging.links(first, last, has_previous, has_next)
    return [_expiry(row) for row in rows], links


def _expiry(row: Any) -> Expiry:
    ends_at = None if row["ends_at"] == paging.NEVER else row["ends_at"]
    return Expiry(row["points"], row["pending"], row["pending_until"], ends_at)


async def newest(conn: Any, shop: str, number: int) -> list[Activity]:
    """The rows of a shop that were recorded last."""
    return [_activity(row) for row in await conn.fetch(SELECT_NEWEST, shop, number)]


def _activity(row: Any) -> Activity:
    text = sentences.sentence(row["effect"], row["points"], row["why"], is_brief=True)
    return Activity(
        row["customer_id"],
        row["effect"],
        row["to_bucket"],
        row["points"],
        change(row),
        text,
        row["effective_at"],
    )


def change(row: Any) -> int:
    """What a movement did to the available points."""
    points: int = row["points"]
    return (
        points
        if row["to_bucket"] == "available"
        else -points
        if row["from_bucket"] == "available"
        else 0
    )
