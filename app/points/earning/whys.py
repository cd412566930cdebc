"""What a movement of a grant records of its reason: figures and names, for a sentence later."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from app import money
from app.points.earning import rules
from app.points.earning.known import Stage
from app.points.earning.rules import Amount, Back, Frozen, Known
from app.points.facts import Cause

NAMED_MAX = 5  # lines of an order in one sentence


class Granted(Protocol):
    """What of a grant its reasons name."""

    name: str
    order_id: str
    outcome: str  # so far
    points: int
    reversed_points: int
    known: Known
    frozen: Frozen | None


def earned(grant: Granted, base: Amount, pending_until: datetime | None) -> dict[str, Any]:
    frozen, known = grant.frozen, grant.known
    assert frozen is not None
    why = {
        "order_id": grant.order_id,
        "order_name": grant.name,
        "base": _text(base, known.currency),
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
    return why


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
        for line, pieces, paid, costs in rules.standing(known, refunds, gone)
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
