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
SELECT_NEWEST = """
SELECT wanted.shop, newest.version, newest.created_at
  FROM unnest($1::text[]) AS wanted (shop)
 CROSS JOIN LATERAL (SELECT version, created_at FROM tier_versions
                      WHERE tier_versions.shop = wanted.shop
                      ORDER BY version DESC LIMIT 1) AS newest
"""
SELECT_EARLIER = """
SELECT wanted.number, earlier.version
  FROM unnest($1::text[], $2::timestamptz[]) WITH ORDINALITY AS wanted (shop, at, number)
 CROSS JOIN LATERAL (SELECT version FROM tier_versions
                      WHERE tier_versions.shop = wanted.shop AND created_at <= wanted.at
                      ORDER BY version DESC LIMIT 1) AS earlier
"""
SELECT_ENTERED = """
SELECT wanted.number, entered.tier_id, entered.version
  FROM unnest($1::bigint[], $2::timestamptz[]) WITH ORDINALITY AS wanted (member_id, at, number)
 CROSS JOIN LATERAL (SELECT tier_id, version FROM tier_changes AS change
                      WHERE change.member_id = wanted.member_id AND change.at < wanted.at
                      ORDER BY change.at DESC, change.id DESC LIMIT 1) AS entered
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
    told = [
        _Told(
            row["number"] - 1, row["shop"], row["version"], row["tier_id"], row["entered_version"]
        )
        for row in rows
    ]
    await _name(conn, told, found)
    return found


async def of_members(
    conn: Connection, wanted: Sequence[tuple[str, int, datetime]]
) -> list[Standing | None]:
    """The same of members (shop, id, moment) who were not merged into others: nearly always by the
    newest version of their shop's tiers.
    """
    found: list[Standing | None] = [None] * len(wanted)
    shops, ids, moments = ([*column] for column in zip(*wanted, strict=True))
    rows = await conn.fetch(SELECT_NEWEST, [*set(shops)])
    newest = {row["shop"]: (row["version"], row["created_at"]) for row in rows}
    entered = {
        row["number"] - 1: (row["tier_id"], row["version"])
        for row in await conn.fetch(SELECT_ENTERED, ids, moments)
    }
    early = [
        number
        for number, (shop, _, moment) in enumerate(wanted)
        if shop in newest and newest[shop][1] > moment
    ]
    before: dict[int, int] = {}
    if early:
        columns = [shops[number] for number in early], [moments[number] for number in early]
        for row in await conn.fetch(SELECT_EARLIER, *columns):
            before[early[row["number"] - 1]] = row["version"]
    told = []
    for number, (shop, _, moment) in enumerate(wanted):
        version, since = newest.get(shop, (None, moment))
        if since > moment:
            version = before.get(number)
        if version is not None:
            told.append(_Told(number, shop, version, *entered.get(number, (None, None))))
    await _name(conn, told, found)
    return found


class _Told(NamedTuple):
    """The version that was in force for one who is asked for, and the tier they had entered."""

    number: int
    shop: str
    version: int
    tier_id: str | None
    entered_version: int | None


async def _name(conn: Connection, told: Sequence[_Told], found: list[Standing | None]) -> None:
    keys = {(one.shop, one.version) for one in told}
    keys |= {(one.shop, one.entered_version) for one in told if one.entered_version}
    versions = await schemes.of_versions(conn, keys)
    for one in told:
        then = versions[one.shop, one.version]
        tier_id = one.tier_id
        if tier_id is None:  # who never moved is in the tier that asks for nothing
            tier_id = then.at(then.scheme.worth(0))
        tier = then.tier(tier_id)
        if tier is None and one.entered_version:
            # it is no more, and whoever was in it has not been placed anew yet
            tier = versions[one.shop, one.entered_version].tier(tier_id)
        if tier is not None:
            found[one.number] = Standing(tier.tier_id, tier.name, then.version, tier.factor_units)
