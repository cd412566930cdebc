"""What campaigns say of themselves in plain sentences."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal

from app import calendar, money
from app.campaigns import rules
from app.own_facts import Campaign, Stacking

ORDINALS = {1: "st", 2: "nd", 3: "rd"}
# who is in a segment or has a tag is no business of a shop's pages
TOLD_TO_SHOPPERS = frozenset({"everyone", "tiers"})
TEENS = range(11, 14)
POLICIES = {
    "best_of": ("The best one counts", "2x and 1.5x make 2x."),
    "add": ("Their extras are added", "2x and 1.5x make 2.5x."),
    "multiply": ("They are multiplied", "2x and 1.5x make 3x."),
}


def sentence(
    one: Campaign,
    *,
    timezone: str,
    currency: str,
    now: datetime,
    names: Mapping[str, str] | None = None,
) -> str:
    """What a campaign does; `names` are what tiers, segments and products are called, by id.

    "Orders from 27 Nov to 30 Nov earn 2x points, for Gold members, at most 500 points a customer."
    """
    when = window(one.starts_at, one.ends_at, timezone, now)
    what = _what(one, when, currency)
    parts = [what, _scope(one, names or {}), _audience(one, names or {}), _limits(one)]
    return ", ".join(part for part in parts if part) + "."


def offer(one: Campaign, *, timezone: str, currency: str, now: datetime) -> str:
    """The sentence of a campaign for shoppers whose merchant wrote none."""
    when = f" until {last_day(one, timezone, now)}" if one.ends_at else ""
    gives = _gives(one)
    for_orders = {
        "order": f"{gives} on your orders",
        "first_order": f"{gives} on your first order",
        "nth_order": f"{gives} on your {ordinal(one.nth)} order",
        "goal_order": f"{gives} on orders of {_money(one.goal, currency)} or more",
        "goal_total": f"{gives} once you have spent {_money(one.goal, currency)}",
        "birthday": f"{gives} on your birthday",
        "account": f"{gives} for creating an account",
    }
    scope = "" if one.scope == "all" else ", for chosen products"
    return f"{for_orders[one.trigger]}{scope}{when}."


def told(one: Campaign, *, timezone: str, currency: str, now: datetime) -> str:
    """What shoppers read of a campaign; empty for one whose audience is no business of theirs."""
    if one.audience.kind not in TOLD_TO_SHOPPERS:
        return ""
    if not one.text:
        return offer(one, timezone=timezone, currency=currency, now=now)
    ends = last_day(one, timezone, now) if one.ends_at else ""
    return rules.filled(one.text, {"value": _gives(one), "ends": ends})


def window(starts_at: datetime, ends_at: datetime | None, timezone: str, now: datetime) -> str:
    """When a campaign counts: "from 27 Nov to 30 Nov", "on 5 May", "from 1 Dec, 18:00 on"."""
    start, begins = rules.day_and_time(starts_at, timezone)
    year = now.astimezone(calendar.zone(timezone)).year
    if ends_at is None:
        return f"from {_day(start, begins, year)} on"
    end, ends = rules.day_and_time(ends_at, timezone, is_end=True)
    year = year if start.year == end.year == year else 0
    if start == end and begins is ends is None:
        return f"on {_day(start, None, year)}"
    return f"from {_day(start, begins, year)} to {_day(end, ends, year)}"


def last_day(one: Campaign, timezone: str, now: datetime) -> str:
    """The last day of a campaign with an end, with the time where it is within it."""
    assert one.ends_at is not None
    end, ends = rules.day_and_time(one.ends_at, timezone, is_end=True)
    return _day(end, ends, now.astimezone(calendar.zone(timezone)).year)


def stacking(one: Stacking) -> str:
    """How multipliers go together, said in each rule: two sentences."""
    how = {
        "best_of": "Where several multipliers meet in one order, the best one counts",
        "add": "Where several multipliers meet in one order, their extras are added (2x and 1.5x "
        "make 2.5x)",
        "multiply": "Where several multipliers meet in one order, they are multiplied (2x and "
        "1.5x make 3x)",
    }[one.policy]
    cap = f", up to {one.cap}x in all" if one.cap else ""
    return f"{how}{cap}. The tier's multiplier is one of them; added points come on top."


def overlap(one: Campaign, other: Campaign, how: Stacking, timezone: str, now: datetime) -> str:
    """A warning that two campaigns can meet, and what happens then."""
    when = window(other.starts_at, other.ends_at, timezone, now)
    paused = ", which is paused" if other.state == "paused" else ""
    if one.effect == other.effect == "multiply":
        pair = sorted((Decimal(one.value), Decimal(other.value)), reverse=True)
        both = " and ".join(f"{plain(str(value))}x" for value in pair)
        together = plain(str(rules.stacked(how, pair)))
        then = {
            "best_of": f"An order in both earns the better one: {together}x",
            "add": f"In an order in both the extras are added: {both} make {together}x",
            "multiply": f"In an order in both they are multiplied: {both} make {together}x",
        }[how.policy]
    else:
        then = "What is in both earns both: added points come on top"
    return f"It overlaps with “{other.name}” ({when}{paused}). {then}."


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 11th."""
    ending = "th" if number % 100 in TEENS else ORDINALS.get(number % 10, "th")
    return f"{number}{ending}"


