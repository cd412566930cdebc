"""Recomputes tiers: what counts towards them from the grants, and where everybody stands from what
counts; only of shops in which nobody is being placed anew.

Postgres proves the plain ones, which nearly all are. What it does not prove is computed again by
the rules themselves before anything is said about it.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from app import calendar
from app.db import Connection, Row
from app.points.tiers import amounts, following, rules, schemes
from app.points.tiers.amounts import Case

_OF_SHOPS = "is_on AND stage = 'done'"
NEXT_SHOP = f"""
SELECT min(shop) AS shop FROM tier_shops
 WHERE {_OF_SHOPS} AND shop > $1 AND ($2::text IS NULL OR shop = $2)
"""
OF_SHOP = f"""
SELECT version, timezone, counts_from_days FROM tier_shops WHERE shop = $1 AND {_OF_SHOPS}
"""
# the last of the next rows
LAST = """
SELECT max({key})::text FROM (
       SELECT {key} FROM {table} WHERE shop = $1 AND {key} > $2 ORDER BY {key} LIMIT $3) AS page
"""
# An order that nothing came back of counts for its lines; $4 is since when grants count at all, $5
# the version of the tiers.
# Each subquery is a look by an index, whatever is believed of the size of the page; jsonb has no
# NUL, and would raise.
UNPROVEN_GRANTS = """
SELECT page.shop, page.kind, page.source, page.name, page.member_id, page.outcome, page.points,
       page.reversed_points, page.revision, page.frozen, page.known, page.bonuses, page.created_at
  FROM grants AS page
 CROSS JOIN LATERAL (
       SELECT CASE WHEN strpos(page.known, '\\u0000') = 0 THEN page.known::jsonb END AS known,
              CASE WHEN strpos(page.frozen, '\\u0000') = 0 THEN NULLIF(page.frozen, '')::jsonb END
              AS frozen OFFSET 0) AS told
 CROSS JOIN LATERAL (
       SELECT greatest(0, page.points - page.reversed_points) AS points,
              greatest(0, sum((line ->> 3)::bigint)) AS spend,
              bool_and(line -> 1 = line -> 2) AS is_whole
         FROM jsonb_array_elements(told.known -> 'lines') AS line) AS goods
 WHERE page.shop = $1 AND page.source > $2 AND page.source <= $3 AND page.member_id IS NOT NULL
   AND NOT COALESCE(
       page.kind = 'order' AND page.outcome IN ('earned', 'zero') AND goods.is_whole
       AND NOT told.known ?| ARRAY['outstanding', 'is_test', 'refunds', 'edits', 'ended']
       AND NOT told.frozen ?| ARRAY['outside', 'out', 'subscription_rate', 'with_shipping',
                                    'with_taxes']
       AND strpos(page.frozen, '"lines":') = 0
       AND (SELECT merged_into IS NULL FROM members WHERE members.id = page.member_id)
       AND (SELECT kept.at = COALESCE(told.known ->> 'placed_at', told.known ->> 'paid_at',
                                      told.known ->> 'at')::timestamptz
                   AND kept.points = goods.points AND kept.spend = goods.spend
                   AND kept.orders = (goods.spend > 0)::int
                   AND (kept.at < $4 OR kept.points = 0 AND kept.spend = 0
                        OR EXISTS (SELECT FROM tier_standings AS standing
                                    WHERE standing.shop = page.shop
                                      AND standing.member_id = page.member_id))
              FROM qualifying AS kept
             WHERE kept.shop = page.shop AND kept.member_id = page.member_id
               AND kept.source = page.source), FALSE)
 ORDER BY page.source
"""
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
# Who has only what is in the period stands where its sum does: since $5 it is, and $6 and $7 are
# thresholds and tiers, that of none first. Whom somebody is about to look at is left to them.
UNPROVEN_STANDINGS = """
SELECT standing.shop, standing.member_id, standing.tier_id, standing.peak, standing.due_at,
       standing.version, standing.total, standing.first_on, standing.last_at
  FROM tier_standings AS standing
 CROSS JOIN LATERAL (
       SELECT COALESCE(sum(amount) FILTER (WHERE counts), 0)::bigint AS have,
              COALESCE(bool_and((at >= $5 OR amount = 0 OR NOT counts) AND at <= $8), TRUE)
              AS is_whole,
              COALESCE(bool_and(owner_id = member_id), TRUE) AS is_theirs
         FROM (SELECT kept.at, kept.member_id, kept.at >= $4 AS counts,
                      CASE $9::text WHEN 'points' THEN points WHEN 'spend' THEN spend
                                    ELSE orders END AS amount,
                      (SELECT "grant".member_id FROM grants AS "grant"
                        WHERE "grant".shop = kept.shop AND "grant".source = kept.source) AS owner_id
                 FROM qualifying AS kept
                WHERE kept.shop = standing.shop AND kept.member_id = standing.member_id
              ) AS one) AS counted
 WHERE standing.shop = $1 AND standing.member_id > $2 AND standing.member_id <= $3
   AND NOT (counted.is_theirs
            AND ((standing.due_at IS NOT NULL AND standing.due_at <= $8)
                 OR counted.is_whole AND standing.peak = counted.have
                    AND (standing.version <> $10 OR standing.total IS NULL
                         OR standing.total = counted.have)
                    AND standing.tier_id = ($7::text[])[
                        1 + width_bucket(counted.have, $6::bigint[])]))
 ORDER BY standing.member_id
