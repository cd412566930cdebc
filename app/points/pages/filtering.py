"""What a merchant types to choose among customers and events: days and figures, as they were typed
and as they are asked for.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from app import calendar, paging
from app.points.members import history
from app.points.members.filters import Wanted
from app.points.members.history import Asked
from app.web import wording

BALANCE_DIGITS_MAX = 12
FIELDS = (
    "balance_from",
    "balance_to",
    "joined_from",
    "joined_to",
    "ordered_from",
    "ordered_to",
)
KINDS = {
    "earned": "Earned",
    "reward": "Rewards",
    "taken_back": "Taken back",
    "expired": "Expired",
    "adjusted": "Adjusted by staff",
    history.OTHER: "Everything else",
}
A_DAY = "Please give a day, such as 2026-03-31."
A_BALANCE = "Please give a whole number of points, such as 100."


@dataclass(frozen=True, slots=True)
class Filtering:
    """Whom a list is for; `typed` is what the fields hold, `words` says it in a sentence."""

    wanted: Wanted
    typed: dict[str, str]
    problems: dict[str, str]
    words: str


def customers(query: Mapping[str, str], timezone: str) -> Filtering:
    """Whom an address asks for; days are those of the shop, both of them included."""
    typed = _typed(query, FIELDS)
    problems: dict[str, str] = {}
    found = {name: _balance(typed, name, problems) for name in ("balance_from", "balance_to")}
    joined = _days(typed, "joined", timezone, problems)
    ordered = _days(typed, "ordered", timezone, problems)
    wanted = Wanted(found["balance_from"], found["balance_to"], *joined, *ordered)
    return Filtering(wanted, typed, problems, _words(wanted, timezone))


@dataclass(frozen=True, slots=True)
class EventFiltering:
    asked: Asked
    typed: dict[str, str]
    problems: dict[str, str]


def events(query: Mapping[str, str], timezone: str) -> EventFiltering:
    """Which events of a customer an address asks for."""
    typed = _typed(query, ("kind", "from", "to"))
    if typed.get("kind") not in KINDS:
        typed.pop("kind", None)
    problems: dict[str, str] = {}
    since, before = _days(typed, "", timezone, problems)
    asked = Asked(typed.get("kind", ""), since or paging.moment(0), before or paging.NEVER)
    return EventFiltering(asked, typed, problems)


def _typed(query: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    found = {name: query.get(name, "").strip()[:20] for name in names}
    return {name: value for name, value in found.items() if value}


def _balance(typed: Mapping[str, str], name: str, problems: dict[str, str]) -> int | None:
    value = typed.get(name, "").replace(",", "")
    if not value:
        return None
    if not re.fullmatch(rf"[0-9]{{1,{BALANCE_DIGITS_MAX}}}", value):
        problems[name] = A_BALANCE
        return None
    return int(value)


def _days(
    typed: Mapping[str, str], name: str, timezone: str, problems: dict[str, str]
) -> tuple[datetime | None, datetime | None]:
    """From the beginning of the first day on, and before the end of the last."""
    prefix = f"{name}_" if name else ""
    first = _day(typed, f"{prefix}from", problems)
    last = _day(typed, f"{prefix}to", problems)
    return (
        calendar.start_of_day(first, timezone) if first else None,
        calendar.start_of_day(last + timedelta(days=1), timezone) if last else None,
    )


def _day(typed: Mapping[str, str], name: str, problems: dict[str, str]) -> date | None:
    if name not in typed:
        return None
    try:
        found = date.fromisoformat(typed[name])
    except ValueError:
        problems[name] = A_DAY
        return None
    if not 1970 < found.year < 9999:  # noqa: PLR2004 - years that moments and zones can count
        problems[name] = A_DAY
        return None
    return found


def _words(wanted: Wanted, timezone: str) -> str:
    """“with at least 100 points, who joined up to 3 May 2026”; empty for everybody."""
    least, most = wanted.balance_from, wanted.balance_to
    parts = []
    if least is not None and most is not None:
        parts.append(f"with {least:,} to {most:,} points")
    elif least is not None:
        parts.append(f"with at least {least:,} points")
    elif most is not None:
        parts.append(f"with at most {most:,} points")
    for what, since, before in (
        ("who joined", wanted.joined_from, wanted.joined_before),
        ("who ordered last", wanted.ordered_from, wanted.ordered_before),
    ):
        days = [
            f"{word} {wording.local(moment, timezone, 'day')}"
            for word, moment in (
                ("from", since),
                ("up to", before - timedelta(microseconds=1) if before else None),
            )
            if moment
        ]
        if days:
            parts.append(f"{what} {' '.join(days)}")
    return ", ".join(parts)
