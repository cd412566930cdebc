"""What was corrected of a shop's orders, for its merchant."""

from typing import Any

from app import db, paging
from app.paging import Cursor, Links
from app.points.views import CorrectionList, CorrectionView

PAGE_SIZE = 50
KEYS = 1  # of a cursor
_COLUMNS = "id, order_id, order_name, customer_id, before, after, reason, made_at"
AFTER = f"""
SELECT {_COLUMNS} FROM corrections WHERE shop = $1 AND id < $2 ORDER BY id DESC LIMIT $3
"""
BEFORE = f"""
SELECT {_COLUMNS} FROM corrections WHERE shop = $1 AND id > $2 ORDER BY id LIMIT $3
"""
NEWEST = 2**62


async def newest(shop: str, at: Cursor | None) -> CorrectionList:
    """A page of a shop's corrections, the newest first."""
    statement = BEFORE if at and at.is_backwards else AFTER
    async with db.connection() as connection:
        found = await connection.fetch(statement, shop, at.keys[0] if at else NEWEST, PAGE_SIZE + 1)
    rows, has_previous, has_next = paging.cut(found, at, PAGE_SIZE)
    links = Links()
    if rows:
        links = paging.links(str(rows[0]["id"]), str(rows[-1]["id"]), has_previous, has_next)
    return CorrectionList([_view(row) for row in rows], links)


def _view(row: Any) -> CorrectionView:
    return CorrectionView(
        row["order_id"],
        row["order_name"],
        row["customer_id"],
        row["before"],
        row["after"],
        row["reason"],
        row["made_at"],
    )
