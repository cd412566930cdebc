"""What a member's tier was at a moment, for whoever decides by it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from app.db import Connection
from app.points.earning.rules import Tier
from app.points.tiers import schemes
from app.points.tiers.counting import NOWHERE, OfShop, Stood
from app.points.tiers.schemes import Of
from app.writes import numbers

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
SELECT_EARLIER = """
SELECT wanted.number, earlier.version
  FROM unnest($1::text[], $2::timestamptz[]) WITH ORDINALITY AS wanted (shop, at, number)
 CROSS JOIN LATERAL (SELECT version FROM tier_versions
                      WHERE tier_versions.shop = wanted.shop AND created_at <= wanted.at
                      ORDER BY version DESC LIMIT 1) AS earlier
"""
# where locked members stand, and what they had entered before a moment
SELECT_STOOD = """
SELECT wanted.number, entered.tier_id AS entered_id, entered.version AS entered_version,
       standing.tier_id, standing.version, standing.changed_at, standing.due_at, standing.total,
       standing.first_on, standing.last_at
  FROM unnest($1::text[], $2::text::bigint[], $3::timestamptz[])
       WITH ORDINALITY AS wanted (shop, member_id, at, number)
  LEFT JOIN tier_standings AS standing
         ON standing.shop = wanted.shop AND standing.member_id = wanted.member_id
  LEFT JOIN LATERAL (SELECT tier_id, version FROM tier_changes AS change
                      WHERE change.member_id = wanted.member_id AND change.at < wanted.at
                      ORDER BY change.at DESC, change.id DESC LIMIT 1) AS entered ON TRUE
"""


NEVER: tuple[str | None, int | None] = (None, None)  # who never came into another tier


async def at(conn: Connection, wanted: Sequence[tuple[str, str, datetime]]) -> list[Tier | None]:
    """The tier of each customer (shop, customer id) just before a moment, None for none, in the
    order they were asked; one statement, whatever their number.
    """
    found: list[Tier | None] = [None] * len(wanted)
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
    conn: Connection,
    wanted: Sequence[tuple[str, int, datetime]],
    shops: Mapping[str, OfShop],
    made: Collection[int],
) -> tuple[list[Tier | None], dict[int, Stood]]:
    """The same of locked members (shop, id, moment) who were not merged into others, nearly always
    by the newest version of their shop's tiers; and where each stands now. Of those who are only
    being `made` nothing can be there to be read.
    """
    found: list[Tier | None] = [None] * len(wanted)
    entered = [NEVER] * len(wanted)
    stood = dict.fromkeys(made, NOWHERE)
    if asked := [number for number, one in enumerate(wanted) if one[1] not in stood]:
        shop_names, ids, moments = zip(*(wanted[number] for number in asked), strict=True)
        for row in await conn.fetch(SELECT_STOOD, [*shop_names], numbers(ids), [*moments]):
            ordinal, entered_id, entered_version, *stands = row.values()
            number = asked[ordinal - 1]
            stood[wanted[number][1]] = Stood(*stands)
            if entered_id is not None:
                entered[number] = entered_id, entered_version
    told, early = [], []
    named: dict[tuple[str, str | None], Tier | None] = {}
    for number, ((shop, _, moment), then) in enumerate(zip(wanted, entered, strict=True)):
        of, key = shops[shop].of, (shop, then[0])
        if key not in named:
            named[key] = _tier(of, of.lowest if then[0] is None else then[0])
        if of.since > moment:
            early.append(_Told(number, shop, 0, *then))
        elif (one := named[key]) is None:
            told.append(_Told(number, shop, of.version, *then))
        else:
            found[number] = one
    if early:
        columns = [one.shop for one in early], [wanted[one.number][2] for one in early]
        rows = await conn.fetch(SELECT_EARLIER, *columns)
        told += (early[row["number"] - 1]._replace(version=row["version"]) for row in rows)
    if told:
        await _name(conn, told, found)
    return found, stood


class _Told(NamedTuple):
    """The version that was in force for one who is asked for, and the tier they had entered."""

    number: int
    shop: str
    version: int
    tier_id: str | None
    entered_version: int | None


def _tier(of: Of, tier_id: str) -> Tier | None:
    """A tier by a version of its shop's."""
    one = of.tier(tier_id)
    return None if one is None else Tier(tier_id, one.name, of.version, one.factor_units)


async def _name(conn: Connection, told: Sequence[_Told], found: list[Tier | None]) -> None:
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
            found[one.number] = Tier(tier_id, tier.name, then.version, tier.factor_units)
