"""What a shop earned and spent a quarter of an hour, its members and its points outstanding: kept
with every posting, so that no page adds them up.

A posting only appends what it changed (`total_deltas`): a total that many transactions update would
make them wait for each other. `fold` adds the deltas up every few seconds; reads add what is not
folded yet, so they are always exact.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from app import db
from app.writes import Writes

PERIOD_SECONDS = 900  # the offset of every time zone in use is a multiple of it: days add up
FOLD_MAX = 500  # postings of one transaction
OUTSTANDING = frozenset({"pending", "available", "held"})
DELTAS = {
    "shops": "text[]",
    "periods": "bigint[]",
    "earned": "bigint[]",
    "spent": "bigint[]",
    "members": "bigint[]",
    "outstanding": "bigint[]",
}
_UNNESTED = """
unnest(shops, periods, {table}.earned, {table}.spent, {table}.members, {table}.outstanding)
    AS delta (shop, period, earned, spent, members, outstanding)
"""
_STARTS_AT = f"to_timestamp(delta.period * {PERIOD_SECONDS})"
_PENDING = f"total_deltas, {_UNNESTED.format(table='total_deltas')}"
FOLD = f"""
WITH taken AS (
    DELETE FROM total_deltas
     WHERE ctid = ANY (ARRAY(SELECT ctid FROM total_deltas LIMIT $1 FOR UPDATE SKIP LOCKED))
    RETURNING shops, periods, earned, spent, members, outstanding
), periods AS (
    INSERT INTO period_totals AS total (shop, starts_at, earned, spent)
    SELECT delta.shop, {_STARTS_AT}, sum(delta.earned)::bigint, sum(delta.spent)::bigint
      FROM taken, {_UNNESTED.format(table="taken")}
     WHERE delta.earned <> 0 OR delta.spent <> 0
     GROUP BY delta.shop, delta.period ORDER BY delta.shop, delta.period
    ON CONFLICT (shop, starts_at) DO UPDATE
       SET earned = total.earned + excluded.earned, spent = total.spent + excluded.spent
), shops AS (
    INSERT INTO shop_totals AS total (shop, members, outstanding)
    SELECT delta.shop, sum(delta.members)::bigint, sum(delta.outstanding)::bigint
      FROM taken, {_UNNESTED.format(table="taken")}
     GROUP BY delta.shop ORDER BY delta.shop
    ON CONFLICT (shop) DO UPDATE
       SET members = total.members + excluded.members,
           outstanding = total.outstanding + excluded.outstanding
)
SELECT count(*) FROM taken
"""
SELECT_SHOP = f"""
SELECT COALESCE(sum(members), 0)::bigint AS members,
       COALESCE(sum(outstanding), 0)::bigint AS outstanding
  FROM (SELECT members, outstanding FROM shop_totals WHERE shop = $1
        UNION ALL
        SELECT delta.members, delta.outstanding FROM {_PENDING} WHERE delta.shop = $1) AS kept
"""
SELECT_PERIODS = f"""
SELECT width_bucket(starts_at, $2::timestamptz[]) AS place, sum(earned)::bigint AS earned,
       sum(spent)::bigint AS spent
  FROM (SELECT starts_at, earned, spent FROM period_totals
         WHERE shop = $1 AND starts_at >= $3 AND starts_at < $4
        UNION ALL
        SELECT {_STARTS_AT}, delta.earned, delta.spent FROM {_PENDING}
         WHERE delta.shop = $1 AND {_STARTS_AT} >= $3 AND {_STARTS_AT} < $4) AS kept
 GROUP BY place
