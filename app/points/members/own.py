"""What shoppers read of themselves: their codes, when points come and end, their history."""

from datetime import UTC, datetime

from app import db
from app.points.members import account as account_rows
from app.points.rewards import reads as rewards
from app.points.rewards import who
from app.points.views import Account, Movement, RedemptionView


async def account(shop: str, customer_id: str, timezone: str) -> Account:
    """Codes and dates of a customer, days in that time zone; nothing for one who is no member."""
    async with db.connection() as conn:
        rows, codes_next = await account_rows.codes(conn, shop, customer_id)
        coming, ending = await account_rows.dates(conn, shop, customer_id, timezone)
        newest = await rewards.newest_redemptions(conn, shop, customer_id)
        had = await rewards.times_had(conn, shop, customer_id)
        belongs = await who.belongs(conn, shop, customer_id, datetime.now(UTC))
    views = [rewards.redemption_view(row) for row in rows]
    return Account(newest, views, codes_next, coming, ending, had, belongs)


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
