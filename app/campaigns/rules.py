"""The pure rules of campaigns: what is a sound one, what it can become, and when two meet."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal

import msgspec

from app import calendar
from app.own_facts import Audience, Campaign, Stacking

NAME_LENGTH_MAX, TEXT_LENGTH_MAX = 80, 200
MULTIPLIER_MAX, STACKED_MAX = Decimal(10), Decimal(50)
PLACES_MAX = 2  # of a multiplier and of money
POINTS_MAX, BUDGET_MAX = 1_000_000, 1_000_000_000
NTH_MAX = 100
GOAL_MAX = Decimal(1_000_000)
IDS_MAX, NAMES_MAX, TAG_LENGTH_MAX = 100, 20, 100
WINDOW_DAYS_MAX = 3_660
LIVE_MAX = 50  # not over yet, of a shop: each order looks at all of them
CAMPAIGNS_MAX = 1_000  # of a shop, over ones and drafts too

FOR_ORDERS = frozenset({"order", "first_order", "nth_order", "goal_order"})  # that can multiply
GOALS = frozenset({"goal_order", "goal_total"})
POLICIES = ("best_of", "add", "multiply")
# what a campaign can become from what it is; one that has ended stays so
NEXT_STATES: Mapping[str, frozenset[str]] = {
    "draft": frozenset({"live", "ended"}),
    "live": frozenset({"paused", "ended"}),
    "paused": frozenset({"live", "ended"}),
    "ended": frozenset(),
}
VARIABLES = frozenset({"value", "ends"})  # of the text for shoppers
_VARIABLE = re.compile(r"\{+\s*([^{}]*?)\s*\}+")
_NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
HAS_ENDED = "This campaign has ended and stays as it is. Duplicate it to run it again."
PLAIN = "Please write plain text: it cannot hold < or >."

Shown = Literal["draft", "scheduled", "running", "paused", "ended"]


def problems(one: Campaign) -> dict[str, str]:
    """What is wrong with a campaign, by field of `Campaign`, as sentences."""
    found: dict[str, str] = {}
    _check_texts(one, found)
    _check_window(one, found)
    _check_effect(one, found)
    _check_trigger(one, found)
    _check_scope(one, found)
    _check_audience(one, found)
    _check_limits(one, found)
    return found


def without_unused(one: Campaign) -> Campaign:
    """The campaign without what its kind does not look at."""
    changed: dict[str, Any] = {}
    if one.scope == "all":
        changed["ids"] = []
    if one.trigger != "nth_order":
        changed["nth"] = 0
    if one.trigger not in GOALS:
        changed["goal"] = "0"
    if one.audience.kind == "everyone":
        changed["audience"] = Audience()
    return msgspec.structs.replace(one, **changed)


def stacking_problems(policy: str, cap: Decimal | None, *, is_capped: bool) -> dict[str, str]:
    """What is wrong with how campaigns stack; `cap` None and `is_capped` is what was no number."""
    found = {}
    if policy not in POLICIES:
        found["policy"] = "Please choose how multipliers go together."
    if is_capped and (cap is None or not 1 < cap <= STACKED_MAX):
        found["cap"] = (
            f"Please give a number above 1 and up to {STACKED_MAX}, such as 5, or leave it empty."
        )
    return found


def shown_state(one: Campaign, now: datetime) -> Shown:
    """What a campaign is at `now`: one that is live may not have begun, or be over."""
    if one.state == "draft":
        return "draft"
    if one.state == "ended" or is_over(one, now):
        return "ended"
    if one.state == "paused":
        return "paused"
    return "scheduled" if one.starts_at > now else "running"


def is_over(one: Campaign, now: datetime) -> bool:
    """Whether its window is behind us: the end itself is outside."""
    return one.ends_at is not None and one.ends_at <= now


def refusal(one: Campaign, state: str, now: datetime) -> str:
    """Why a campaign cannot become `state`, as a sentence; empty when it can."""
    if state not in NEXT_STATES[one.state]:
        return (
            HAS_ENDED
            if one.state == "ended"
            else f"A campaign that is {one.state} cannot become {state or 'that'}."
        )
    if state == "live" and is_over(one, now):
        return "Its window is over. Give it a later end first."
    return ""


def meets(one: Campaign, other: Campaign) -> bool:
    """Whether two campaigns can count for the same thing: their windows overlap, and both are for
    orders, or for the same occasion.
    """
    if one.campaign_id == other.campaign_id:
        return False
    is_before = one.ends_at is not None and one.ends_at <= other.starts_at
    is_after = other.ends_at is not None and other.ends_at <= one.starts_at
    if is_before or is_after:
        return False
    occasions = {"birthday", "account"}
    if one.trigger in occasions or other.trigger in occasions:
        return one.trigger == other.trigger
    return True


def overlapping(one: Campaign, others: Iterable[Campaign], now: datetime) -> list[Campaign]:
    """Those of `others` that are not over and meet `one`."""
    return [
        other
        for other in others
        if shown_state(other, now) in {"scheduled", "running", "paused"} and meets(one, other)
    ]


def moment(day: date, at: time | None, timezone: str, *, is_end: bool = False) -> datetime:
    """An instant from what is typed in the merchant's time zone. Without a time a start is that
    day's beginning, and an end its end. Of a time that comes twice a start takes the first and an
    end the second; one that is jumped over is as much later as the clocks jump.
    """
    if at is None:
        return calendar.start_of_day(day + timedelta(days=1 if is_end else 0), timezone)
    local = datetime.combine(day, at, calendar.zone(timezone)).replace(fold=int(is_end))
    skipped = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    if skipped and local.astimezone(UTC).astimezone(local.tzinfo).time() != at:
        local = local.replace(fold=0)  # no such time: not earlier than it
    return local.astimezone(UTC)


def day_and_time(at: datetime, timezone: str, *, is_end: bool = False) -> tuple[date, time | None]:
    """What `moment` made it from; no time where it is a day's beginning, or, an end, its end."""
    local = at.astimezone(calendar.zone(timezone))
    if calendar.start_of_day(local.date(), timezone) == at:
        return local.date() - timedelta(days=1 if is_end else 0), None
    return local.date(), local.time().replace(microsecond=0)


