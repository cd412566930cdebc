"""The form of a campaign: what it shows, how it is read, and what is wrong with what was typed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any, cast

from app import text
from app.campaigns import rules
from app.campaigns.views import Known
from app.own_facts import Audience, Campaign
from app.web import forms

FIELDS = {
    "name": "Name",
    "text": "What shoppers read",
    "starts_day": "First day",
    "starts_time": "From",
    "ends_day": "Last day",
    "ends_time": "Until",
    "trigger": "What it is for",
    "effect": "What it gives",
    "value": "How much",
    "scope": "Which products count",
    "ids": "Products or collections",
    "nth": "Which order",
    "goal": "To be spent",
    "audience": "For whom",
    "audience_names": "Tiers, segments or tags",
    "cap": "At most a customer",
    "budget": "At most in all",
}
TRIGGERS = {
    "order": "Orders",
    "first_order": "A customer's first order that earns points",
    "nth_order": "A customer's second, third … order",
    "goal_order": "Orders of at least an amount",
    "goal_total": "Spending an amount in all, over several orders",
    "birthday": "Birthdays",
    "account": "Creating an account",
}
EFFECTS = {
    "multiply": ("Multiply", "The points of what it is for, such as 2 for double points."),
    "add": ("Add", "So many points more, whatever else is earned."),
}
SCOPES = {"all": "All products", "products": "These products", "collections": "These collections"}
AUDIENCES = {
    "everyone": "Everyone",
    "tiers": "Members of these tiers",
    "segments": "Customers in these segments",
    "tags": "Customers with these tags",
}
NUMBERS = frozenset({"value", "goal"})  # that a locale may write with a comma
# what stands at another field of the form than of a campaign
SHOWN_AT = {"starts_at": "starts_day", "ends_at": "ends_day", "audience": "audience_names"}
YEARS = range(2_000, 2_101)
_TIME = re.compile(r"([01]?[0-9]|2[0-3])[:.]([0-5][0-9])", re.ASCII)
_IN_ADDRESS = re.compile(r"(?:products|collections|Product|Collection)/([0-9]+)", re.ASCII)
NO_SEGMENTS = (
    "This shop has no segments yet, so nobody is in one: the campaign gives nothing until they are "
    "there. Tags of customers can be used now."
)
WAYS = {
    "birthday": "It gives nothing while birthdays are switched off on the page Ways to earn.",
    "account": "It gives nothing while new accounts are switched off on the page Ways to earn.",
}
NO_TIERS = "Tiers cannot be read at this moment. Please try again in a minute."
EMPTY = {
    **dict.fromkeys(FIELDS, ""),
    "trigger": "order",
    "effect": "multiply",
    "value": "2",
    "scope": "all",
    "audience": "everyone",
}


@dataclass(frozen=True, slots=True)
class Read:
    """A form as a campaign, and what is wrong with it by field; only one without problems may be
    saved. `labels` are the names of its tiers by id.
    """

    campaign: Campaign
    problems: dict[str, str]
    labels: dict[str, str] = field(default_factory=dict)


def typed(one: Campaign, timezone: str, names: Mapping[str, str], locale: str) -> dict[str, str]:
    """A campaign as the form shows it."""
    starts, begins = rules.day_and_time(one.starts_at, timezone)
    ends, stops = (
        rules.day_and_time(one.ends_at, timezone, is_end=True) if one.ends_at else (None, None)
    )
    return {
        "name": one.name,
        "text": one.text,
        "starts_day": starts.isoformat(),
        "starts_time": f"{begins:%H:%M}" if begins else "",
        "ends_day": ends.isoformat() if ends else "",
        "ends_time": f"{stops:%H:%M}" if stops else "",
        "trigger": one.trigger,
        "effect": one.effect,
        "value": forms.written(one.value, locale),
        "scope": one.scope,
        "ids": ", ".join(one.ids),
        "nth": str(one.nth or ""),
        "goal": "" if one.goal == "0" else forms.written(one.goal, locale),
        "audience": one.audience.kind,
        "audience_names": ", ".join(names.get(name, name) for name in one.audience.names),
        "cap": str(one.cap or ""),
        "budget": str(one.budget or ""),
        "version": str(one.version),
    }


def read(values: Mapping[str, str], timezone: str, known: Known, locale: str) -> Read:
    """What the form says; `known` are the tiers and segments there are, as far as anybody knows."""
    found: dict[str, str] = {}
    kind = _chosen(values, "audience", AUDIENCES, found)
    names, labels = _names(values, kind, known, found)
    one = Campaign(
        campaign_id="",
        version=0,
        name=text.clean(values.get("name", ""), rules.NAME_LENGTH_MAX + 1),
        state="draft",
        starts_at=_moment(values, "starts", timezone, found) or datetime.now(UTC),
        ends_at=_moment(values, "ends", timezone, found),
        trigger=cast("Any", _chosen(values, "trigger", TRIGGERS, found)),
        effect=cast("Any", _chosen(values, "effect", EFFECTS, found)),
        value=_number(values.get("value", ""), locale),
        scope=cast("Any", _chosen(values, "scope", SCOPES, found)),
        ids=_ids(values.get("ids", "")),
        nth=forms.whole(values.get("nth", ""), 10**6) or 0,
        goal=_number(values.get("goal", ""), locale) or "0",
        audience=Audience(cast("Any", kind), names),
        cap=_limit(values, "cap"),
        budget=_limit(values, "budget"),
        text=text.clean(values.get("text", ""), rules.TEXT_LENGTH_MAX + 1),
    )
    one = rules.without_unused(one)
    if gone := _gone(one, known):
        found["ids"] = f"{gone} Please take it out, or choose another one."
    wrong = {SHOWN_AT.get(name, name): said for name, said in rules.problems(one).items()}
    return Read(one, wrong | found, labels)


def warnings(one: Campaign, known: Known) -> list[str]:
    """What the campaign names and nobody knows (any more): it would give nothing for it."""
    if one.audience.kind == "tiers" and known.tiers is not None:
        gone = [name for name in one.audience.names if name not in known.tiers]
        if gone:
            return ["A tier it names is gone: nobody gets anything for it. Choose another one."]
    found = []
    if one.audience.kind == "segments":
        found += _segment_warnings(one.audience.names, known)
    if lost := _gone(one, known):
        found.append(f"{lost} It gives nothing for that.")
    if one.trigger in WAYS and known.ways is not None and one.trigger not in known.ways:
        found.append(WAYS[one.trigger])
    return found


def things(values: Mapping[str, str]) -> tuple[str, list[str]]:
    """The scope of a form and the ids it names, to ask which of them are there."""
    scope = values.get("scope", EMPTY["scope"])
    is_named = scope in SCOPES and scope != "all"
    return (scope, _ids(values.get("ids", ""))[: rules.IDS_MAX]) if is_named else ("all", [])


def _gone(one: Campaign, known: Known) -> str:
    """Which product or collection is not there, as a sentence; empty when all are."""
    if one.scope == "all" or known.products is None:
        return ""
    gone = [one_id for one_id in one.ids if one_id.isdigit() and one_id not in known.products]
    noun = one.scope.removesuffix("s").capitalize()
    return f"{noun} {gone[0][:40]} is not in this shop (any more)." if gone else ""


def _segment_warnings(names: Sequence[str], known: Known) -> list[str]:
    if known.segments is None:  # nobody can say
        return []
    if not known.segments:
        return [NO_SEGMENTS]
    there = {text.fold(name) for name in (*known.segments, *known.segments.values())}
    gone = [name for name in names if text.fold(name) not in there]
    return [f"Nobody is in a segment called “{gone[0]}” at this moment."] if gone else []


def _there(tiers: Mapping[str, str]) -> str:
    if not tiers:
        return "This shop has none yet: set them up on the page Tiers first."
    return f"There are: {', '.join(tiers.values())}."


def _chosen(
    values: Mapping[str, str], name: str, options: Mapping[str, Any], found: dict[str, str]
) -> str:
    chosen = values.get(name, EMPTY[name])
    if chosen in options:
        return chosen
    found[name] = "Please choose one of these."
    return EMPTY[name]


def _moment(
    values: Mapping[str, str], name: str, timezone: str, found: dict[str, str]
) -> datetime | None:
    """The start or the end; None for none, or for what is no day."""
    is_end = name == "ends"
    day, at = values.get(f"{name}_day", ""), values.get(f"{name}_time", "")
    if not day and is_end:
        if at:
            found["ends_day"] = "Please give the day, too, or leave both empty for no end."
        return None
    try:
        parsed = date.fromisoformat(day)
    except ValueError:
        parsed = date.min
    if parsed.year not in YEARS:
        found[f"{name}_day"] = "Please give a day, such as 2026-11-27."
        return None
    clock = _TIME.fullmatch(at)
    if at and not clock:
        found[f"{name}_time"] = "Please give a time such as 18:00, or leave it empty."
        return None
    hour = time(int(clock[1]), int(clock[2])) if clock else None
    return rules.moment(parsed, hour, timezone, is_end=is_end)


def _number(given: str, locale: str) -> str:
    number = forms.decimal(given, places_max=4, locale=locale)
    return "" if number is None else f"{number.normalize():f}"


def _limit(values: Mapping[str, str], name: str) -> int | None:
    """A number of points; none where the field is empty, 0 (which is a problem) for no number."""
    if not values.get(name, ""):
        return None
    return forms.whole(values[name], rules.BUDGET_MAX) or 0


def _ids(given: str) -> list[str]:
    """Numbers of products or collections, also as they stand in addresses and global ids."""
    parts = [part for part in re.split(r"[\s,;]+", given) if part]
    numbers = [found[1] if (found := _IN_ADDRESS.search(part)) else part for part in parts]
    return list(dict.fromkeys(numbers))


def _names(
    values: Mapping[str, str], kind: str, known: Known, found: dict[str, str]
) -> tuple[list[str], dict[str, str]]:
    """The names in the field; of tiers their ids, with what those are called."""
    given = [text.clean(part, 255).strip() for part in values.get("audience_names", "").split(",")]
    names = list(dict.fromkeys(part for part in given if part))
    if kind == "segments" and known.segments:  # by its own name, however it was typed
        there = {text.fold(name): name for name in known.segments}
        return list(dict.fromkeys(there.get(text.fold(name), name) for name in names)), {}
    if kind != "tiers":
        return names, {}
    tiers = known.tiers
    if tiers is None:
        found["audience_names"] = NO_TIERS
        return names, {}
    by_name = {text.fold(name): one_id for one_id, name in tiers.items()}
    ids = [name if name in tiers else by_name.get(text.fold(name), "") for name in names]
    if "" in ids:
        missing = names[ids.index("")]
        found["audience_names"] = f"There is no tier called “{missing[:40]}”. {_there(tiers)}"
    chosen = [one_id for one_id in ids if one_id]
    return chosen, {one_id: tiers[one_id] for one_id in chosen}
