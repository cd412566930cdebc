"""Recomputes tiers: what counts towards them from the grants, and where everybody stands from what
counts; only of shops in which nobody is being placed anew.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from app import calendar
from app.db import Connection, Row
from app.points.tiers import following, placing, rules, schemes

SIZE_MAX = 1_000  # rows of one step: Python reads what is known of each order
Check = Callable[[Connection, str | None, str, int], Awaitable[tuple[list[str], str | None]]]
_OF_SHOPS = """
  JOIN tier_shops AS of_shop ON of_shop.shop = page.shop
   AND of_shop.is_on AND of_shop.stage = 'done'
 WHERE (page.shop, page.{key}) > ($1::text, $2::{kind}) AND ($3::text IS NULL OR page.shop = $3)
 ORDER BY page.shop, page.{key} LIMIT $4
"""
SELECT_GRANTS = """
SELECT page.shop, page.kind, page.source, page.name, page.member_id, page.outcome, page.points,
       page.reversed_points, page.revision, page.frozen, page.known, page.bonuses, page.created_at,
       of_shop.version
  FROM grants AS page
""" + _OF_SHOPS.format(key="source", kind="text")
# whose the points of these members are now
SELECT_KEPT = """
WITH RECURSIVE kept AS (
    SELECT id AS was, id, merged_into FROM members WHERE id = ANY($1::bigint[])
    UNION ALL
    SELECT kept.was, member.id, member.merged_into
      FROM kept JOIN members AS member ON member.id = kept.merged_into)
SELECT was, id FROM kept WHERE merged_into IS NULL
"""
SELECT_QUALIFYING = """
SELECT found.shop, found.member_id, found.source, found.at, found.points, found.spend, found.orders,
       found.at < $4::timestamptz - of_shop.counts_from_days * interval '1 day'
       OR EXISTS (SELECT FROM tier_standings AS standing
                   WHERE standing.shop = found.shop
                     AND standing.member_id = found.member_id) AS is_placed
  FROM unnest($1::text[], $2::bigint[], $3::text[]) AS wanted (shop, member_id, source)
  JOIN qualifying AS found ON found.shop = wanted.shop AND found.member_id = wanted.member_id
   AND found.source = wanted.source
  JOIN tier_shops AS of_shop ON of_shop.shop = found.shop
"""
SELECT_STANDINGS = """
SELECT page.shop, page.member_id, page.tier_id, page.peak, page.due_at FROM tier_standings AS page
""" + _OF_SHOPS.format(key="member_id", kind="bigint")
# what is counted for a member beyond what the grants say of them
SELECT_SOURCES = """
SELECT qualifying.member_id, qualifying.source, "grant".member_id AS owner_id
  FROM unnest($1::text[], $2::bigint[]) AS wanted (shop, member_id)
  JOIN qualifying ON qualifying.shop = wanted.shop AND qualifying.member_id = wanted.member_id
  LEFT JOIN grants AS "grant"
         ON "grant".shop = qualifying.shop AND "grant".source = qualifying.source
"""


async def check_counted(
    conn: Connection, shop: str | None, after: str, size: int
) -> tuple[list[str], str | None]:
    """The next grants: whether what they count for is what is kept; problems, and how far it came,
    None at the end.
    """
    rows = await conn.fetch(SELECT_GRANTS, *_after(shop, after, ""), shop, min(size, SIZE_MAX))
    if not rows:
        return [], None
    owners = await _owners(conn, [row["member_id"] for row in rows if row["member_id"]])
    entries = []
    for row in rows:
        owner = owners.get(row["member_id"])
        entry = following.of_row(row, owner) if owner is not None else None
        if entry is not None:
            entries.append(entry)
    kept = await conn.fetch(
        SELECT_QUALIFYING,
        [one.shop for one in entries],
        [one.member_id for one in entries],
        [one.source for one in entries],
        datetime.now(UTC),
    )
    found = {(row["shop"], row["source"]): row for row in kept}
    newest = {row["shop"]: row["version"] for row in rows}
    of_shops = await schemes.of_versions(conn, newest.items())
    problems = []
    for entry in entries:
        counted = found.get((entry.shop, entry.source))
        name = f"{entry.shop} {entry.source.replace(':', ' ')}"
        if counted is None or any(counted[key] != getattr(entry, key) for key in entry._fields):
            problems.append(f"{name}: what counts towards a tier is not what the grant says")
            continue
        measure = of_shops[entry.shop, newest[entry.shop]].scheme.measure
        if not counted["is_placed"] and entry.amount(measure):
            problems.append(f"{name}: it counts towards a tier, and nobody was placed by it")
    return problems, f"{rows[-1]['shop']}/{rows[-1]['source']}"


async def check_placed(
    conn: Connection, shop: str | None, after: str, size: int
) -> tuple[list[str], str | None]:
    """The next standings: whether they are what all that counts makes them. Otherwise as
    `check_counted`.
    """
    since_shop, since = _after(shop, after, "-1")
    size = min(size, SIZE_MAX)
    rows = await conn.fetch(SELECT_STANDINGS, since_shop, int(since), shop, size)
    if not rows:
        return [], None
    problems = await _strays(conn, rows)
    now = datetime.now(UTC)
    cases = await placing.load(conn, [(row["shop"], row["member_id"]) for row in rows], now)
    by_member = {case.member_id: case for case in cases}
    for row in rows:
        case = by_member.get(row["member_id"])
        if case is None or (row["due_at"] is not None and row["due_at"] <= now):
            continue  # somebody is about to look at them
        today = now.astimezone(calendar.zone(case.timezone)).date()
        placed = rules.place(case.of.scheme, case.counted(), today)
        if (row["tier_id"], row["peak"]) != (case.of.at(placed.level), placed.peak):
            name = f"{row['shop']} member {row['member_id']}"
            problems.append(f"{name}: the tier is not the one that what counts makes it")
    return problems, f"{rows[-1]['shop']}/{rows[-1]['member_id']}"


CHECKS: dict[str, Check] = {"qualifying": check_counted, "tiers": check_placed}


async def _strays(conn: Connection, rows: Sequence[Row]) -> list[str]:
    """Grants that are counted for somebody whose they are not."""
    columns = [row["shop"] for row in rows], [row["member_id"] for row in rows]
    found = await conn.fetch(SELECT_SOURCES, *columns)
    owners = await _owners(conn, [row["owner_id"] for row in found if row["owner_id"]])
    shops = {row["member_id"]: row["shop"] for row in rows}
    return [
        f"{shops[row['member_id']]} {row['source'].replace(':', ' ')}: "
        "it counts towards the tier of somebody whose it is not"
        for row in found
        if owners.get(row["owner_id"]) != row["member_id"]
    ]


async def _owners(conn: Connection, member_ids: Sequence[int]) -> dict[int, int]:
    rows = await conn.fetch(SELECT_KEPT, list(set(member_ids)))
    return {row["was"]: row["id"] for row in rows}


def _after(shop: str | None, after: str, first: str) -> tuple[str, str]:
    """Behind which shop and key the next rows are."""
    if not after:
        return (shop or "", first)
    since_shop, _, since = after.partition("/")
    return since_shop, since
