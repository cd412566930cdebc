"""On which day members came to where they stand, pure and by whole days."""

from datetime import date

from app.points.tiers import rules
from app.points.tiers.rules import Counted, Scheme

LATE_DAYS_MAX = 400  # so late timed work still finds the day it should have done something


def reached_on(scheme: Scheme, counted: Counted, level: int, since: date) -> date | None:
    """The day from `since` on at which something was bought that brought one to the level, which
    was not lost after it.
    """
    curve, found = rules.Curve(scheme, counted), None
    for day in reversed(curve.days):
        if day < since or curve.level(day) < level:
            break
        found = day
        if curve.level(day - rules.DAY) < level:
            break
    return found


def fell_on(scheme: Scheme, counted: Counted, today: date) -> date:
    """The day on which time brought a member to where they stand today."""
    curve = rules.Curve(scheme, counted)

    def level(day: date) -> int:
        return rules.one_by_one(curve, day) if rules.is_one_by_one(scheme) else curve.level(day)

    now, day = level(today), today
    for _ in range(LATE_DAYS_MAX):
        if level(day - rules.DAY) != now:
            break
        day -= rules.DAY
    return day
