"""Which campaigns counted for an order and which did not, in sentences made from a row's why."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

FACTOR_UNITS = 10_000
REASONS = {
    "early": "it had not started when the order was placed",
    "late": "it was over when the order was placed",
    "paused": "it was paused when the order was placed",
    "tiers": "it is for other tiers than the customer's at that time",
    "segments": "the customer was in none of its segments at that time",
    "tags": "the customer had none of its tags at that time",
    "products": "none of its products was in the order",
    "collections": "nothing of its collections was in the order",
    "not_first": "it was not the customer's first order",
    "not_nth": "it is for another of the customer's orders",
    "goal": "its goal was not reached",
    "goal_reached": "its goal had been reached by an earlier order",
    "used_up": "its budget, or what one customer gets from it, was used up",
    "beaten": "another one gives as much or more, and the best one counts",
}
UNKNOWN = "A campaign"
OUTSIDE = {
    "tag": "Orders with one of its tags earn nothing.",
    "channel": "Orders of its sales channel earn nothing.",
    "b2b": "Orders of companies earn nothing.",
}


def counted(why: Mapping[str, Any]) -> str:
    """What bonuses added to an order's points, and how much it earned without them."""
    text = ""
    if why.get("with_shipping") or why.get("with_taxes"):
        included = [
            word
            for word, key in (("shipping", "with_shipping"), ("taxes", "with_taxes"))
            if why.get(key)
        ]
        text += f" {' and '.join(included).capitalize()} included."
    if why.get("subscription_rate"):
        text += f" Subscriptions earn {why['subscription_rate']} a unit."
    if why.get("lines_out"):
        lines = why["lines_out"]
        text += f" {_lines(lines)} of it {'earns' if lines == 1 else 'earn'} nothing by the rules."
    if found := why.get("bonuses"):
        text += f" Without bonuses it earns {why['base_points']:,}."
        text += "".join(f" {_bonus(*one)}" for one in found)
    return text


def copies(why: Mapping[str, Any]) -> list[int]:
    """Of campaigns that did not count, by number; rows of earlier releases name them."""
    return [copy for of_reason in _by_reason(why).values() for copy in of_reason]


def named(why: dict[str, Any], campaigns: Mapping[int, str]) -> dict[str, Any]:
    """`why` with the names of these copies."""
    found = _by_reason(why)
    by_copy = sorted((copy, key) for key, of_reason in found.items() for copy in of_reason)
    names = [(campaigns.get(copy, UNKNOWN), key) for copy, key in by_copy]
    return why | {"not_counted": names} if names else why


def _by_reason(why: Mapping[str, Any]) -> dict[str, list[int]]:
    found = why.get("not_counted")
    return found if isinstance(found, dict) else {}


def reasons(why: Mapping[str, Any]) -> str:
    """Campaigns that did not count, each with the reason; and of when they were known, where their
    part was away.
    """
    text = "".join(
        f" “{name}” does not count: {REASONS.get(key, key)}."
        for name, key in why.get("not_counted", ())
    )
    if more := why.get("not_counted_more"):
        text += f" Nor do {more:,} more."
    return text + away(why)


def away(why: Mapping[str, Any]) -> str:
    """Of when the campaigns are that counted, where their part was away."""
    if "campaigns_as_of" not in why:
        return ""
    at = datetime.fromisoformat(why["campaigns_as_of"]).astimezone(UTC)
    return (
        " The campaigns part was away: what it had told last, on "
        f"{at.day} {at:%B %Y at %H:%M} UTC, counted."
    )


def taken(why: Mapping[str, Any]) -> str:
    """What of points taken back had been bonuses."""
    found: Sequence[Sequence[Any]] = why.get("bonuses", ())
    parts = [f"{points:,} of “{name}”" for name, _, _, points, *_ in found if points > 0]
    return f" Among them {', '.join(parts)}." if parts else ""


def _bonus(name: str, effect: str, units: int, points: int, limited: str = "") -> str:
    how = f"{units:,} to add" if effect == "add" else f"{factor(units)} times"
    if effect == "tier":
        how = f"tier, {how}"
    if points < 0:
        return f"“{name}” ({how}) gave up {-points:,} for a better one."
    left = ": its budget, or what one customer gets from it, left no more" if limited else ""
    return f"“{name}” ({how}) gives {points:,} more{left}."


def factor(units: int) -> str:
    """15_000 → "1.5"."""
    whole, fraction = divmod(units, FACTOR_UNITS)
    return f"{whole}.{fraction:04d}".rstrip("0").rstrip(".")


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count:,} lines"
