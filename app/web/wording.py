"""How the pages write moments, durations and money."""

from datetime import datetime
from decimal import Decimal

from app import calendar
from app import money as amounts


def clock(moment: datetime, timezone: str) -> str:
    """`moment` as people in the shop read it: the time today, with the date otherwise."""
    here = calendar.zone(timezone)
    is_today = moment.astimezone(here).date() == datetime.now(here).date()
    return local(moment, timezone, "time" if is_today else "minute")


def local(moment: datetime, timezone: str, style: str = "minute") -> str:
    """An aware datetime in the shop's time zone; `style` is time, second, day or minute."""
    there = moment.astimezone(calendar.zone(timezone))
    if style in {"time", "second"}:
        return f"{there:%H:%M}" if style == "time" else f"{there:%H:%M:%S}"
    is_this_year = there.year == datetime.now(there.tzinfo).year
    day = (
        f"{there.day} {there:%b}"
        if is_this_year and style == "minute"
        else f"{there.day} {there:%b %Y}"
    )
    return day if style == "day" else f"{day}, {there:%H:%M}"


def iso(moment: datetime, timezone: str) -> str:
    """An aware datetime in the shop's time zone as machines sort it: 2026-05-03 14:02:11."""
    return f"{moment.astimezone(calendar.zone(timezone)):%Y-%m-%d %H:%M:%S}"


def age(seconds: float) -> str:
    """A duration in seconds, as people say it."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count != 1 else ''}"
    return "under a second" if seconds < 1 else f"{int(seconds)} s"


def short(number: int) -> str:
    """A figure where there is little room: 999, 12k, 1.5M."""
    for size, unit in ((1_000_000_000, "B"), (1_000_000, "M"), (10_000, "k")):
        if number >= size:
            scale = 1_000 if unit == "k" else size
            return f"{number / scale:,.1f}".removesuffix(".0") + unit
    return f"{number:,}"


def money(amount: Decimal, currency: str) -> str:
    return amounts.text(amount, currency)
