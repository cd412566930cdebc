"""The arithmetic of tiers, pure and by whole days: where a member stands is a function of what
they bought, by the day it was bought on, of the settings, and of today.

What comes late or is refunded changes the day it belongs to, so that everybody stands where they
would if all had been told in time.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import cached_property
from itertools import accumulate
from typing import Literal, NamedTuple

import msgspec

FACTOR_ONE = 10_000  # a multiplier has four decimals
NONE = -1  # the level of who is in no tier
DAY = timedelta(days=1)


class Tier(msgspec.Struct, frozen=True, omit_defaults=True):
    """`threshold` is points, orders, or millionths of the shop's currency."""

    tier_id: str
    name: str
    threshold: int
    factor_units: int = FACTOR_ONE
    perks: list[str] = []
    reward_id: str = ""  # given once, to who comes into it by an order
    icon: str = ""


class Scheme(msgspec.Struct, frozen=True, omit_defaults=True):
    """A shop's tiers, the lowest first, and how they are reached and lost."""

    measure: Literal["points", "spend", "orders"] = "points"
    period: Literal["year", "rolling", "forever"] = "year"
    days: int = 365  # of a rolling period
    policy: Literal["balance", "cycle", "one", "never"] = "cycle"
    grace_days: int = 0
    tiers: list[Tier] = []
    placed_on: date | None = None  # since when they place as they do: falls one by one begin there
    counts: bool = False  # also while there is no tier, to see who would be where

    @property
    def is_on(self) -> bool:
        return bool(self.tiers) or self.counts

    def level_of(self, tier_id: str) -> int:
        """The place of a tier among them, NONE for one that is not there."""
        for at, one in enumerate(self.tiers):
            if one.tier_id == tier_id:
                return at
        return NONE

    def worth(self, measure: int) -> int:
        """The level of the highest tier that so much reaches."""
        return bisect_right(self.tiers, measure, key=lambda one: one.threshold) - 1

    def is_whole(self, first: date, day: date) -> bool:
        """Whether nothing has left the period yet: all since `first` counts on that day."""
        if self.period == "year":
            return first.year == day.year
        return self.period == "forever" or (day - first).days < self.days


class Counted(NamedTuple):
    """What a member has of the measure, by day: days ascending, and what was bought on each."""

    days: Sequence[date]
    amounts: Sequence[int]


class Placed(NamedTuple):
    """Where a member stands on a day."""

    level: int
    have: int  # of the measure, in the period that is
    peak: int  # what decides: `have`, or more that the policy keeps
    look_on: date | None  # the first day on which time alone may change some of it


class Outlook(NamedTuple):
    """What becomes of who buys nothing more."""

    falls_on: date | None  # the first day in a lower tier; None where time takes none
    falls_to: int
    have: int  # what counts towards keeping the tier
    want: int  # and how much would


class Curve:
    """A member's measure over time."""

    def __init__(self, scheme: Scheme, counted: Counted) -> None:
        self.scheme = scheme
        self.days = counted.days
        self._sums = [0, *accumulate(counted.amounts)]

    @cached_property
    def _measures(self) -> list[int]:
        return [self.measure(day) for day in self.days]

    @cached_property
    def _highest(self) -> list[int]:
        return list(accumulate(self._measures, max))

    def measure(self, day: date) -> int:
        """What counts on that day: all of its period up to it."""
        first = self._first(day)
        before = bisect_right(self.days, first - DAY) if first else 0
        return self._sums[bisect_right(self.days, day)] - self._sums[before]

    def peak(self, day: date) -> int:
        """What decides on that day by the policy; never less than `measure`."""
        scheme = self.scheme
        if scheme.policy == "never":
            at = bisect_right(self.days, day)
            return self._highest[at - 1] if at else 0
        if scheme.period == "forever":
            return self.measure(day)
        if self._is_by_year:
            # a year that has ended keeps what it reached through the year after it
            last = self.measure(date(day.year - 1, 12, 31))
            found = max(self.measure(day), last)
            if day < date(day.year, 1, 1) + timedelta(days=scheme.grace_days):
                found = max(found, self.measure(date(day.year - 2, 12, 31)))
            return found
        first = day - timedelta(days=self._kept_days)
        reached = self._measures[bisect_right(self.days, first) : bisect_right(self.days, day)]
        return max(self.measure(first), *reached) if reached else self.measure(first)

    def level(self, day: date) -> int:
        """The level reached, where falls are not one by one."""
        return self.scheme.worth(self.peak(day))

    def falls(self) -> list[date]:
        """The days on which `peak` may be lower than on the day before, ascending."""
        scheme = self.scheme
        if scheme.policy == "never" or scheme.period == "forever":
            return []
        if scheme.period == "rolling":
            after = timedelta(days=scheme.days + self._kept_days)
            return [day + after for day in self.days]
        years = 2 if self._is_by_year else 1
        after = timedelta(days=scheme.grace_days)
        found = dict.fromkeys(date(day.year + years, 1, 1) + after for day in self.days)
        return list(found)

    @property
    def _is_by_year(self) -> bool:
        return self.scheme.period == "year" and self.scheme.policy in {"cycle", "one"}

    @property
    def _kept_days(self) -> int:
        """For how many days a measure still decides after it was last there."""
        scheme = self.scheme
        is_by_cycle = scheme.period == "rolling" and scheme.policy in {"cycle", "one"}
        return scheme.grace_days + (scheme.days if is_by_cycle else 0)

    def _first(self, day: date) -> date | None:
        if self.scheme.period == "forever":
            return None
        if self.scheme.period == "year":
            return date(day.year, 1, 1)
        return day - timedelta(days=self.scheme.days - 1)


