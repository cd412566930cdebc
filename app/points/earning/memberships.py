"""Who was in which segment and had which tag when: every coming and going that was told, so that
what is asked later about a moment has one answer whatever order it was told in.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from app import text
from app.db import Connection
from app.own_facts import CustomerTagged, SegmentUpdated
from app.points.ledger.accounts import Key

NAME_MAX = 255
NOBODY: frozenset[str] = frozenset()
# told again it is the same; at one moment a customer is in what they were also said to leave
KEEP = """
INSERT INTO memberships AS old (shop, customer_id, kind, name, at, is_in)
SELECT shop, customer_id, kind, name, at, bool_or(is_in)
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bool[])
    AS fresh (shop, customer_id, kind, name, at, is_in)
 GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
ON CONFLICT (shop, customer_id, kind, name, at)
DO UPDATE SET is_in = TRUE WHERE EXCLUDED.is_in AND NOT old.is_in
"""
# the newest word before the moment; who was first heard of as leaving had been in it until then
SELECT = """
SELECT number, name FROM (
       SELECT DISTINCT ON (wanted.number, member.kind, member.name) wanted.number,
              member.kind || ':' || member.name AS name,
              (member.at <= wanted.moment) = member.is_in AS is_in
         FROM unnest($1::text[], $2::text[], $3::timestamptz[])
              WITH ORDINALITY AS wanted (shop, customer_id, moment, number)
         JOIN memberships AS member
           ON member.shop = wanted.shop AND member.customer_id = wanted.customer_id
          AND member.kind = ANY($4::text[])
        ORDER BY wanted.number, member.kind, member.name, member.at <= wanted.moment DESC,
                 CASE WHEN member.at <= wanted.moment THEN wanted.moment - member.at
                      ELSE member.at - wanted.moment END) AS newest
 WHERE is_in
"""
# who goes takes their names along; who is merged brings theirs
FORGET = """
DELETE FROM memberships USING unnest($1::text[], $2::text[]) AS gone (shop, customer_id)
 WHERE memberships.shop = gone.shop AND memberships.customer_id = gone.customer_id
"""
MERGE = """
WITH gone AS (DELETE FROM memberships WHERE shop = $1 AND customer_id = $2
              RETURNING shop, kind, name, at, is_in)
INSERT INTO memberships AS old (shop, customer_id, kind, name, at, is_in)
SELECT shop, $3, kind, name, at, is_in FROM gone
ON CONFLICT (shop, customer_id, kind, name, at)
DO UPDATE SET is_in = TRUE WHERE EXCLUDED.is_in AND NOT old.is_in
"""


class Change(NamedTuple):
    """A customer came into a group, or left it."""

    shop: str
    customer_id: str
    kind: str  # segment | tag
    name: str
    at: datetime
    is_in: bool


def of_segment(shop: str, told: SegmentUpdated, at: datetime) -> list[Change]:
    changes = [(told.before, False), (told.after, True)] if told.before != told.after else []
    return _changes(shop, told.customer_id, "segment", changes, at)


def of_tags(shop: str, told: CustomerTagged, at: datetime) -> list[Change]:
    """Shopify does not tell a tag's capitals from small letters."""
    changes = [(name.casefold(), False) for name in told.removed]
    changes += [(name.casefold(), True) for name in told.added]
    return _changes(shop, told.customer_id, "tag", changes, at)


def _changes(
    shop: str, customer_id: str, kind: str, named: Iterable[tuple[str, bool]], at: datetime
) -> list[Change]:
    return [
        Change(shop, customer_id, kind, name, at, is_in)
        for told, is_in in named
        if (name := text.clean(told, NAME_MAX).strip())
    ]


async def keep(conn: Connection, changes: Sequence[Change]) -> None:
    if changes:
        await conn.execute(KEEP, *map(list, zip(*changes, strict=True)))


async def at(
    conn: Connection,
    wanted: Sequence[tuple[str, str, datetime]],
    kinds: Collection[str] = ("segment", "tag"),
) -> list[frozenset[str]]:
    """What each customer (shop, customer id) was in at a moment, of these kinds: `segment:<name>`,
    and `tag:<name>` in small letters.
    """
    if not wanted:
        return []
    found = [NOBODY] * len(wanted)
    columns = map(list, zip(*wanted, strict=True))
    for number, name in (row.values() for row in await conn.fetch(SELECT, *columns, [*kinds])):
        found[number - 1] |= {name}
    return found


async def forget(conn: Connection, gone: Sequence[Key]) -> None:
    """Customers who were deleted."""
    if gone:
        await conn.execute(FORGET, *map(list, zip(*gone, strict=True)))


async def merge(conn: Connection, shop: str, gone_id: str, kept_id: str) -> None:
    await conn.execute(MERGE, shop, gone_id, kept_id)
