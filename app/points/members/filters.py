"""Whom a merchant asks for: members by balance, by when they joined and when they ordered last.

No index is over a balance, for every posting would have to change it. So what is asked for is
looked for among those an index has in order, a bounded number at a time: a page that found too few
says how far it has looked, and goes on from there.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from app import db, paging
from app.core import reads as core_reads
from app.paging import Cursor, Links
from app.points.members import lists
from app.points.views import MemberRow

WALK_MAX = 5_000  # members looked through for a page: some 50 ms where they lie apart
ORDERED_MAX = 1_000  # the same where each is looked up by their order
EARLIEST = paging.moment(0)
BALANCE_MAX = 9_000_000_000_000_000_000
_ASKED = "shop = $1 AND joined_at >= $2 AND joined_at < $3"
_WALKED = f"""
SELECT {{columns}} FROM members
 WHERE {_ASKED} AND (joined_at, id) < ($4, $5::bigint)
 ORDER BY joined_at DESC, id DESC
"""
_WALKED_BACKWARDS = f"""
SELECT {{columns}} FROM members
 WHERE {_ASKED} AND (joined_at, id) > ($4, $5::bigint)
 ORDER BY joined_at, id
"""
_BALANCE = "available BETWEEN $6 AND $7"


def _page(walked: str) -> str:
    inner = f"{walked.format(columns=lists.COLUMNS)} LIMIT {WALK_MAX}"
    return f"SELECT * FROM ({inner}) AS walked WHERE {_BALANCE} LIMIT $8"


def _end(walked: str) -> str:
    return f"{walked.format(columns='joined_at, id')} OFFSET {WALK_MAX - 1} LIMIT 1"


PAGE, PAGE_BACKWARDS = _page(_WALKED), _page(_WALKED_BACKWARDS)
END, END_BACKWARDS = _end(_WALKED), _end(_WALKED_BACKWARDS)
CHUNK = f"""
SELECT id, customer_id, joined_at, {_BALANCE} AS is_asked_for
  FROM ({_WALKED_BACKWARDS.format(columns="id, customer_id, joined_at, available")} LIMIT $8)
    AS walked
"""


class Wanted(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom: those of whom all of this is true; moments from (inclusive) and before (exclusive)."""

    balance_from: int | None = None
    balance_to: int | None = None
    joined_from: datetime | None = None
    joined_before: datetime | None = None
    ordered_from: datetime | None = None
    ordered_before: datetime | None = None

    @property
    def is_everybody(self) -> bool:
        return self == Wanted()

    @property
    def is_by_order(self) -> bool:
        return self.ordered_from is not None or self.ordered_before is not None

    @property
    def balances(self) -> tuple[int, int]:
        least = 0 if self.balance_from is None else self.balance_from
        return least, BALANCE_MAX if self.balance_to is None else self.balance_to

    @property
    def joined(self) -> tuple[datetime, datetime]:
        return self.joined_from or EARLIEST, self.joined_before or paging.NEVER

    @property
    def ordered(self) -> tuple[datetime, datetime]:
        return self.ordered_from or EARLIEST, self.ordered_before or paging.NEVER

    def is_met_by(self, row: MemberRow | None) -> bool:
        """Whether balance and joining are as asked for; None is somebody who never had points."""
        least, most = self.balances
        if row is None:
            return least == 0 and self.joined_from is None and self.joined_before is None
        since, before = self.joined
        return least <= row.available <= most and since <= row.joined_at < before


class Found(NamedTuple):
    """A page of customers by id, with their figures where they have some; `looked_through` is how
    many were when that was too many to find a whole page.
    """

    rows: list[tuple[str, MemberRow | None]]
    links: Links
    looked_through: int = 0


async def page(shop: str, wanted: Wanted, size: int, at: Cursor | None) -> Found:
    """A page of those who are `wanted`: by their last order, the latest first, where that is asked
    for, else by when they joined, the newest first. Two figures name one, as in `paging`.
    """
    if wanted.is_by_order:
        return await _by_order(shop, wanted, size, at)
    backwards = at is not None and at.is_backwards
    start = (paging.moment(at.keys[0]), at.keys[1]) if at else (paging.NEVER, 0)
    asked = (shop, *wanted.joined, *start)
    async with db.connection() as conn:
        found = await conn.fetch(
            PAGE_BACKWARDS if backwards else PAGE, *asked, *wanted.balances, size + 1
        )
        end = None
        if len(found) <= size:
            end = await conn.fetchrow(END_BACKWARDS if backwards else END, *asked)
    keyed = [(_key(row["joined_at"], row["id"]), lists.member_row(row)) for row in found]
    rows = [(key, (row.customer_id, row)) for key, row in keyed]
    return _cut(rows, at, size, _key(end["joined_at"], end["id"]) if end else "", WALK_MAX)


async def _by_order(shop: str, wanted: Wanted, size: int, at: Cursor | None) -> Found:
    walked = await core_reads.ordered(shop, *wanted.ordered, ORDERED_MAX, at)
    figures: dict[str, MemberRow] = {}
    async with db.connection() as conn:
        figures = await lists.of_customers(conn, shop, [one for one, _ in walked])
    rows = [
        (_key(moment, one), (one, figures.get(one)))
        for one, moment in walked
        if wanted.is_met_by(figures.get(one))
    ]
    is_cut = len(walked) == ORDERED_MAX and len(rows) <= size
    end = _key(walked[-1][1], walked[-1][0]) if is_cut else ""
    return _cut(rows[: size + 1], at, size, end, ORDERED_MAX)


def _cut(
    found: Sequence[tuple[str, tuple[str, MemberRow | None]]],
    at: Cursor | None,
    size: int,
    end: str,
    walked: int,
) -> Found:
    """The page; where the look ended before it was full, its link goes on from `end`."""
    rows, has_previous, has_next = paging.cut(found, at, size)
    first, last = (rows[0][0], rows[-1][0]) if rows else ("", "")
    is_backwards = at is not None and at.is_backwards
    if end and is_backwards:
        has_previous, first = True, end
    elif end:
        has_next, last = True, end
    links = paging.links(first, last, has_previous, has_next)
    return Found([row for _, row in rows], links, walked if end else 0)


def _key(moment: datetime, name: object) -> str:
    return f"{paging.key(moment)}.{name}"


class Chunk(NamedTuple):
    """Some members further on in the order they joined, and who of them is wanted, by id."""

    member_ids: list[int]
    walked_at: datetime
    walked_id: int


async def chunk(
    conn: Any, shop: str, wanted: Wanted, after: tuple[datetime | None, int], number: int
) -> Chunk | None:
    """The next `number` members behind that place, the first who joined first; None at the end."""
    place = (after[0] or EARLIEST, after[1])
    rows = await conn.fetch(CHUNK, shop, *wanted.joined, *place, *wanted.balances, number)
    if not rows:
        return None
    asked = [row for row in rows if row["is_asked_for"]]
    if wanted.is_by_order:
        since, before = wanted.ordered
        last = await core_reads.last_orders(shop, [row["customer_id"] for row in asked])
        asked = [
            row
            for row in asked
            if (moment := last.get(row["customer_id"])) and since <= moment < before
        ]
    return Chunk([row["id"] for row in asked], rows[-1]["joined_at"], rows[-1]["id"])
