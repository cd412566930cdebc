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


def age(seconds: float) -> str:
    """A duration in seconds, as people say it."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count != 1 else ''}"
    return "under a second" if seconds < 1 else f"{int(seconds)} s"


def money(amount: Decimal, currency: str) -> str:
    return amounts.text(amount, currency)
