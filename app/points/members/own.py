"""What shoppers read of themselves: their codes, when points come and end, their history."""

from dataclasses import dataclass
from datetime import UTC, datetime

from app import db
from app.points.members import account as account_rows
from app.points.rewards import reads as rewards
from app.points.rewards import who
from app.points.tiers import reads as tier_reads
from app.points.tiers.reads import MemberTier, TierRow
from app.points.views import Account, Movement, RedemptionView
from app.points.ways import reads as ways


@dataclass(frozen=True, slots=True)
class Own:
    """What a shopper has besides the balance, and where they stand."""

    account: Account
    tier: MemberTier | None


async def account(shop: str, customer_id: str, timezone: str) -> Own:
    """Codes, dates and tier of a customer, days in that time zone; nothing, and the tier that asks
    for nothing, for one who is no member.
    """
    async with db.connection() as conn:
        rows, codes_next = await account_rows.codes(conn, shop, customer_id)
        coming, ending = await account_rows.dates(conn, shop, customer_id, timezone)
        newest = await rewards.newest_redemptions(conn, shop, customer_id)
        rewards_had = await rewards.times_had(conn, shop, customer_id)
        belongs = await who.belongs(conn, shop, customer_id, datetime.now(UTC))
        tier = await tier_reads.member(conn, shop, customer_id, with_history=False)
        had = await ways.had(conn, shop, customer_id)
    views = [rewards.redemption_view(row) for row in rows]
    told = Account(newest, views, codes_next, coming, ending, had, rewards_had, belongs)
    return Own(told, tier)


async def tiers(shop: str) -> tuple[str, list[TierRow]]:
    """What is measured, and the tiers of a shop, the lowest first."""
    async with db.connection() as conn:
        return await tier_reads.offered(conn, shop)


async def codes(shop: str, customer_id: str, place: str) -> tuple[list[RedemptionView], str]:
    """The codes of this customer after `place`, and the place of the next page."""
    async with db.connection() as conn:
        rows, codes_next = await account_rows.codes(conn, shop, customer_id, place)
    return [rewards.redemption_view(row) for row in rows], codes_next


async def history(
    shop: str, customer_id: str, timezone: str, place: str = ""
) -> tuple[list[Movement], str]:
    """What happened to this customer's points before `place`, and the place of the next page."""
    async with db.connection() as conn:
        return await account_rows.history(conn, shop, customer_id, timezone, place)