def variables(text: str) -> list[str]:
    """The names in braces of a text."""
    return _VARIABLE.findall(text)


def filled(text: str, values: Mapping[str, str]) -> str:
    """A checked text with its variables in place."""
    return _VARIABLE.sub(lambda found: values.get(found[1], ""), text)


def decimal(text: str) -> Decimal | None:
    """A plain number as definitions hold it, or None."""
    plain = re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,4})?", text)
    return Decimal(text) if plain else None


def stacked(stacking: Stacking, factors: Iterable[Decimal]) -> Decimal:
    """What these multipliers make together, for examples."""
    known = list(factors)
    if not known:
        return Decimal(1)
    together = Decimal(1)
    if stacking.policy == "best_of":
        together = max(known)
    elif stacking.policy == "add":
        together += sum((one - 1 for one in known), Decimal(0))
    else:
        for one in known:
            together *= one
    cap = decimal(stacking.cap)
    return together if cap is None else min(together, cap)


def _check_texts(one: Campaign, found: dict[str, str]) -> None:
    if not 1 <= len(one.name) <= NAME_LENGTH_MAX:
        found["name"] = f"Please give a name of at most {NAME_LENGTH_MAX} characters."
    elif "<" in one.name or ">" in one.name:
        found["name"] = PLAIN
    if len(one.text) > TEXT_LENGTH_MAX:
        found["text"] = f"Please use at most {TEXT_LENGTH_MAX} characters."
    elif "<" in one.text or ">" in one.text:
        found["text"] = PLAIN
    elif unknown := [name for name in variables(one.text) if name not in VARIABLES]:
        found["text"] = (
            f"There is nothing called {{{unknown[0]}}}. You can use {{value}}, what it gives, and "
            "{ends}, its last day."
        )
    elif "{ends}" in one.text.replace(" ", "") and one.ends_at is None:
        found["text"] = "This campaign has no end that {ends} could say."