def place(scheme: Scheme, counted: Counted, today: date) -> Placed:
    """Where a member stands today who has `counted`, nothing of it after today."""
    curve = Curve(scheme, counted)
    have = curve.measure(today)
    is_whole = not curve.days or scheme.is_whole(curve.days[0], today)
    peak = have if is_whole else curve.peak(today)
    falls = curve.falls()
    at = bisect_right(falls, today)
    look_on = falls[at] if at < len(falls) else None
    if not scheme.tiers or not is_one_by_one(scheme):
        return Placed(scheme.worth(peak), have, peak, look_on)
    level = one_by_one(curve, today)
    days = [day for day in (look_on, _next_one(curve, today, level)) if day is not None]
    return Placed(level, have, peak, min(days, default=None))


def outlook(scheme: Scheme, counted: Counted, today: date) -> Outlook:
    """When who stands where they do today will stand lower, and what would keep them there."""
    curve = Curve(scheme, counted)
    level = place(scheme, counted, today).level
    if level < 0:
        return Outlook(None, NONE, 0, 0)
    if is_one_by_one(scheme):
        day = _next_one(curve, today, level)
        below = level - 1
    else:
        day = _first_lower(curve, today, curve.level)
        below = curve.level(day) if day else NONE
    want = scheme.tiers[level].threshold
    if day is None:
        return Outlook(None, NONE, curve.measure(today), want)
    have = curve.measure(day)
    if scheme.period == "year" and scheme.policy in {"cycle", "one"}:
        have = curve.measure(date(day.year - 1, 12, 31))
    return Outlook(day, below, have, want)


def is_one_by_one(scheme: Scheme) -> bool:
    """Whether it matters when somebody fell last."""
    return scheme.policy == "one" and scheme.period != "forever"


def _first_lower(curve: Curve, today: date, figure: Callable[[date], int]) -> date | None:
    """The first day after today on which a figure is lower if nothing more counts: without that
    it only falls, so the day is found by halving.
    """
    falls, is_now = curve.falls(), figure(today)
    low, high = bisect_right(falls, today), len(falls)
    while low < high:
        middle = (low + high) // 2
        if figure(falls[middle]) < is_now:
            high = middle
        else:
            low = middle + 1
    return falls[low] if low < len(falls) else None


def one_by_one(curve: Curve, today: date) -> int:
    """One tier down a cycle, from where who was placed by these settings stood at first."""
    start = min(curve.scheme.placed_on or today, today)
    level, day, free_on = curve.level(start), start, start
    days = sorted({one for one in (*curve.days, *curve.falls()) if start < one <= today})
    at = 0
    while True:
        following = days[at] if at < len(days) else None
        is_waiting = curve.level(day) < level and day < free_on <= today
        if is_waiting and (following is None or free_on < following):
            day = free_on
        elif following is not None:
            day, at = following, at + 1
        else:
            return level
        if (deserved := curve.level(day)) >= level:
            level = deserved
        elif day >= free_on:
            level -= 1
            free_on = _cycle_after(curve.scheme, day)


def _next_one(curve: Curve, today: date, level: int) -> date | None:
    """The first day on which one falls from `level` if nothing more counts."""
    last = max([today, *curve.falls()])
    low, high = today, _cycle_after(curve.scheme, _cycle_after(curve.scheme, last))
    if one_by_one(curve, high) >= level:
        return None
    while low + DAY < high:
        middle = low + (high - low) // 2
        if one_by_one(curve, middle) < level:
            high = middle
        else:
            low = middle
    return high


def _cycle_after(scheme: Scheme, day: date) -> date:
    """The first day on which one can fall again who fell on `day`."""
    if scheme.period == "year":
        return date(day.year + 1, 1, 1) + timedelta(days=scheme.grace_days)
    return day + timedelta(days=scheme.days + scheme.grace_days)


def counts_from_days(scheme: Scheme) -> int | None:
    """How old what counts may be to matter, also to timed work a month late; None for any age."""
    if scheme.policy in {"never", "one"} or scheme.period == "forever":
        return None
    if scheme.period == "year":
        return 3 * 366 + scheme.grace_days
    return 2 * (scheme.days + scheme.grace_days) + 33