def plain(number: str) -> str:
    """A number without noughts at its end: 2.50 is 2.5, 100 stays."""
    known = rules.decimal(number)
    return number if known is None else f"{known.normalize():f}"


def _what(one: Campaign, when: str, currency: str) -> str:
    gives = _gives(one)
    if one.trigger == "birthday":
        return f"Birthdays {when} give {gives}"
    if one.trigger == "account":
        return f"Accounts created {when} give {gives}"
    if one.trigger == "goal_total":
        spent = _money(one.goal, currency)
        return f"Whoever spends {spent} in all {when} gets {gives}, once"
    earns = gives if one.effect == "multiply" else f"{gives} more"
    who = {
        "order": f"Orders {when} earn",
        "first_order": f"A customer's first order, if placed {when}, earns",
        "nth_order": f"A customer's {ordinal(one.nth)} order, if placed {when}, earns",
        "goal_order": f"Orders of at least {_money(one.goal, currency)} {when} earn",
    }[one.trigger]
    return f"{who} {earns}"


def _gives(one: Campaign) -> str:
    if one.effect == "multiply":
        return f"{plain(one.value)}x points"
    number = int(rules.decimal(one.value) or 0)
    return "1 point" if number == 1 else f"{number:,} points"


def _scope(one: Campaign, names: Mapping[str, str]) -> str:
    if one.scope == "all":
        return ""
    known = [names[one_id] for one_id in one.ids if one_id in names]
    if len(known) == len(one.ids) <= len(POLICIES):
        return f"on {joined(known)}"
    noun = one.scope if len(one.ids) != 1 else one.scope.removesuffix("s")
    return f"on {len(one.ids)} {noun}"


def _audience(one: Campaign, names: Mapping[str, str]) -> str:
    kind = one.audience.kind
    if kind == "everyone":
        return ""
    said = joined([names.get(name, name) for name in one.audience.names], "or")
    return {
        "tiers": f"for {said} members",
        "segments": f"for customers in {said}",
        "tags": f"for customers tagged {said}",
    }[kind]


def _limits(one: Campaign) -> str:
    said = []
    if one.cap is not None:
        said.append(f"at most {one.cap:,} points a customer")
    if one.budget is not None:
        said.append(f"{one.budget:,} points in all")
    return " and ".join(said)


def joined(names: Sequence[str], last: str = "and") -> str:
    """ "Gold", "Gold or Silver", "Gold, Silver or Bronze"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def _day(day: date, at: time | None, this_year: int) -> str:
    year = "" if day.year == this_year else f" {day.year}"
    clock = f", {at:%H:%M}" if at is not None else ""
    return f"{day.day} {day:%b}{year}{clock}"


def _money(amount: str, currency: str) -> str:
    return money.text(rules.decimal(amount) or Decimal(0), currency)
