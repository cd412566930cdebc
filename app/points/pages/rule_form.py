"""The form of the rules: its words, what it shows, what is wrong with what was typed, and what an
order would earn by it.
"""

import re
from collections.abc import Mapping
from decimal import Decimal

from app.points.earning import actions as earning
from app.points.earning import rules
from app.points.views import Program
from app.web import examples, forms, wording
from app.web.examples import counted

EXAMPLE_ORDER = Decimal("49.90")
FIELDS = {
    "rate": "Points for each unit spent",
    "rounding": "When it is not a whole number",
    "pending_days": "Hold points back for, days",
    "expiry_days": "Points expire after, days",
    "clawback": "When an order is refunded",
    "returns": "When something comes back",
}
ROUNDINGS = {"down": "Round down", "nearest": "Round to the nearest", "up": "Round up"}
# explained with one customer: an order earned 50 points, 40 of them were spent, then the order was
# refunded
TAKEN_BACK = {
    "pending_only": "what of its points is still held back is taken back, and no more",
    "within_balance": "its points are taken back, as far as the customer still has them",
    "debt": "all its points are taken back, and what is missing is owed",
}
RETURNS = {
    "goods": "The goods, whatever was paid back",
    "money": "The money: a fee you keep still earns",
}
CLAWBACKS = {
    "pending_only": (
        "Only points still held back",
        (
            "Released points stay with the customer. Example: the 50 points were released already, "
            "so nothing is taken."
        ),
    ),
    "within_balance": (
        "As much as the customer still has",
        (
            "Never below zero. Example: 10 of the 50 points are left, so 10 are taken and 40 are "
            "forgiven."
        ),
    ),
    "debt": (
        "Everything, if need be as a debt",
        (
            "What is missing is owed and paid by the next points earned. Example: 10 are "
            "taken, and 40 are owed."
        ),
    ),
}


def typed(program: Program) -> dict[str, str]:
    """The rules as the form shows them."""
    return {
        "rate": f"{program.rate.normalize():f}",
        "rounding": program.rounding,
        "pending_days": str(program.pending_days),
        "expiry_days": "" if program.expiry_days is None else str(program.expiry_days),
        "clawback": program.clawback,
        "version": str(program.version),
        "returns": program.returns,
    }


def problems(values: Mapping[str, str], locale: str) -> dict[str, str]:
    found = {}
    rate = forms.decimal(values.get("rate", ""), places_max=4, locale=locale)
    if rate is None or not 0 < rate <= earning.RATE_MAX:
        found["rate"] = (
            f"Please give a number above 0 and up to {earning.RATE_MAX:,}, with at most four "
            f"decimals, such as 1 or {forms.written('2.5', locale)}."
        )
    for name in ("pending_days", "expiry_days"):
        if (
            not re.fullmatch(r"[0-9]{0,4}", values.get(name, "?"))
            or int(values[name] or 0) > earning.DAYS_MAX
        ):
            found[name] = (
                f"Please give whole days, at most {earning.DAYS_MAX:,}, or leave it empty."
            )
    if values.get("expiry_days") in {"0", "00"}:
        found["expiry_days"] = (
            "Points that expire at once would be worth nothing. Leave it empty for never."
        )
    if values.get("rounding") not in ROUNDINGS:
        found["rounding"] = "Please choose how to round."
    if values.get("clawback") not in CLAWBACKS:
        found["clawback"] = "Please choose what happens on a refund."
    if values.get("returns", "goods") not in RETURNS:
        found["returns"] = "Please choose what a return counts by."
    return found


def example_of(program: Program | None) -> str:
    """What the example order earns under these rules; empty when they are not known."""
    return "" if program is None else example_sentence(typed(program), program.currency)


def sentences(values: Mapping[str, str], currency: str, locale: str = "") -> list[str]:
    """What the rules that are being typed come to, or what is missing."""
    rest = {"returns": "goods", **values}
    example = example_sentence(values, currency, locale)
    found = problems(rest, locale)
    if "rate" in found or "rounding" in found:
        return [example]
    if missing := examples.missing(found.values()):
        return [example, *missing]
    pending, expiry = int(values["pending_days"] or 0), values["expiry_days"]
    begin = f"{counted(pending, 'day')} after the order" if pending else "at once"
    end = f"expire {counted(int(expiry), 'day')} later" if expiry else "never expire"
    return [
        example,
        f"They can be spent {begin}, and {end}.",
        f"When the order is refunded, {TAKEN_BACK[values['clawback']]}.",
    ]


def example_sentence(values: Mapping[str, str], currency: str, locale: str = "") -> str:
    rate = forms.decimal(values.get("rate", ""), places_max=4, locale=locale)
    rounding = values.get("rounding", "")
    if rate is None or not 0 < rate <= earning.RATE_MAX or rounding not in ROUNDINGS:
        return "Give a rate to see what an order would earn."
    base = (rules.micros(str(EXAMPLE_ORDER)), 1)
    points = rules.points_for(base, rules.rate_units(rate), rounding)
    return f"An order of {wording.money(EXAMPLE_ORDER, currency)} earns {points:,} points."