def _check_window(one: Campaign, found: dict[str, str]) -> None:
    if one.ends_at is None:
        return
    if one.ends_at <= one.starts_at:
        found["ends_at"] = "The end is not after the start. Please give a later end."
    elif one.ends_at - one.starts_at > timedelta(days=WINDOW_DAYS_MAX):
        found["ends_at"] = "That is more than ten years. Leave the end empty for no end."


def _check_effect(one: Campaign, found: dict[str, str]) -> None:
    value = decimal(one.value)
    if one.effect == "multiply":
        if one.trigger not in FOR_ORDERS:
            found["effect"] = (
                "There is no single order to multiply here. Please add points instead."
            )
        elif value is None or not 1 < value <= MULTIPLIER_MAX or _places(value) > PLACES_MAX:
            found["value"] = (
                f"Please give a multiplier above 1 and up to {MULTIPLIER_MAX}, such as 2 or 1.5: "
                "50 % more is 1.5."
            )
    elif value is None or _places(value) or not 1 <= value <= POINTS_MAX:
        found["value"] = f"Please give whole points, from 1 to {POINTS_MAX:,}."


def _check_trigger(one: Campaign, found: dict[str, str]) -> None:
    if one.trigger == "nth_order" and not 2 <= one.nth <= NTH_MAX:  # noqa: PLR2004 - the second
        found["nth"] = f"Please give which order earns it, from 2 to {NTH_MAX}."
    if one.trigger in GOALS:
        goal = decimal(one.goal)
        if goal is None or not 0 < goal <= GOAL_MAX or _places(goal) > PLACES_MAX:
            found["goal"] = f"Please give an amount above 0 and up to {GOAL_MAX:,}."


def _check_scope(one: Campaign, found: dict[str, str]) -> None:
    if one.scope == "all":
        return
    if one.trigger in {"birthday", "account"}:
        found["scope"] = "There is no order here whose products could count."
    elif not 1 <= len(one.ids) <= IDS_MAX:
        found["ids"] = f"Please give 1 to {IDS_MAX} {one.scope}, each by its number or address."
    elif wrong := [one_id for one_id in one.ids if not _NUMBER.fullmatch(one_id)]:
        found["ids"] = f"“{wrong[0][:40]}” is no number of a product or collection in Shopify."


def _check_audience(one: Campaign, found: dict[str, str]) -> None:
    kind, names = one.audience.kind, one.audience.names
    if kind == "everyone":
        return
    if not 1 <= len(names) <= NAMES_MAX:
        found["audience"] = f"Please name 1 to {NAMES_MAX} {kind}, with commas between."
    elif any(not name or len(name) > TAG_LENGTH_MAX or set(name) & set("<>") for name in names):
        found["audience"] = f"Please give plain names of at most {TAG_LENGTH_MAX} characters."


def _check_limits(one: Campaign, found: dict[str, str]) -> None:
    if one.cap is not None and not 1 <= one.cap <= BUDGET_MAX:
        found["cap"] = f"Please give whole points, from 1 to {BUDGET_MAX:,}, or leave it empty."
    if one.budget is not None and not 1 <= one.budget <= BUDGET_MAX:
        found["budget"] = f"Please give whole points, from 1 to {BUDGET_MAX:,}, or leave it empty."
    if not found.keys() & {"cap", "budget"} and (one.cap or 0) > (one.budget or BUDGET_MAX):
        found["cap"] = "One customer would get more than the budget of all. Give less."


def _places(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
