"""What campaigns gave, as points tells it: each fact counted once, whatever comes again."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from app.db import Connection

# What is new, then who and what had nothing of the campaign before it. A shop's facts come to one
# reader at a time.
KEEP = """
WITH told AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::text[],
                         $7::bigint[], $8::timestamptz[])
        AS told (shop, event_id, campaign_id, version, source, customer_id, points, at)),
fresh AS (
    INSERT INTO campaign_results (shop, event_id, campaign_id, version, source, customer_id,
                                  points, at)
    SELECT * FROM told
    ON CONFLICT (shop, event_id, campaign_id, version) DO NOTHING
    RETURNING shop, campaign_id, source, customer_id, points, at),
sums AS (
    SELECT shop, campaign_id,
           coalesce(sum(points) FILTER (WHERE points > 0), 0)::bigint AS given,
           coalesce(-sum(points) FILTER (WHERE points < 0), 0)::bigint AS taken_back,
           (SELECT count(DISTINCT other.source) FROM fresh AS other
             WHERE (other.shop, other.campaign_id) = (fresh.shop, fresh.campaign_id)
               AND NOT EXISTS (SELECT FROM campaign_results AS kept
                                WHERE kept.shop = other.shop
                                  AND kept.campaign_id = other.campaign_id
                                  AND kept.source = other.source)) AS orders,
           (SELECT count(DISTINCT other.customer_id) FROM fresh AS other
             WHERE (other.shop, other.campaign_id) = (fresh.shop, fresh.campaign_id)
               AND NOT EXISTS (SELECT FROM campaign_results AS kept
                                WHERE kept.shop = other.shop
                                  AND kept.campaign_id = other.campaign_id
                                  AND kept.customer_id = other.customer_id)) AS customers,
           max(at) AS as_of
      FROM fresh GROUP BY shop, campaign_id),
by_time AS (
    INSERT INTO campaign_quarters AS kept (shop, campaign_id, began_at, given, taken_back)
    SELECT shop, campaign_id, date_bin('15 minutes', at, '2000-01-01Z'),
           coalesce(sum(points) FILTER (WHERE points > 0), 0)::bigint,
           coalesce(-sum(points) FILTER (WHERE points < 0), 0)::bigint
      FROM fresh GROUP BY 1, 2, 3
    ON CONFLICT (shop, campaign_id, began_at) DO UPDATE
       SET given = kept.given + excluded.given,
           taken_back = kept.taken_back + excluded.taken_back)
INSERT INTO campaign_sums AS total (shop, campaign_id, given, taken_back, orders, customers,
                                      as_of)
SELECT * FROM sums
ON CONFLICT (shop, campaign_id) DO UPDATE
   SET given = total.given + excluded.given,
       taken_back = total.taken_back + excluded.taken_back,
       orders = total.orders + excluded.orders,
       customers = total.customers + excluded.customers,
       as_of = greatest(total.as_of, excluded.as_of)
"""
MOVE = """
UPDATE campaign_results SET customer_id = $3 WHERE shop = $1 AND customer_id = $2
RETURNING campaign_id
"""
COUNT_AGAIN = """
UPDATE campaign_sums AS total
   SET customers = (SELECT count(DISTINCT customer_id) FROM campaign_results AS kept
                     WHERE kept.shop = total.shop AND kept.campaign_id = total.campaign_id)
 WHERE shop = $1 AND campaign_id = ANY($2::text[])
"""
TABLES = (
    "campaigns",
    "campaign_versions",
    "campaign_stackings",
    "campaign_results",
    "campaign_sums",
    "campaign_quarters",
)


class Result(NamedTuple):
    """Points a fact says a version of a campaign gave; below 0 those that went back."""

    shop: str
    event_id: str
    campaign_id: str
    version: int
    source: str
    customer_id: str
    points: int
    at: datetime


async def keep(conn: Connection, told: Sequence[Result]) -> None:
    """Write results down and add up those that are new, in the transaction open on `conn`."""
    if told:
        await conn.execute(KEEP, *map(list, zip(*sorted(set(told)), strict=True)))


async def merge(conn: Connection, merged: Iterable[tuple[str, str, str]]) -> None:
    """Count what customers had for those they became: (shop, who is gone, who is kept)."""
    for shop, gone, kept in merged:
        if rows := await conn.fetch(MOVE, shop, gone, kept):
            await conn.execute(COUNT_AGAIN, shop, sorted({row["campaign_id"] for row in rows}))


async def forget_shop(conn: Connection, shop: str) -> None:
    """Drop all that is kept of a shop."""
    for table in TABLES:
        await conn.execute(f"DELETE FROM {table} WHERE shop = $1", shop)
