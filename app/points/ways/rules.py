"""What is right of ways to earn, pure: their limits, their periods, and birthdays."""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from app import calendar
from app.errors import BadInputError

KINDS = ("account", "newsletter", "birthday", "follow", "action")
SINGLE = frozenset({"account", "newsletter", "birthday"})  # a shop has one of each
PERIODS = {
    "once": "once",
    "day": "a day",
    "week": "a week",
    "month": "a month",
    "year": "a year",
}
POINTS_MAX = 1_000_000
TIMES_MAX = 100
TITLE_LENGTH_MAX = 120
URL_LENGTH_MAX = 500
WAYS_MAX = 50  # of a shop
OLDEST_YEAR = 1900
EDIT_AGAIN = timedelta(days=365)
# two gifts are no closer, whatever the day is changed to; the 29th of February moves it by a day
GIFTS_APART = timedelta(days=360)
CATCH_UP_DAYS = 31  # birthdays of longer ago are not made up for
LEAP_DAY, BEFORE_LEAP_DAY = "02-29", "02-28"
_HANDLE = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}", re.ASCII)
_DATE = re.compile(r"(?:([0-9]{4})-)?([0-9]{2})-([0-9]{2})", re.ASCII)


class Way(NamedTuple):
    """A way to earn as it is, or was at a moment."""

    id: int
    shop: str
    kind: str
    handle: str
    title: str
    points: int
    per: str
    times: int
    url: str
    is_active: bool
    version: int

    @property
    def what(self) -> str:
        """What of a source names the way."""
        return self.kind if self.kind in SINGLE else f"{self.kind}-{self.id}"


def whole(at: datetime) -> datetime:
    """The end of its second, where a moment is told by the second as Shopify does it: what was
    saved in that second counts.
    """
    return at if at.microsecond else at.replace(microsecond=999_999)


def period(per: str, at: datetime, timezone: str) -> str:
    """The period a moment is in, in that time zone; "" where a way is for once."""
    return period_of(per, at.astimezone(calendar.zone(timezone)).date())


def period_of(per: str, day: date) -> str:
    """The period a day is in; "" where a way is for once."""
    if per == "week":
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02d}"
    return {"day": day.isoformat(), "month": f"{day:%Y-%m}", "year": f"{day:%Y}"}.get(per, "")


def next_period(per: str, day: date) -> date | None:
    """The first day of the period after that of `day`; None where a way is for once."""
    if per == "day":
        return day + timedelta(days=1)
    if per == "week":
        return day + timedelta(days=8 - day.isoweekday())
    if per == "month":
        return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return date(day.year + 1, 1, 1) if per == "year" else None


def source(way: Way, customer_id: str, period_: str, number: int = 1) -> str:
    """The natural key of the `number`-th gift of a way to a customer in a period."""
    part = period_ if number == 1 else f"{period_}.{number}"
    return f"way:{way.what}:{customer_id}" + (f":{part}" if part else "")


def is_celebrated(month_day: str, day: date) -> bool:
    """Whether a birthday of that day is celebrated on `day`: one on 29 February is celebrated on
    28 February where the year has no such day.
    """
    return month_day in celebrated(day)


def celebrated(day: date) -> tuple[str, ...]:
    """The birthdays that are celebrated on a day."""
    own = f"{day:%m-%d}"
    if own == BEFORE_LEAP_DAY and not _is_leap(day.year):
        return own, LEAP_DAY
    return (own,)


def next_birthday(month_day: str, today: date) -> date:
    """The day it is celebrated next, today included."""
    this_year = _birthday_in(today.year, month_day)
    return this_year if this_year >= today else _birthday_in(today.year + 1, month_day)


def _birthday_in(year: int, month_day: str) -> date:
    if month_day == LEAP_DAY and not _is_leap(year):
        month_day = BEFORE_LEAP_DAY
    return date.fromisoformat(f"{year}-{month_day}")


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def birthday(typed: str, today: date) -> str:
    """The day of a birthday as MM-DD, from that or from YYYY-MM-DD, whose year is forgotten.

    Raises BadInputError for a day that is none, one in the future or of nobody who lives.
    """
    found = _DATE.fullmatch(typed.strip())
    if found is None:
        raise BadInputError("Please give the day as MM-DD, such as 03-25.", code="bad_birthday")
    year, month, day = found[1] or "2000", found[2], found[3]
    try:
        given = date.fromisoformat(f"{year}-{month}-{day}")
    except ValueError:
        raise BadInputError("There is no such day in a year.", code="bad_birthday") from None
    if found[1] and given > today:
        raise BadInputError("A birthday cannot be in the future.", code="bad_birthday")
    if given.year < OLDEST_YEAR:
        raise BadInputError("Please look at the year again.", code="bad_birthday")
    return f"{month}-{day}"


def problems(kind: str, fields: Mapping[str, object]) -> dict[str, str]:
    """What is wrong with a way (title, points, per, times, url, handle), by field, as sentences;
    None is what was no number.
    """
    found = {}
    title, points, times = (fields.get(name) for name in ("title", "points", "times"))
    if not 1 <= len(str(title or "")) <= TITLE_LENGTH_MAX:
        found["title"] = (
            f"Please give a name of at most {TITLE_LENGTH_MAX} characters; shoppers see it."
        )
    if not isinstance(points, int) or not 1 <= points <= POINTS_MAX:
        found["points"] = f"Please give a whole number of points, from 1 to {POINTS_MAX:,}."
    if kind == "follow" and not link(str(fields.get("url") or "")):
        found["url"] = "Please give the link of your page there, beginning with https://."
    if kind == "action":
        if not _HANDLE.fullmatch(str(fields.get("handle") or "")):
            found["handle"] = (
                "Please give a name of small letters, digits, - and _, at most 60; such as review."
            )
        if fields.get("per") not in PERIODS:
            found["per"] = "Please choose how often."
        if not isinstance(times, int) or not 1 <= times <= TIMES_MAX:
            found["times"] = f"Please give a whole number, from 1 to {TIMES_MAX}."
    return found


def link(typed: str) -> str:
    """A link as it is kept, empty for what is none."""
    try:
        parts = urlsplit(typed.strip())
        host = parts.hostname or ""
    except ValueError:
        return ""
    is_fine = parts.scheme == "https" and "." in host and not parts.username
    is_plain = typed.isascii() and not re.search(r"[\s\"'<>\\]", typed.strip())
    return typed.strip() if is_fine and is_plain and len(typed) <= URL_LENGTH_MAX else ""


def place(url: str) -> str:
    """What tells a link from another one: where it leads to."""
    parts = urlsplit(url)
    host = (parts.hostname or "").removeprefix("www.")
    return f"{host}{parts.path.rstrip('/')}".lower()[:120]
