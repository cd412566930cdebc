"""Tiers the slow and obvious way: day by day from the first order on, one state and what happens to
it that day: the truth the arithmetic is held to.
"""

from dataclasses import dataclass
from datetime import date, timedelta

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Settings:
    period: str
    days: int
    policy: str
    grace: int
    thresholds: tuple[int, ...]
    placed_on: date


def worth(thresholds: tuple[int, ...], amount: int) -> int:
    return sum(amount >= one for one in thresholds) - 1


def measure(settings: Settings, bought: dict[date, int], day: date) -> int:
    """All that was bought in the period that `day` is in, up to it."""
    return sum(amount for on, amount in bought.items() if on <= day and _counts(settings, on, day))


def _counts(settings: Settings, on: date, day: date) -> bool:
    if settings.period == "year":
        return on.year == day.year
    return settings.period == "forever" or (day - on).days < settings.days


def tiers(settings: Settings, bought: dict[date, int], first: date, last: date) -> dict[date, int]:
    """The tier on each day, from the first to the last one."""
    reached, amount, day = {}, 0, first
    while day <= last:
        if settings.period == "year" and (day.month, day.day) == (1, 1):
            amount = 0
        amount += bought.get(day, 0)
        if settings.period == "rolling":
            amount -= bought.get(day - settings.days * DAY, 0)
        reached[day] = worth(settings.thresholds, amount)
        day += DAY
    if settings.policy == "never":
        return _kept(reached, 10**6)
    if settings.policy == "balance":
        return _kept(reached, settings.grace)
    if settings.period == "year":
        return _by_year(settings, reached)
    deserved = _kept(reached, settings.grace + settings.days)
    if settings.period == "forever" or settings.policy == "cycle":
        return deserved
    return _one_a_cycle(settings, deserved)


def _kept(reached: dict[date, int], days: int) -> dict[date, int]:
    """A tier stays for so many days after the last one on which it was deserved."""
    found: dict[date, int] = {}
    last_day: dict[int, date] = {}
    for day, level in reached.items():
        for below in range(level + 1):
            last_day[below] = day
        found[day] = max(
            (one for one, on in last_day.items() if (day - on).days <= days), default=-1
        )
    return found


def _by_year(settings: Settings, reached: dict[date, int]) -> dict[date, int]:
    """Up at once; looked at again when the grace of a new year is over, by what the old year came
    to: down to that, or one tier.
    """
    found: dict[date, int] = {}
    tier = -1
    for day, level in reached.items():
        ends = date(day.year, 1, 1) + timedelta(days=settings.grace)
        if day == ends:
            target = max(level, reached.get(date(day.year - 1, 12, 31), -1))
            is_one = settings.policy == "one" and day > settings.placed_on
            tier = max(target, tier - 1) if is_one else target
        tier = max(tier, level)
        found[day] = tier
    return found


def _one_a_cycle(settings: Settings, deserved: dict[date, int]) -> dict[date, int]:
    found: dict[date, int] = {}
    tier, waits_until = -1, settings.placed_on
    for day, level in deserved.items():
        if day <= settings.placed_on or level >= tier:
            tier = level
        elif day >= waits_until:
            tier -= 1
            waits_until = day + timedelta(days=settings.days + settings.grace)
        found[day] = tier
    return found
