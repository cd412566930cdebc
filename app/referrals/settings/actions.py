"""A new version of what a shop offers, with its limits stated once."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec

from app import db, text
from app.errors import BadInputError, ConflictError
from app.referrals.settings import reads
from app.referrals.views import Settings

PERCENT_MAX = Decimal(100)
AMOUNT_MAX = Decimal(10_000)
POINTS_MAX = 1_000_000
DAYS_MAX = 365
COUNT_MAX = 100_000
PLACES_MAX = 2
TEXT_MAX = 120
ORDERS_MAX = 2
WHOLE = {
    "order_number": (1, ORDERS_MAX),
    "code_days": (1, DAYS_MAX),
    "hold_days": (0, 90),
    "window_days": (0, DAYS_MAX),
    "day_max": (1, COUNT_MAX),
    "month_max": (1, COUNT_MAX),
    "all_max": (1, COUNT_MAX),
}
INSERT = f"""
INSERT INTO referral_settings (shop, {reads.COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
"""


class StaleSettingsError(ConflictError):
    """Somebody else saved another version meanwhile."""

    def __init__(self, current: Settings) -> None:
        super().__init__("Somebody else saved these settings meanwhile. Please compare.")
        self.current = current


def problems(wanted: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with settings, by field; None is what could not be read as a number."""
    found: dict[str, str] = {}
    for name, (least, most) in WHOLE.items():
        value = wanted.get(name, 1) if name == "order_number" else wanted.get(name)
        if value is None or not least <= value <= most:
            found[name] = f"Please give a whole number from {least} to {most:,}."
    _money_problems(wanted, found)
    if wanted.get("advocate_kind") == "points":
        points = wanted.get("advocate_points")
        if points is None or not 1 <= points <= POINTS_MAX:
            found["advocate_points"] = f"Please give 1 to {POINTS_MAX:,} points."
    elif not wanted.get("advocate_reward_id"):
        found["advocate_reward_id"] = "Please choose a reward of your program."
    if not found and not wanted["day_max"] <= wanted["month_max"] <= wanted["all_max"]:
        found["month_max"] = "The limits must not get smaller: day, month, in all."
    if not found and wanted["window_days"] < wanted["hold_days"]:
        found["window_days"] = "This cannot be shorter than the days a reward is held back."
    return found


def _money_problems(wanted: Mapping[str, Any], found: dict[str, str]) -> None:
    value, is_percent = wanted.get("friend_value"), wanted.get("friend_kind") == "percent"
    most = PERCENT_MAX if is_percent else AMOUNT_MAX
    if value is None or not 0 < value <= most:
        found["friend_value"] = (
            "Please give more than 0 and at most 100 percent."
            if is_percent
            else f"Please give an amount above 0, at most {AMOUNT_MAX:,}."
        )
    for name in ("friend_minimum", "order_minimum"):
        least = wanted.get(name)
        if least is None or not 0 <= least <= AMOUNT_MAX:
            found[name] = f"Please give an amount from 0 to {AMOUNT_MAX:,}."
    minimum = wanted.get("friend_minimum")
    if not found and not is_percent and value is not None and 0 < (minimum or 0) < value:
        found["friend_minimum"] = "This is less than the discount: the order would be free."


async def edit(shop: str, wanted: Mapping[str, Any], by: str, seen_version: int | None) -> None:
    """Put settings in force, as the version after `seen_version`.

    Raises BadInputError, StaleSettingsError.
    """
    if wrong := problems(wanted):
        raise BadInputError(next(iter(wrong.values())))
    async with db.connection() as conn:
        current = await reads.in_force(conn, shop)
        if seen_version is not None and seen_version != current.version:
            raise StaleSettingsError(current)
        fields = {**msgspec.structs.asdict(current), **wanted}
        fields |= {
            "version": current.version + 1,
            "edited_by": text.clean(by, 128),
            "advocate_text": text.clean(fields["advocate_text"], TEXT_MAX),
            "created_at": datetime.now(UTC),
        }
        names = reads.COLUMNS.split(", ")
        try:
            await conn.execute(INSERT, shop, *(fields[name] for name in names))
        except asyncpg.UniqueViolationError:
            raise StaleSettingsError(await reads.in_force(conn, shop)) from None