"""
_PERIOD = f"floor(extract(epoch FROM effective_at) / {PERIOD_SECONDS})::bigint"
# what is kept beside what the ledger and its members add up to; only what differs
DIFFERING = f"""
WITH kept AS (
    SELECT shop, extract(epoch FROM starts_at)::bigint / {PERIOD_SECONDS} AS period, earned, spent,
           0 AS members, 0 AS outstanding
      FROM period_totals WHERE $1::text IS NULL OR shop = $1
    UNION ALL
    SELECT delta.shop, delta.period, delta.earned, delta.spent, 0, 0 FROM {_PENDING}
     WHERE ($1::text IS NULL OR delta.shop = $1) AND (delta.earned <> 0 OR delta.spent <> 0)
    UNION ALL
    SELECT shop, NULL, 0, 0, members, outstanding
      FROM shop_totals WHERE $1::text IS NULL OR shop = $1
    UNION ALL
    SELECT delta.shop, NULL, 0, 0, delta.members, delta.outstanding FROM {_PENDING}
     WHERE $1::text IS NULL OR delta.shop = $1
), recomputed AS (
    SELECT shop, {_PERIOD} AS period,
           COALESCE(sum(points) FILTER (WHERE effect = 'earn'), 0) AS earned,
           COALESCE(sum(points) FILTER (WHERE effect = 'capture'), 0) AS spent,
           0 AS members, 0 AS outstanding
      FROM ledger WHERE ($1::text IS NULL OR shop = $1) AND effect IN ('earn', 'capture')
     GROUP BY shop, {_PERIOD}
    UNION ALL
    SELECT shop, NULL, 0, 0, count(*), COALESCE(sum(available + pending + held), 0)
      FROM members WHERE $1::text IS NULL OR shop = $1 GROUP BY shop
)
SELECT shop, to_timestamp(period * {PERIOD_SECONDS}) AS starts_at, sum(earned)::bigint AS earned,
       sum(spent)::bigint AS spent, sum(members)::bigint AS members,
       sum(outstanding)::bigint AS outstanding
  FROM (SELECT shop, period, earned, spent, members, outstanding FROM kept
        UNION ALL
        SELECT shop, period, -earned, -spent, -members, -outstanding FROM recomputed) AS both_sides
 GROUP BY shop, period
HAVING sum(earned) <> 0 OR sum(spent) <> 0 OR sum(members) <> 0 OR sum(outstanding) <> 0
"""


class Move(NamedTuple):
    """What of a row of the ledger the totals are made from."""

    shop: str
    effect: str
    from_bucket: str
    to_bucket: str
    points: int
    effective_at: datetime


def add(writes: Writes, moves: Iterable[Move], joined: Mapping[str, int] | None = None) -> None:
    """Append what `moves` and the members who `joined` (or left, below 0) a shop change, with the
    posting itself: one row, and it waits for nobody.
    """
    sums: dict[tuple[str, int], list[int]] = {}
    for shop, effect, from_bucket, to_bucket, points, effective_at in moves:
        earned = points if effect == "earn" else 0
        spent = points if effect == "capture" else 0
        grown = ((to_bucket in OUTSTANDING) - (from_bucket in OUTSTANDING)) * points
        if earned or spent or grown:
            period = int(effective_at.timestamp()) // PERIOD_SECONDS
            of_period = sums.setdefault((shop, period), [0, 0, 0, 0])
            of_period[0] += earned
            of_period[1] += spent
            of_period[3] += grown
    for shop, count in (joined or {}).items():
        sums.setdefault((shop, 0), [0, 0, 0, 0])[2] += count
    if sums:
        columns = zip(*((*key, *figures) for key, figures in sums.items()), strict=True)
        values = (
            writes.value(list(column), kind)
            for column, kind in zip(columns, DELTAS.values(), strict=True)
        )
        # One row a posting, of any number of shops: a row and its index entries for each were a
        # fifth of what a webhook wrote.
        writes.add(f"INSERT INTO total_deltas ({', '.join(DELTAS)}) VALUES ({', '.join(values)})")


async def fold(limit: int = FOLD_MAX) -> int:
    """Add the deltas of up to `limit` postings to their totals; how many. Call until it answers
    fewer.

    Any number of processes may: none waits for rows another one has taken.
    """
    async with db.transaction() as conn:
        folded: int = await conn.fetchval(FOLD, limit)
    return folded


async def of_shop(conn: Any, shop: str) -> tuple[int, int]:
    """How many members a shop has, and their points outstanding (available, pending and held)."""
    row = await conn.fetchrow(SELECT_SHOP, shop)
    return row["members"], row["outstanding"]


async def between(conn: Any, shop: str, bounds: Sequence[datetime]) -> list[tuple[int, int]]:
    """Points earned and spent between each two neighbours of `bounds`, by when they took effect."""
    rows = await conn.fetch(SELECT_PERIODS, shop, list(bounds), bounds[0], bounds[-1])
    found = {row["place"]: (row["earned"], row["spent"]) for row in rows}
    return [found.get(place, (0, 0)) for place in range(1, len(bounds))]


async def differing(conn: Any, shop: str | None = None) -> list[str]:
    """A sentence for every total that is not what the ledger adds up to, of one shop or of all;
    reads the whole ledger.
    """
    return [_difference(row) for row in await conn.fetch(DIFFERING, shop)]


def _difference(row: Any) -> str:
    if row["starts_at"] is None:
        return (
            f"{row['shop']}: the totals are {row['members']:+} members and "
            f"{row['outstanding']:+} points outstanding off"
        )
    return (
        f"{row['shop']}: the total from {row['starts_at'].isoformat()} on is {row['earned']:+} "
        f"points earned and {row['spent']:+} spent off"
    )
