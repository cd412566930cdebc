"""Awards: what orders earn and refunds take back, decided in memory on locked accounts."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from app import text
from app.db import Row
from app.flow.event import Event
from app.points import facts
from app.points.earning import rules
from app.points.earning.rules import Frozen, FrozenLine, Progress, Terms
from app.points.facts import Paid, Reversal
from app.points.ledger import lots
from app.points.ledger.accounts import Account
from app.points.ledger.lots import Lot
from app.points.ledger.posting import Batch


class Award:
    """A row of `awards` in memory."""

    __slots__ = (
        "frozen",
        "member_id",
        "order_id",
        "order_name",
        "outcome",
        "points",
        "progress",
        "reversed_points",
        "rule_version",
        "shop",
    )

    def __init__(
        self, shop: str, order_id: str, order_name: str, frozen: Frozen, outcome: str
    ) -> None:
        self.shop = shop
        self.order_id = order_id
        self.order_name = order_name
        self.member_id: int | None = None
        self.outcome = outcome
        self.rule_version = frozen.rule
        self.frozen = frozen
        self.points = frozen.points
        self.reversed_points = 0
        self.progress = Progress()

    @property
    def source(self) -> str:
        return f"order:{self.order_id}"


class Applied(NamedTuple):
    """What became of a reversal: the points it asked back, and how many a policy forgave."""

    shop: str
    source: str
    points: int
    forgiven: int


def freeze(paid: Paid, terms: Terms) -> Award:
    """The award of an order by the rules in force; guests and test orders get one of 0 points,
    as a record, and so do all while the programme is not live.
    """
    order = paid.order
    outcome = "test" if order.test else "guest" if not order.customer_id else "earned"
    if outcome == "earned" and terms.state != "live":
        outcome = terms.state  # a draft or paused programme: the order is kept, and earns nothing
    earning = [line for line in order.lines if not line.gift_card]
    bases = [max(0, rules.micros(line.amount)) for line in earning]
    base = sum(bases)
    points = rules.points_for(base, terms.rate_units, terms.rounding) if outcome == "earned" else 0
    if outcome == "earned" and points == 0:
        outcome = "zero"
    shares = rules.split(points, bases) if points else [0] * len(bases)
    frozen = Frozen(
        rule=terms.version,
        rate=rules.rate_text(terms.rate_units),
        rounding=terms.rounding,
        currency=order.currency,
        base=rules.amount_text(base),
        points=points,
        lines=[
            FrozenLine(line.line_id, line.quantity, line.amount, share)
            for line, share in zip(earning, shares, strict=True)
        ],
        excluded=[line.line_id for line in order.lines if line.gift_card],
    )
    name = text.clean(order.order_name, facts.ORDER_NAME_LENGTH)
    return Award(paid.event.shop, order.order_id, name, frozen, outcome)


def earn(
    batch: Batch,
    award: Award,
    paid: Paid,
    terms: Terms,
    account: Account,
    known: list[tuple[str, Reversal]],
) -> list[Applied]:
    """Post an award that earned: a lot, pending or available; `known` reversals come off it before
    anyone could spend it, whatever the policy; debt is repaid from what is left and available.
    """
    effective_at = facts.moment(paid.order.processed_at, paid.event, batch.now)
    available_at = effective_at + timedelta(days=terms.pending_days)
    is_pending = available_at > batch.now
    expires_at = rules.expires_at(available_at, terms.expiry_days, terms.timezone)
    lot = Lot(
        award.shop, account.id, award.source, award.points, available_at, is_pending, expires_at
    )
    bucket = "pending" if is_pending else "available"
    why = _why_earned(award, available_at if is_pending else None)
    batch.move(account, award.source, "earn", "issued", bucket, award.points, why, effective_at)
    batch.add(lot)
    trace, order_id = paid.event.trace, award.order_id
    batch.facts.append(
        facts.made("points.earned", account, award.source, award.points, trace, order_id=order_id)
    )
    applied = []
    for source, reversal in known:
        points = progress(award, reversal)
        if points:
            lot.take(points)
            why = _why_reversed(award, reversal, points, 0, "before it was earned")
            effect, at = f"reverse.{bucket}", reversal.effective_at
            batch.move(account, source, effect, bucket, "reversed", points, why, at)
            batch.facts.append(_reversed_fact(account, award, source, points, 0, reversal.trace))
        applied.append(Applied(award.shop, source, points, 0))
    if not is_pending:
        batch.repay(account, [lot], award.source, lot.remaining, effective_at)
    return applied


def take_back(
    batch: Batch,
    award: Award,
    source: str,
    reversal: Reversal,
    policy: str,
    account: Account | None,
) -> Applied:
    """Reverse the part of an earlier award that `reversal` stands for, from where the merchant's
    policy allows.
    """
    points = progress(award, reversal)
    if not points or account is None:
        return Applied(award.shop, source, points, 0)
    account.check_not_frozen()
    held_lots = batch.lots.get(account.id, [])
    own = next((lot for lot in held_lots if lot.source == award.source and lot.is_pending), None)
    parts = rules.clawback(points, own.remaining if own else 0, account.available, policy)
    why, at = _why_reversed(award, reversal, points, parts.forgiven, policy), reversal.effective_at
    if own and parts.pending:
        own.take(parts.pending)
        batch.move(
            account, source, "reverse.pending", "pending", "reversed", parts.pending, why, at
        )
    if parts.available:
        released = (lot for lot in held_lots if not lot.is_pending)
        lots.take(account.id, released, parts.available, first=award.source)
        batch.move(
            account, source, "reverse.available", "available", "reversed", parts.available, why, at
        )
    if parts.debt:
        batch.move(account, source, "reverse.debt", "debt", "reversed", parts.debt, why, at)
    taken = points - parts.forgiven
    batch.facts.append(
        _reversed_fact(account, award, source, taken, parts.forgiven, reversal.trace)
    )
    return Applied(award.shop, source, points, parts.forgiven)


def progress(award: Award, reversal: Reversal) -> int:
    """Note on the award what was taken back, and tell how many more of its points that asks for."""
    seen = award.progress
    for line_id, quantity in reversal.lines.items():
        seen.lines[line_id] = seen.lines.get(line_id, 0) + quantity
    seen.adjustment_micros += reversal.adjustment_micros
    seen.cancelled = seen.cancelled or reversal.cancelled
    target = rules.reversal_target(award.frozen, seen)
    points = target - award.reversed_points
    award.reversed_points = target
    return points


def _why_earned(award: Award, pending_until: datetime | None) -> dict[str, Any]:
    frozen = award.frozen
    why = {
        "order_id": award.order_id,
        "order_name": award.order_name,
        "base": frozen.base,
        "currency": frozen.currency,
        "rate": frozen.rate,
        "rounding": frozen.rounding,
        "rule": frozen.rule,
    }
    if pending_until is not None:
        why["pending_until"] = pending_until.isoformat()
    if frozen.excluded:
        why["gift_card_lines"] = len(frozen.excluded)
    return why


def _why_reversed(
    award: Award, reversal: Reversal, points: int, forgiven: int, policy: str
) -> dict[str, Any]:
    return {
        "order_id": award.order_id,
        "order_name": award.order_name,
        "award": award.points,
        "rule": award.rule_version,
        "asked": points,
        "forgiven": forgiven,
        "policy": policy,
        "cancelled": reversal.cancelled,
        "lines": reversal.lines,
        "amount": rules.amount_text(reversal.adjustment_micros),
        "reversed_so_far": award.reversed_points,
    }


def _reversed_fact(
    account: Account, award: Award, source: str, points: int, forgiven: int, trace: str
) -> Event:
    return facts.made(
        "points.reversed",
        account,
        source,
        points,
        trace,
        order_id=award.order_id,
        forgiven=forgiven,
    )


def from_row(row: Row) -> Award:
    """An Award from a row of `awards` that a refund asks for."""
    frozen = msgspec.json.decode(row["frozen"], type=Frozen)
    award = Award(row["shop"], row["order_id"], row["order_name"], frozen, row["outcome"])
    award.member_id = row["member_id"]
    award.points = row["points"]
    award.reversed_points = row["reversed_points"]
    award.progress = msgspec.json.decode(row["progress"], type=Progress)
    return award
