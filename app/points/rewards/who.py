"""Who may have a reward: whoever is in one of its tiers, or in one of its segments, just now."""

from collections.abc import Mapping
from datetime import datetime

from app.db import Connection
from app.points.rewards.rules import Details, Offered

SELECT_CURRENCY = """
SELECT currency FROM program_versions WHERE shop = $1 ORDER BY version DESC LIMIT 1
"""


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
    _conn: Connection, _shop: str, _customer_id: str, _now: datetime
) -> dict[str, list[str]]:
    """The ids of the tiers and segments a customer is in."""
    return {}


async def tier_names(_conn: Connection, _shop: str) -> Mapping[str, str]:
    """What the shop's tiers are called, by id."""
    return {}


async def offered(conn: Connection, shop: str) -> Offered:
    """What rewards of a shop can be for."""
    currency: str | None = await conn.fetchval(SELECT_CURRENCY, shop)
    return Offered(currency or "")