"""
# what is counted for a member beyond what the grants say of them
SELECT_SOURCES = """
SELECT qualifying.member_id, qualifying.source, "grant".member_id AS owner_id
  FROM unnest($1::text[], $2::bigint[]) AS wanted (shop, member_id)
  JOIN qualifying ON qualifying.shop = wanted.shop AND qualifying.member_id = wanted.member_id
  LEFT JOIN grants AS "grant"
         ON "grant".shop = qualifying.shop AND "grant".source = qualifying.source
"""


KEYS = {"qualifying": ("grants", "source", str), "tiers": ("tier_standings", "member_id", int)}
FIRST = {"qualifying": "", "tiers": "-1"}
# what is not proven is asked for by arrays, which are as long as they look
BY_INDEX = "SET LOCAL enable_nestloop = on"
NEVER = datetime(1, 1, 1, tzinfo=UTC)


class Page(NamedTuple):
    """A range of grants or standings of a shop: after one, up to and with another."""

    shop: str
    after: str
    until: str

    @property
    def place(self) -> str:
        """What to go on from."""
        return f"{self.shop}/{self.until}"


async def pages(
    stage: str, shop: str | None, after: str, size: int, most: int, connection: Connection
) -> list[Page]:
    """The next `most` pages, or fewer, of `size` rows each, of one of KEYS, of all shops or of one;
    none at the end. `after` is the place of the last one before, "" at the beginning.
    """
    table, key, kind = KEYS[stage]
    at_shop, _, at = after.partition("/")
    found: list[Page] = []
    while len(found) < most:
        last = None
        if at_shop:
            last = await connection.fetchval(
                LAST.format(table=table, key=key), at_shop, kind(at), size
            )
        if last is not None:
            found.append(Page(at_shop, at, last))
            at = last
            continue
        at_shop, at = await connection.fetchval(NEXT_SHOP, at_shop, shop), FIRST[stage]
        if at_shop is None:
            break
    return found


async def check(stage: str, _shop: str | None, page: Page, connection: Connection) -> list[str]:
    """What is wrong in a page of one of KEYS."""
    await connection.execute(BY_INDEX)
    row = await connection.fetchrow(OF_SHOP, page.shop)
    if row is None:
        return []  # they are being placed anew since
    now = datetime.now(UTC)
    days = row["counts_from_days"]
    since = NEVER if days is None else now - timedelta(days=days)
    key = page.shop, row["version"]
    scheme = (await schemes.of_versions(connection, [key]))[key].scheme
    if stage == "qualifying":
        grants = await connection.fetch(UNPROVEN_GRANTS, *page, since)
        return await _judge_grants(connection, grants, scheme.measure, now) if grants else []
    thresholds = [one.threshold for one in scheme.tiers]
    tiers = ["", *(one.tier_id for one in scheme.tiers)]
    whole = _whole_since(scheme, now, row["timezone"])
    if rules.is_one_by_one(scheme):
        whole = now + timedelta(days=1)  # nobody's
    standings = await connection.fetch(
        UNPROVEN_STANDINGS,
        page.shop,
        int(page.after),
        int(page.until),
        since,
        whole,
        thresholds,
        tiers,
        now,
        scheme.measure,
        row["version"],
    )
    return await _judge_standings(connection, standings, now) if standings else []


def _whole_since(scheme: rules.Scheme, now: datetime, timezone: str) -> datetime:
    """Since when all that was bought is in the period that is."""
    today = now.astimezone(calendar.zone(timezone)).date()
    if scheme.period == "forever":
        return NEVER
    first = date(today.year, 1, 1)
    if scheme.period == "rolling":
        first = today - timedelta(days=scheme.days - 1)
    return calendar.start_of_day(first, timezone)


async def _judge_grants(
    conn: Connection, rows: Sequence[Row], measure: str, now: datetime
) -> list[str]:
    """Whether what these grants of a shop count for is what is kept."""
    owners = await _owners(conn, [row["member_id"] for row in rows])
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
        now,
    )
    found = {(row["shop"], row["source"]): row for row in kept}
    problems = []
    for entry in entries:
        counted = found.get((entry.shop, entry.source))
        name = f"{entry.shop} {entry.source.replace(':', ' ')}"
        if counted is None or any(counted[key] != getattr(entry, key) for key in entry._fields):
            problems.append(f"{name}: what counts towards a tier is not what the grant says")
        elif not counted["is_placed"] and entry.amount(measure):
            problems.append(f"{name}: it counts towards a tier, and nobody was placed by it")
    return problems


async def _judge_standings(conn: Connection, rows: Sequence[Row], now: datetime) -> list[str]:
    """Whether these standings are what all that counts makes them."""
    problems = await _strays(conn, rows)
    cases = await amounts.load(conn, [(row["shop"], row["member_id"]) for row in rows], now)
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
        elif not _adds_up(row, case, today):
            name = f"{row['shop']} member {row['member_id']}"
            problems.append(f"{name}: what is kept to count on from is not all that counts")
    return problems


def _adds_up(row: Row, case: Case, today: date) -> bool:
    """Whether what an order would add to is right, as far as one would: by these tiers, and while
    nothing of it has left the period.
    """
    if row["total"] is None or row["version"] != case.of.version:
        return True
    if row["first_on"] is not None and not case.of.scheme.is_whole(row["first_on"], today):
        return True
    return (row["total"], row["first_on"], row["last_at"]) == case.sums()


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
