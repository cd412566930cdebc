"""The campaigns merchants start with: each a form that is filled in and can be saved, or lacks one
thing only they can say.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

SATURDAY = 5
CHRISTMAS_EVE = (12, 24)


@dataclass(frozen=True, slots=True)
class Starter:
    """A template: `when` gives its first and last day (None: no end) from today on, `fields` what
    the form holds besides.
    """

    id: str
    title: str
    words: str  # what it is good for
    when: Callable[[date], tuple[date, date | None]]
    fields: Mapping[str, str]


def values(one: Starter, today: date) -> dict[str, str]:
    """The form of a template on that day in the merchant's time zone."""
    first, last = one.when(today)
    dates = {"starts_day": first.isoformat(), "ends_day": last.isoformat() if last else ""}
    return {"name": one.title, **dates, **one.fields}


def days(number: int) -> Callable[[date], tuple[date, date | None]]:
    """So many days from today on."""
    return lambda today: (today, today + timedelta(days=number - 1))


def always(today: date) -> tuple[date, date | None]:
    """From today on, without an end."""
    return today, None


def weekend(today: date) -> tuple[date, date | None]:
    """The next Saturday and Sunday that are whole."""
    ahead = (SATURDAY - today.weekday()) % 7
    saturday = today + timedelta(days=ahead or 7)
    return saturday, saturday + timedelta(days=1)


def holidays(today: date) -> tuple[date, date | None]:
    """The days up to Christmas Eve, from the first of December on."""
    eve = date(today.year, *CHRISTMAS_EVE)
    if today > eve:
        eve = date(today.year + 1, *CHRISTMAS_EVE)
    return max(today, eve.replace(day=1)), eve


def points(number: str) -> dict[str, str]:
    return {"effect": "add", "value": number}


def times(number: str) -> dict[str, str]:
    return {"effect": "multiply", "value": number}


STARTERS = (
    Starter(
        "weekend",
        "Double points weekend",
        "A quiet weekend becomes a busy one: every order earns twice the points.",
        weekend,
        {**times("2"), "trigger": "order", "text": "Double points on everything this weekend."},
    ),
    Starter(
        "win_back",
        "We miss you",
        "Customers who stopped buying get a reason to come back, and nobody else is paid for it.",
        days(14),
        {**times("3"), "trigger": "order", "audience": "segments", "cap": "1000"},
    ),
    Starter(
        "launch",
        "Launch week",
        "The program's first days: everybody earns double, and sees that it is worth it.",
        days(7),
        {**times("2"), "trigger": "order", "text": "We have a rewards program! {value} this week."},
    ),
    Starter(
        "vip_early",
        "VIP early access",
        "Your best tiers buy first, and earn more for it.",
        days(3),
        {**times("2"), "trigger": "order", "audience": "tiers"},
    ),
    Starter(
        "birthday",
        "Birthday present",
        "Points on the day itself, once a year, for whoever told you their birthday.",
        always,
        {**points("100"), "trigger": "birthday", "text": "A present from us on your birthday."},
    ),
    Starter(
        "second_order",
        "Second order bonus",
        "Who buys a second time usually stays. This is the order worth paying for.",
        always,
        {**points("150"), "trigger": "nth_order", "nth": "2"},
    ),
    Starter(
        "spend_more",
        "Spend more, earn more",
        "A goal a little above your usual order makes baskets larger.",
        days(14),
        {**points("200"), "trigger": "goal_order", "goal": "100"},
    ),
    Starter(
        "new_product",
        "New product boost",
        "What has just arrived earns triple points, so that it is tried.",
        days(14),
        {**times("3"), "trigger": "order", "scope": "products"},
    ),
    Starter(
        "signup",
        "Sign-up bonus",
        "Points for creating an account: the first step of every member.",
        days(30),
        {**points("100"), "trigger": "account", "text": "Create an account and get {value}."},
    ),
    Starter(
        "holiday",
        "Holiday season",
        "Double points until Christmas Eve, with a cap that keeps it affordable.",
        holidays,
        {**times("2"), "trigger": "order", "cap": "500", "text": "Double points until {ends}."},
    ),
)
BY_ID = {one.id: one for one in STARTERS}
