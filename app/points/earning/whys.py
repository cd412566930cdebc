"""What a movement of a grant records of its reason: figures and names, for a sentence later."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from app import money
from app.points.earning import rules, standing
from app.points.earning.known import Stage
from app.points.earning.multiplying import TIER
from app.points.earning.rules import Amount, Back, Frozen, Known
from app.points.earning.worth import Worth
from app.points.facts import Cause

NAMED_MAX = 5  # lines of an order in one sentence
REASONS_MAX = 20  # campaigns that do not count; of more their number
_encode = msgspec.json.Encoder(order="deterministic").encode


class Granted(Protocol):
    """What of a grant its reasons name."""

    name: str
    order_id: str
    outcome: str  # so far
    points: int
    reversed_points: int
    known: Known
    frozen: Frozen | None
    reasons: list[tuple[int, str]]
    not_counted: dict[str, Any] | None


def earned(grant: Granted, reached: Worth, pending_until: datetime | None) -> dict[str, Any]:
    frozen, known = grant.frozen, grant.known
    assert frozen is not None
    why = {
        "order_id": grant.order_id,
        "order_name": grant.name,
        "base": _text(reached.base, known.currency),
        "currency": known.currency,
        "rate": frozen.rate,
        "rounding": frozen.rounding,
        "rule": frozen.rule,
    }
    if pending_until is not None:
        why["pending_until"] = pending_until.isoformat()
    if grant.outcome == "guest":
        why["attached"] = True  # its customer came after its payment
    if known.excluded:
        why["excluded_lines"] = known.excluded
    if not frozen.is_plain:
        why |= _special(frozen)
        why["base_points"] = reached.base_points
    return why


def _special(frozen: Frozen) -> dict[str, Any]:
    """What of the order's terms a sentence names."""
    why: dict[str, Any] = {}
    if frozen.out:
        why["lines_out"] = len(frozen.out)
    if frozen.subscription_rate:
        why["subscription_rate"] = frozen.subscription_rate
    if frozen.with_shipping:
        why["with_shipping"] = True
    if frozen.with_taxes:
        why["with_taxes"] = True
    return why


def bonuses(
    grant: Granted, changes: Mapping[int, int], *, is_first: bool = False
) -> dict[str, Any]:
    """What of a movement bonuses make: name, effect, units and points; and, the first time, which
    campaigns do not count, with the reason.
    """
    frozen, why = grant.frozen, dict[str, Any]()
    assert frozen is not None
    if changes:
        named = [
            (one.copy, [one.name, one.effect, one.units, changes[one.copy]])
            for one in frozen.bonuses
            if one.copy in changes
        ]
        if frozen.tier is not None and TIER in changes:
            named.append((TIER, [frozen.tier.name, "tier", frozen.tier.units, changes[TIER]]))
        why["bonuses"] = [one for _, one in sorted(named)]
    if not is_first:
        return why
    beaten = [
        (one.copy, "beaten")
        for one in frozen.bonuses
        if one.effect == "multiply" and not changes.get(one.copy)
    ]
    if beaten or grant.not_counted is None:
        return why | not_counted([*grant.reasons, *beaten])
    return why | grant.not_counted


def not_counted(reasons: Sequence[tuple[int, str]]) -> dict[str, Any]:
    """Campaigns that do not count, by the reason: the numbers of our copies, whose names a page
    asks for. Every row has them: with the names they would be most of a ledger.
    """
    if not reasons:
        return {}
    by_reason: dict[str, list[int]] = {}
    for copy, reason in reasons[:REASONS_MAX]:
        by_reason.setdefault(reason, []).append(copy)
    why: dict[str, Any] = {"not_counted": msgspec.Raw(_encode(by_reason))}
    if (more := len(reasons) - REASONS_MAX) > 0:
        why["not_counted_more"] = more
    return why


def told(grant: Granted, changes: Mapping[int, int]) -> dict[str, Any]:
    """The same for those who read facts, where there is some: campaign, version and points."""
    found = [
        [one.campaign_id, one.version, changes[one.copy]]
        for one in (grant.frozen.bonuses if changes and grant.frozen else ())
        if one.copy in changes
    ]
    return {"bonuses": found} if found else {}


def reversed_(
    grant: Granted, points: int, forgiven: int, lapsed: int, policy: str
) -> dict[str, Any]:
    return {
        "order_id": grant.order_id,
        "order_name": grant.name,
        "award": grant.points,
        "rule": grant.frozen.rule if grant.frozen else 0,
        "asked": points,
        "forgiven": forgiven,
        "lapsed": lapsed,
        "policy": policy,
        "reversed_so_far": grant.reversed_points,
    }


def changes(
    before: Known, stage: Stage, refunds: Mapping[str, Back], gone: Mapping[str, int]
) -> dict[str, Any]:
    """Pieces that count of an order since a fact and did not before, or no longer, with their
    names; with these refunds, the others are reasons of their own, and with these pieces gone.
    """
    had, has = _pieces(before, refunds, gone), _pieces(stage.known, refunds, gone)
    titles = {line.line_id: line.title for line in stage.lines}
    added, removed = [], []
    for name in {**had, **has}:
        more = has.get(name, 0) - had.get(name, 0)
        if more > 0:
            added.append([more, titles.get(name, "")])
        elif more < 0:
            removed.append([-more, titles.get(name, "")])
    return {"cause": "order", "added": added[:NAMED_MAX], "removed": removed[:NAMED_MAX]}


def _pieces(known: Known, refunds: Mapping[str, Back], gone: Mapping[str, int]) -> dict[str, int]:
    """Whole pieces that stand and are paid, by line in the order's order."""
    found = {
        line.line_id: pieces * paid // costs
        for line, pieces, paid, costs in standing.standing(known, refunds, gone)
    }
    return dict(reversed(found.items()))


def corrected(cause: Cause) -> dict[str, Any]:
    """Why a fact was told again, where it was."""
    return {"corrected": cause.corrected} if cause.corrected else {}


def brought_back(back: Back, titles: Mapping[str, str]) -> dict[str, Any]:
    pieces = [[quantity, titles.get(name, "")] for name, quantity in back.lines.items() if quantity]
    return {"removed": pieces[:NAMED_MAX], "amount": rules.amount_text(max(0, -back.adjustment))}


def _text(base: Amount, currency: str) -> str:
    return rules.amount_text(base[0] // base[1], money.decimals(currency))
