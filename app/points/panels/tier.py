"""What shoppers see of tiers: which there are, where they stand, what is next, what keeps it."""

from collections.abc import Sequence
from typing import Any

from app.points.earning import rules as earning
from app.points.tiers.reads import MemberTier, TierRow


def offered(measure: str, rows: Sequence[TierRow]) -> list[dict[str, Any]]:
    """The tiers of a shop, the lowest first."""
    return [
        {
            "id": one.tier_id,
            "name": one.name,
            "icon": one.icon,
            "threshold": _figure(measure, one.threshold),
            "measure": measure,
            "perks": perks(one),
        }
        for one in rows
    ]


def standing(member: MemberTier | None) -> dict[str, Any] | None:
    """Where a shopper stands; None for who is in no tier."""
    if member is None or member.tier is None:
        return None
    measure = member.measure
    following, keeps = member.next, member.keeps
    return {
        "id": member.tier.tier_id,
        "name": member.tier.name,
        "icon": member.tier.icon,
        "next": following
        and {
            "name": following.name,
            "measure": measure,
            "have": _figure(measure, following.have),
            "want": _figure(measure, following.want),
        },
        "keeps": keeps
        and {
            "measure": measure,
            "until": keeps.until and keeps.until.isoformat(),
            "have": _figure(measure, keeps.have),
            "want": _figure(measure, keeps.want),
        },
        "perks": perks(member.tier),
    }


def perks(row: TierRow) -> list[str]:
    """What a tier gives, its multiplier first."""
    times = earning.rate_text(row.factor_units)
    return [*([] if times == "1" else [f"{times}x points"]), *row.perks]


def _figure(measure: str, figure: int) -> int | str:
    """Points and orders as numbers, money as text."""
    return earning.amount_text(figure) if measure == "spend" else figure
