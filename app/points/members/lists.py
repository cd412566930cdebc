"""The members of a shop in pages, by keyset: the newest first, or those with the most points."""

from collections.abc import Callable, Sequence
from typing import Any

from app import db, paging
from app.paging import Cursor, Links
from app.points.views import MemberList, MemberRow

COLUMNS = (
    "id, customer_id, available, pending, held, debt, issued, sequence, frozen_at, joined_at, "
    "updated_at"
)
LARGE = 10_000  # members from which on sorting by points takes longer than a page may
TOP_SIZE = 1_000
TOP_EVERY_SECONDS = 300
TOP_SHOPS_A_ROUND = 20
_MOST = 9_000_000_000_000_000_000  # more points than there are
# Not by id alone: its own index would be walked through the members of all other shops.
NEWEST = f"""
SELECT {COLUMNS} FROM members
 WHERE shop = $1 AND (joined_at, id) < ($2, $3::bigint)
 ORDER BY joined_at DESC, id DESC LIMIT $4
"""
NEWEST_BACKWARDS = f"""
SELECT {COLUMNS} FROM members
 WHERE shop = $1 AND (joined_at, id) > ($2, $3::bigint)
 ORDER BY joined_at, id LIMIT $4
"""
MOST = f"""
SELECT {COLUMNS} FROM members
 WHERE shop = $1 AND (-available, id) > (-($2::bigint), $3::bigint)
 ORDER BY -available, id LIMIT $4
"""
MOST_BACKWARDS = f"""
SELECT {COLUMNS} FROM members
 WHERE shop = $1 AND (-available, id) < (-($2::bigint), $3::bigint)
 ORDER BY -available DESC, id DESC LIMIT $4
"""
SELECT_TOP = """
SELECT as_of, member_ids[$2:$3] AS member_ids, cardinality(member_ids) AS number
  FROM top_members WHERE shop = $1
"""
SELECT_IDS = f"""
SELECT {COLUMNS} FROM members WHERE shop = $1 AND id = ANY($2::bigint[])
 ORDER BY array_position($2::bigint[], id)
"""
SELECT_CUSTOMERS = f"""
SELECT {COLUMNS} FROM members WHERE shop = $1 AND customer_id = ANY($2::text[])
"""
# An index by points would change with every posting, and take the table's cheap updates away.
SELECT_OLD_TOPS = """
SELECT total.shop FROM shop_totals AS total
  LEFT JOIN top_members AS top ON top.shop = total.shop
 WHERE total.members > $1 AND (top.as_of IS NULL OR top.as_of < now() - make_interval(secs => $2))
 ORDER BY top.as_of NULLS FIRST LIMIT $3
"""
REFRESH_TOP = """
INSERT INTO top_members (shop, member_ids, as_of)
SELECT $1::text,
       ARRAY(SELECT id FROM members WHERE shop = $1::text ORDER BY available DESC, id LIMIT $2),
       now()
ON CONFLICT (shop) DO UPDATE SET member_ids = excluded.member_ids, as_of = excluded.as_of
"""


async def newest(conn: Any, shop: str, size: int, at: Cursor | None) -> MemberList:
    """A page of the members who joined last, the newest first; microseconds since 1970 and id
    name one.
    """
    statement = NEWEST_BACKWARDS if at and at.is_backwards else NEWEST
    joined_at, member_id = (paging.moment(at.keys[0]), at.keys[1]) if at else (paging.NEVER, 0)
    found = await conn.fetch(statement, shop, joined_at, member_id, size + 1)
    return _page(found, at, size, lambda row: f"{paging.key(row['joined_at'])}.{row['id']}")


async def most_points(conn: Any, shop: str, size: int, at: Cursor | None) -> MemberList:
    """A page of all members by their available points, which name one with its id: for shops of
    up to LARGE members.
    """
    statement = MOST_BACKWARDS if at and at.is_backwards else MOST
    found = await conn.fetch(statement, shop, *(at.keys if at else (_MOST, 0)), size + 1)
    return _page(found, at, size, lambda row: f"{row['available']}.{row['id']}")


async def top(conn: Any, shop: str, size: int, at: Cursor | None) -> MemberList:
    """A page of the TOP_SIZE members with the most points, in their order as of `as_of`, with
    their figures of now; not `is_ready` until that order has been made.
    """
    place = at.keys[0] if at else 0  # how many are before the page
    row = await conn.fetchrow(SELECT_TOP, shop, min(place, TOP_SIZE) + 1, place + size)
    if row is None:
        return MemberList([], Links(), is_ready=False)
    rows = await conn.fetch(SELECT_IDS, shop, row["member_ids"])
    links = paging.links(
        str(max(0, place - size)), str(place + size), place > 0, place + size < row["number"]
    )
    return MemberList([member_row(one) for one in rows], links, row["as_of"])


async def of_customers(conn: Any, shop: str, ids: Sequence[str]) -> dict[str, MemberRow]:
    """Those of the customers `ids` who are members."""
    rows = await conn.fetch(SELECT_CUSTOMERS, shop, list(ids))
    return {row["customer_id"]: member_row(row) for row in rows}


async def refresh_tops() -> int:
    """Bring the oldest orders by points of large shops up to date; how many were. A transaction
    each, so that one enormous shop holds up nothing.
    """
    async with db.connection() as conn:
        old = await conn.fetch(SELECT_OLD_TOPS, LARGE, TOP_EVERY_SECONDS, TOP_SHOPS_A_ROUND)
        for row in old:
            await conn.execute(REFRESH_TOP, row["shop"], TOP_SIZE)
    return len(old)


def member_row(row: Any) -> MemberRow:
    """The figures of a row with COLUMNS."""
    return MemberRow(
        row["customer_id"],
        row["available"],
        row["pending"],
        row["held"],
        row["debt"],
        row["issued"],
        row["sequence"],
        row["joined_at"],
        row["updated_at"],
    )


def _page(
    found: Sequence[Any], at: Cursor | None, size: int, key: Callable[[Any], str]
) -> MemberList:
    rows, has_previous, has_next = paging.cut(found, at, size)
    links = Links()
    if rows:
        links = paging.links(key(rows[0]), key(rows[-1]), has_previous, has_next)
    return MemberList([member_row(row) for row in rows], links)
