"""A shop's rewards as shoppers see them: what each gives and for whom, and whether this shopper can
have it now.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from app.points.rewards import rules
from app.points.rewards.rules import Details
from app.points.views import RewardView


def shelf(
    rewards: Sequence[RewardView], currency: str, now: datetime, tiers: Mapping[str, str]
) -> list[dict[str, Any]]:
    """What can be had now, the same for all shoppers; `tiers` are their names by id."""
    return [
        {
            "id": one.id,
            "title": one.title,
            "kind": one.kind,
            "text": one.details.text,
            "icon": one.details.icon,
            "cost": one.cost,
            "amount_off": str(one.amount_off),
            "percent_off": one.details.percent or None,
            "currency": currency,
            "conditions": {
                **conditions(one.details),
                "code_days": one.details.code_days,
                "per_customer": one.details.per_customer,
                "left": one.details.per_customer,
                "tiers": [tiers[each] for each in one.details.tiers if each in tiers],
                "ends_at": one.details.ends_at,
            },
            "choose": _choose(one.details),
            "can_redeem": False,
            "why_not": "Please sign in to use your points.",
            "for": {"tiers": one.details.tiers, "segments": one.details.segments},
        }
        for one in rewards
        if not rules.closed(one.details, now)
    ]


def conditions(details: Details) -> dict[str, Any]:
    """What a code asks of the order it is used for."""
    return {
        "minimum_subtotal": details.minimum or None,
        "is_limited_to_products": bool(details.products or details.collections),
        "needs_purchase": bool(details.bought),
        "combines_with": details.combines_with,
    }


def to_shopper(
    offered: Sequence[Mapping[str, Any]],
    available: int | None,
    had: Mapping[str, int],
    belongs: Mapping[str, Sequence[str]] | None,
) -> list[dict[str, Any]]:
    """The shelf for one shopper: how many points they have (None: not known), how often they had
    each reward, and the tiers and segments they are in. Without a shopper: as it is.
    """
    return [_for(one, available, had, belongs) for one in offered]


def _for(
    one: Mapping[str, Any],
    available: int | None,
    had: Mapping[str, int],
    belongs: Mapping[str, Sequence[str]] | None,
) -> dict[str, Any]:
    told = {name: value for name, value in one.items() if name != "for"}
    if belongs is None:
        return told
    most = one["conditions"]["per_customer"]
    left = None if most is None else max(0, most - had.get(one["id"], 0))
    told["conditions"] = {**one["conditions"], "left": left}
    why = _why_not(one, available, left, belongs)
    return {**told, "can_redeem": not why, "why_not": why or None}


def _why_not(
    one: Mapping[str, Any],
    available: int | None,
    left: int | None,
    belongs: Mapping[str, Sequence[str]],
) -> str:
    ends_at = one["conditions"]["ends_at"]
    if isinstance(ends_at, str):  # from the cache
        ends_at = datetime.fromisoformat(ends_at)
    if ends_at is not None and ends_at <= datetime.now(UTC):
        return "This reward is over."
    for name, wanted in one["for"].items():
        if wanted and not set(wanted) & set(belongs.get(name, ())):
            names = one["conditions"]["tiers"]
            return (
                f"For {' and '.join(names)}." if name == "tiers" and names else "Not for you yet."
            )
    if left == 0:
        return "You have had this reward."
    if available is None:
        return "Your points are not known just now."
    least = one["choose"]["least"] if one["choose"] else one["cost"]
    if available < least:
        missing = least - available
        return f"{missing:,} more {'point' if missing == 1 else 'points'} to go."
    return ""


def _choose(details: Details) -> dict[str, Any] | None:
    choose = details.choose
    if choose is None:
        return None
    return {
        "least": choose.least,
        "most": choose.most,
        "step": choose.step,
        "points_per_unit": choose.points_per_unit,
        "unit_amount": choose.unit,
    }
