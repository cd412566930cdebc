"""What is seen of rewards and redemptions: a shop's rewards, redemptions as shoppers see them, and
how many are held in all shops.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from app import db
from app.db import Connection, Row
from app.points.rewards import who
from app.points.rewards.rules import Details, Offered
from app.points.views import RedemptionView, RewardView

REDEMPTIONS_MAX = 20
REWARD_COLUMNS = "id::text AS id, title, cost, amount_off, is_active, version, kind, details"
REDEMPTION_COLUMNS = (
    "id, state, code, title, points, reason, created_at, kind, ends_at, details, amount_off, "
    "returned_points"
)
SELECT_REWARDS = f"""
SELECT {REWARD_COLUMNS} FROM rewards
 WHERE shop = $1 AND (is_active OR NOT $2) ORDER BY cost, rewards.id
"""
SELECT_NEWEST = f"""
SELECT {REDEMPTION_COLUMNS} FROM redemptions WHERE shop = $1 AND customer_id = $2
 ORDER BY created_at DESC, id LIMIT $3
"""
# how often a customer had each reward: what was given without cost does not count
SELECT_HAD = """
SELECT reward_id, count(*)::int AS times FROM redemptions
 WHERE shop = $1 AND customer_id = $2 AND state <> 'released' AND points > 0 GROUP BY reward_id
"""
READY = {
    "store_credit": "The store credit is in your account.",
    "gift_card": "Your gift card is ready.",
}

# the longest due first: counted along the index, and no further than somebody wants to know
HELD = """
SELECT count(*)::int AS redemptions,
       coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest_seconds
  FROM (SELECT created_at FROM redemptions WHERE state = 'held'
         ORDER BY next_attempt_at LIMIT $1) AS counted
"""


class Held(NamedTuple):
    """Points that are set aside while nobody knows yet whether their code exists."""

    redemptions: int
    oldest_seconds: float


async def held(count_max: int) -> Held:
    """Of all shops, counted up to `count_max`."""
    async with db.connection() as connection:
        row = await connection.fetchrow(HELD, count_max)
    return Held(row["redemptions"], row["oldest_seconds"])


def details(written: str) -> Details:
    """Details as they are kept."""
    return _details.decode(written)


def reward_view(row: Row) -> RewardView:
    """A reward from a row with REWARD_COLUMNS."""
    return RewardView(**{**row, "details": details(row["details"])})


async def rewards(shop: str, active_only: bool = False) -> list[RewardView]:
    """The shop's rewards, the cheapest first."""
    async with db.connection() as conn:
        return [reward_view(row) for row in await conn.fetch(SELECT_REWARDS, shop, active_only)]


async def tier_names(shop: str) -> Mapping[str, str]:
    """What the shop's tiers are called, by id."""
    async with db.connection() as conn:
        return await who.tier_names(conn, shop)


async def offered(shop: str) -> Offered:
    """What rewards of a shop can be for."""
    async with db.connection() as conn:
        return await who.offered(conn, shop)


async def segments(shop: str) -> list[str]:
    """The segments the shop's customers are in."""
    async with db.connection() as conn:
        return await who.segments(conn, shop)


def redemption_view(row: Any) -> RedemptionView:
    """A redemption as its shopper may see it, from a row with REDEMPTION_COLUMNS."""
    state, kind = row["state"], row["kind"]
    message = {
        "held": "Your reward is being prepared; its points are set aside.",
        "captured": READY.get(kind, "Your code is ready."),
        "used": row["reason"] or "Your code was used.",
    }.get(state, row["reason"])
    return RedemptionView(
        str(row["id"]),
        state,
        row["code"] if state in {"captured", "used"} else "",
        row["title"],
        row["points"],
        message,
        row["created_at"],
        kind,
        row["ends_at"],
        details(row["details"]),
        row["amount_off"],
        row["returned_points"],
    )


async def newest_redemptions(conn: Connection, shop: str, customer_id: str) -> list[RedemptionView]:
    """The newest 20 redemptions of this customer."""
    rows = await conn.fetch(SELECT_NEWEST, shop, customer_id, REDEMPTIONS_MAX)
    return [redemption_view(row) for row in rows]


async def times_had(conn: Connection, shop: str, customer_id: str) -> dict[str, int]:
    """How often a customer had each reward, by the reward's id."""
    rows = await conn.fetch(SELECT_HAD, shop, customer_id)
    return {str(row["reward_id"]): row["times"] for row in rows}


_details = msgspec.json.Decoder(Details)
