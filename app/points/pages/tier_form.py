"""The form of tiers: its words, what it shows, and the settings that were typed."""

import re
import secrets
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from app import money
from app.points.earning import rules as earning
from app.points.tiers import actions, rules
from app.points.tiers.reads import TierRow, Tiers
from app.points.tiers.rules import Scheme, Tier
from app.web import forms

NEW = "new"  # the row of a tier that is being added
MEASURES = {"points": "Points earned", "spend": "Money spent", "orders": "Orders placed"}
PERIODS = {
    "year": "In a calendar year",
    "rolling": "A rolling period",
    "forever": "In all, for ever",
}
POLICIES = {
    "cycle": (
        "At the end of the next period",
        (
            "What a year reached is kept through the year after it. With a rolling period: for "
            "as many days after it was last deserved."
        ),
    ),
    "one": (
        "One tier down each period",
        "As above, but nobody falls further than one tier at a time.",
    ),
    "balance": (
        "As soon as it is not deserved",
        "When the year ends, or orders leave the rolling period.",
    ),
    "never": ("Never by time", "Once reached, a tier stays; only a refund takes it."),
}
# what shops begin with that have no figures yet: everybody, a regular, a few
START = {
    "points": (0, 500, 1_500),
    "spend": (0, 250 * earning.MICROS, 750 * earning.MICROS),
    "orders": (0, 3, 8),
}
START_TIERS = (("bronze", "Bronze", "1"), ("silver", "Silver", "1.25"), ("gold", "Gold", "1.5"))


def started(tiers: Tiers) -> list[TierRow]:
    """The tiers of a shop, or the three that are a good start."""
    if tiers.tiers:
        return tiers.tiers
    thresholds = START[tiers.measure]
    return [
        TierRow(tier_id, name, "", threshold, int(Decimal(factor) * rules.FACTOR_ONE), [], "")
        for (tier_id, name, factor), threshold in zip(START_TIERS, thresholds, strict=True)
    ]


def typed(tiers: Tiers, locale: str) -> dict[str, str]:
    """The settings as the form shows them."""
    values = {
        "measure": tiers.measure,
        "period": tiers.period,
        "days": str(tiers.days),
        "policy": tiers.policy,
        "grace_days": str(tiers.grace_days),
        "version": str(tiers.version),
    }
    for one in started(tiers):
        values[f"name-{one.tier_id}"] = one.name
        threshold = written(tiers.measure, one.threshold)
        values[f"threshold-{one.tier_id}"] = forms.written(threshold, locale)
        factor = earning.rate_text(one.factor_units)
        values[f"factor-{one.tier_id}"] = forms.written(factor, locale)
    values[f"factor-{NEW}"] = "1"
    return values


def written(measure: str, threshold: int) -> str:
    """A threshold as it is typed."""
    if measure != "spend":
        return str(threshold)
    return earning.amount_text(threshold, 0)


def tier(row: TierRow) -> Tier:
    """A tier as the settings have it."""
    return Tier(
        row.tier_id,
        row.name,
        row.threshold,
        row.factor_units,
        row.perks,
        row.reward_id,
        row.icon,
    )


def words(measure: str, threshold: int, currency: str) -> str:
    """A threshold as it is read: "500 points", "250.00 USD spent", "3 orders"."""
    if measure == "spend":
        return f"{money.text(Decimal(earning.amount_text(threshold)), currency)} spent"
    one = {"points": "point", "orders": "order"}[measure]
    return f"{threshold:,} {one}" if threshold == 1 else f"{threshold:,} {one}s"


def scheme(tiers: Tiers, values: Mapping[str, str], locale: str) -> tuple[Scheme, dict[str, str]]:
    """The settings that were typed, as far as they can be read, and what is wrong by field."""
    problems: dict[str, str] = {}
    measure = values.get("measure", tiers.measure)
    rows = [(one.tier_id, one) for one in started(tiers)]
    found = [_tier(tier_id, values, measure, locale, problems, one) for tier_id, one in rows]
    if values.get(f"name-{NEW}") or values.get(f"threshold-{NEW}"):
        fresh = _tier(NEW, values, measure, locale, problems, None)
        # where it belongs by what it asks for
        found.insert(sum(one.threshold < fresh.threshold for one in found), fresh)
    period = values.get("period", tiers.period)
    raw: dict[str, Any] = {
        "measure": measure,
        "period": period,
        "days": _whole(values, "days", actions.DAYS_MAX) if period == "rolling" else 365,
        "policy": values.get("policy", tiers.policy),
        "grace_days": _whole(values, "grace_days", actions.GRACE_DAYS_MAX),
        "tiers": found,
    }
    settings = Scheme(**raw)
    return settings, {**actions.problems(settings), **problems}


def saved(settings: Scheme) -> Scheme:
    """The settings with an id for the tier that is new."""
    return msgspec.structs.replace(
        settings,
        tiers=[
            msgspec.structs.replace(one, tier_id=secrets.token_hex(4))
            if one.tier_id == NEW
            else one
            for one in settings.tiers
        ],
    )


def _tier(
    tier_id: str,
    values: Mapping[str, str],
    measure: str,
    locale: str,
    problems: dict[str, str],
    row: TierRow | None,
) -> Tier:
    name, typed_threshold = f"name-{tier_id}", values.get(f"threshold-{tier_id}", "")
    threshold = _threshold(typed_threshold, measure, locale)
    if threshold is None:
        example = "249.90" if measure == "spend" else "500"
        problems[f"threshold-{tier_id}"] = (
            f"Please give a number, such as {forms.written(example, locale)}."
        )
    factor = forms.decimal(values.get(f"factor-{tier_id}", ""), places_max=4, locale=locale)
    if factor is None:
        problems[f"factor-{tier_id}"] = (
            f"Please give a multiplier from 1 to 10, such as {forms.written('1.5', locale)}."
        )
    return Tier(
        tier_id,
        values.get(name, ""),
        threshold or 0,
        earning.rate_units(factor) if factor is not None else rules.FACTOR_ONE,
        row.perks if row else [],
        row.reward_id if row else "",
        row.icon if row else "",
    )


def _threshold(typed_value: str, measure: str, locale: str) -> int | None:
    if measure != "spend":
        plain = re.sub(r"[ ,.\u00a0\u202f]", "", typed_value) if "-" not in typed_value else ""
        return forms.whole(plain, actions.THRESHOLD_MAX)
    amount = forms.decimal(typed_value, places_max=2, locale=locale)
    return None if amount is None else int(amount * earning.MICROS)


def _whole(values: Mapping[str, str], name: str, most: int) -> int:
    """A number of days; -1 for what is none, which the check of the settings says."""
    found = forms.whole(values.get(name, "") or "0", most)
    return -1 if found is None else found
