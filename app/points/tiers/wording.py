"""Tiers in words: what is measured, over which time, and why somebody came into another tier."""

from app.points.earning import rules as earning
from app.points.tiers.rules import Placed, Scheme

MEASURES = {"points": "points", "spend": "spent", "orders": "orders"}
UNKNOWN_REASON = {
    "settings": "The tiers were changed",
    "merge": "Two customers were merged",
    "repair": "The points were repaired",
}


def amount(measure: str, figure: int, currency: str = "") -> str:
    """So much of a measure: "520 points", "1 order", "249.90 EUR"."""
    if measure == "spend":
        whole = earning.amount_text(figure)
        return f"{whole} {currency}".strip()
    one = {"points": "point", "orders": "order"}[measure]
    return f"{figure:,} {one}" if figure == 1 else f"{figure:,} {one}s"


def period(scheme: Scheme) -> str:
    """When what is counted must have been bought."""
    return {
        "year": "in a calendar year",
        "rolling": f"in the last {scheme.days:,} days",
        "forever": "in all",
    }[scheme.period]


def why(scheme: Scheme, placed: Placed, kind: str, what: str, *, is_up: bool) -> str:
    """A plain sentence about a change; `what` is the order or refund it came with."""
    have = amount(scheme.measure, placed.have)
    if scheme.measure == "spend":
        have += " spent"
    figure = f"{have} {period(scheme)}"
    if kind == "time":
        return f"The time for which it was kept is over: {figure}."
    if kind in UNKNOWN_REASON:
        return f"{UNKNOWN_REASON[kind]}: {figure}."
    if is_up:
        return f"{what} reached it: {figure}."
    return f"{what} came back: {figure}."


def counted(scheme: Scheme) -> str:
    """By what tiers are reached: "By points in a calendar year"."""
    by = {"points": "points", "spend": "money spent", "orders": "orders"}[scheme.measure]
    return f"By {by} {period(scheme)}"


def lost(scheme: Scheme) -> str:
    """How tiers are lost, in a few words."""
    how = {
        "cycle": "At the end of the next period",
        "one": "One tier down each period",
        "balance": "As soon as it is not deserved",
        "never": "Never by time",
    }[scheme.policy]
    if scheme.grace_days and scheme.policy != "never":
        how += f", {scheme.grace_days} days of grace"
    return how
