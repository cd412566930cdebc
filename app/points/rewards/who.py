"""Who may have a reward: whoever is in one of its tiers, and in one of its segments, just now."""

from collections.abc import Mapping
from datetime import datetime

from app.db import Connection
from app.points.earning import memberships
from app.points.rewards.rules import Details, Offered
from app.points.tiers import schemes, standing

SELECT_CURRENCY = """
SELECT currency FROM program_versions WHERE shop = $1 ORDER BY version DESC LIMIT 1
"""
SELECT_TIERS = """
SELECT scheme FROM tier_versions WHERE shop = $1 ORDER BY version DESC LIMIT 1
"""
# segments are told customer by customer; those of some of them are all there are, but for odd ones
SELECT_SEGMENTS = """
SELECT DISTINCT name FROM (SELECT name FROM memberships
                            WHERE shop = $1 AND kind = 'segment' LIMIT 5000) AS seen ORDER BY name
"""
SEGMENT = "segment:"


async def may(
    conn: Connection, shop: str, customer_id: str, details: Details, now: datetime
) -> bool:
    """Whether a customer may have a reward with these details now. What nobody can tell is no."""
    if not details.tiers and not details.segments:
        return True
    mine = await belongs(conn, shop, customer_id, now)
    return all(
        not wanted or set(wanted) & set(mine.get(name, ()))
        for name, wanted in (("tiers", details.tiers), ("segments", details.segments))
    )


async def belongs(
    conn: Connection, shop: str, customer_id: str, now: datetime
) -> dict[str, list[str]]:
    """The ids of the tiers and segments a customer is in."""
    (tier,) = await standing.at(conn, [(shop, customer_id, now)])
    (groups,) = await memberships.at(conn, [(shop, customer_id, now)])
    return {
        "tiers": [tier.tier_id] if tier else [],
        "segments": sorted(one.removeprefix(SEGMENT) for one in groups if one.startswith(SEGMENT)),
    }


async def tier_names(conn: Connection, shop: str) -> Mapping[str, str]:
    """What the shop's tiers are called, by id, the lowest first."""
    scheme = await conn.fetchval(SELECT_TIERS, shop)
    found = schemes.decoded(scheme).tiers if scheme else []
    return {one.tier_id: one.name for one in found}


async def segments(conn: Connection, shop: str) -> list[str]:
    """The segments the shop's customers are in."""
    return [row["name"] for row in await conn.fetch(SELECT_SEGMENTS, shop)]


async def offered(conn: Connection, shop: str) -> Offered:
    """What rewards of a shop can be for; a segment that nobody is in just now may be one."""
    currency: str | None = await conn.fetchval(SELECT_CURRENCY, shop)
    return Offered(currency or "", await tier_names(conn, shop))
