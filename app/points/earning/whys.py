"""What a movement of a grant records of its reason: figures and names, for a sentence later."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from app import money
from app.points.earning import rules
from app.points.earning.known import Stage
from app.points.earning.rules import Amount, Back, Frozen, Known

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


def changes(before: Known, stage: Stage) -> dict[str, Any]:
    """Pieces that an order has gained and lost since it last moved points, with their names."""
    kept = {line.line_id: line.kept for line in before.lines}
    titles = {line.line_id: line.title for line in stage.lines}
    added, removed = [], []
    for line in stage.known.lines:
        more = line.kept - kept.get(line.line_id, 0)
        title = titles.get(line.line_id, "")
        if more > 0:
            added.append([more, title])
        elif more < 0:
            removed.append([-more, title])
    return {"cause": "order", "added": added[:NAMED_MAX], "removed": removed[:NAMED_MAX]}


def brought_back(back: Back, titles: Mapping[str, str]) -> dict[str, Any]:
    pieces = [[quantity, titles.get(name, "")] for name, quantity in back.lines.items() if quantity]
    return {"removed": pieces[:NAMED_MAX], "amount": rules.amount_text(max(0, -back.adjustment))}


def _text(base: Amount, currency: str) -> str:
    return rules.amount_text(base[0] // base[1], money.decimals(currency))
