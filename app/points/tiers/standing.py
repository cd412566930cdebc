"""What a member's tier was at a moment, for whoever decides by it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from app.db import Connection
from app.points.tiers import schemes

# Strictly before: an order that brings one into a tier was placed by somebody who was not in it.
SELECT = """
WITH RECURSIVE wanted AS (
    SELECT one.number, one.shop, one.at, member.id AS member_id, member.merged_into
      FROM unnest($1::text[], $2::text[], $3::timestamptz[])
           WITH ORDINALITY AS one (shop, customer_id, at, number)
      JOIN tier_shops AS of_shop ON of_shop.shop = one.shop
      LEFT JOIN members AS member
             ON member.shop = one.shop AND member.customer_id = one.customer_id
), kept AS (
    SELECT number, shop, at, member_id, merged_into FROM wanted
    UNION ALL
    SELECT kept.number, kept.shop, kept.at, member.id, member.merged_into
      FROM kept JOIN members AS member ON member.id = kept.merged_into
)
SELECT kept.number, kept.shop, version.version, entered.tier_id, entered.version AS entered_version
  FROM kept
 CROSS JOIN LATERAL (SELECT found.version FROM tier_versions AS found
                      WHERE found.shop = kept.shop AND found.created_at <= kept.at
                      ORDER BY found.version DESC LIMIT 1) AS version
  LEFT JOIN LATERAL (SELECT change.tier_id, change.version FROM tier_changes AS change
                      WHERE change.member_id = kept.member_id AND change.at < kept.at
                      ORDER BY change.at DESC, change.id DESC LIMIT 1) AS entered ON TRUE
 WHERE kept.merged_into IS NULL
"""


class Standing(NamedTuple):
    """A tier as somebody was in it."""

    tier_id: str
    name: str
    version: int  # of the shop's tiers, in force at that moment
    factor_units: int  # ten-thousandths: 10_000 is once


async def at(
    conn: Connection, wanted: Sequence[tuple[str, str, datetime]]
) -> list[Standing | None]:
    """The tier of each customer (shop, customer id) just before a moment, None for none, in the
    order they were asked; one statement, whatever their number.
    """
    found: list[Standing | None] = [None] * len(wanted)
    if not wanted:
        return found
    shops, customers, moments = zip(*wanted, strict=True)
    rows = await conn.fetch(SELECT, list(shops), list(customers), list(moments))
    if not rows:
        return found
    keys = [(row["shop"], row["version"]) for row in rows]
    keys += [(row["shop"], row["entered_version"]) for row in rows if row["entered_version"]]
    versions = await schemes.of_versions(conn, keys)
    for row in rows:
        then = versions[row["shop"], row["version"]]
        tier_id = row["tier_id"]
        if tier_id is None:  # who never moved is in the tier that asks for nothing
            tier_id = then.at(then.scheme.worth(0))
        tier = then.tier(tier_id)
        if tier is None and row["entered_version"]:
            # it is no more, and whoever was in it has not been placed anew yet
            tier = versions[row["shop"], row["entered_version"]].tier(tier_id)
        if tier is not None:
            found[row["number"] - 1] = Standing(
                tier.tier_id, tier.name, then.version, tier.factor_units
            )
    return found
