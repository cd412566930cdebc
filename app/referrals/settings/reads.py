"""The settings in force of a shop, and the words for what they offer."""

from decimal import Decimal

import msgspec

from app import db, money
from app.db import Connection
from app.referrals.views import Settings

COLUMNS = (
    "version, is_on, friend_kind, friend_value, friend_minimum, code_days, order_minimum, "
    "order_number, advocate_kind, advocate_points, advocate_reward_id, advocate_text, hold_days, "
    "window_days, day_max, month_max, all_max, edited_by, created_at"
)
SELECT = f"SELECT {COLUMNS} FROM referral_settings WHERE shop = $1 ORDER BY version DESC LIMIT 1"


async def in_force(conn: Connection, shop: str, starts_as: str = "draft") -> Settings:
    """The newest settings; a shop without any has the default, as version 0: switched on only
    where programmes start live.
    """
    row = await conn.fetchrow(SELECT, shop)
    if row is None:
        return Settings(is_on=starts_as == "live")
    return msgspec.convert(dict(row), Settings)


async def of(shop: str, starts_as: str = "draft") -> Settings:
    """The same for pages."""
    async with db.connection() as conn:
        return await in_force(conn, shop, starts_as)


def for_friend(settings: Settings, currency: str, whose: str = "your") -> str:
    """ "10% off your first order of $20.00 or more"."""
    off = (
        f"{settings.friend_value.normalize():f}%"
        if settings.friend_kind == "percent"
        else money.text(settings.friend_value, currency)
    )
    least = settings.friend_minimum
    of = f" of {money.text(least, currency)} or more" if least > Decimal(0) else ""
    return f"{off} off {whose} first order{of}"


def for_advocate(settings: Settings) -> str:
    """ "100 points"."""
    if settings.advocate_kind == "points":
        number = settings.advocate_points
        return "1 point" if number == 1 else f"{number:,} points"
    return settings.advocate_text or "a reward"


def promised(settings: Settings) -> str:
    """ "100 points for the friend's second order"."""
    second = " for the friend's second order" if settings.order_number > 1 else ""
    return for_advocate(settings) + second
