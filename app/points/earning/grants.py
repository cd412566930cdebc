"""Awards: what orders earn and refunds take back, decided in memory on locked members (DESIGN
§4).
"""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from app import text
from app.flow.event import Event
from app.points import facts
from app.points.earning import rules
from app.points.earning.rules import Frozen, FrozenLine, Progress, Terms
from app.points.facts import Asked, Paid
from app.points.ledger import lots
from app.points.ledger.lots import Lot
from app.points.ledger.posting import Member, Posting


class Award:
    """A row of `awards` in memory; `id` is 0 until it is written, `frozen` None where no refund
    asks for it.
    """

    __slots__ = (
        "frozen",
        "id",
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
        self.id = 0
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


class Decisions:
    """What one transaction will write: movements, lots, awards, facts."""

    def __init__(self, recorded_at: datetime) -> None:
        self.posting = Posting(recorded_at)
        self.lots: dict[
            int, list[Lot]
        ] = {}  # by member; of those who had any loaded, and all new ones
        self.awards: list[Award] = []  # new ones
        self.changed_awards: dict[int, Award] = {}
        self.applied: list[
            tuple[str, str, int, int]
        ] = []  # reversals: shop, source, points, forgiven
        self.facts: list[Event] = []


def freeze(paid: Paid, terms: Terms) -> Award:
    """The award of an order by the rules in force; guests and test orders get one of 0 points,
    as a record.
    """
    order = paid.order
    outcome = "test" if order.test else "guest" if not order.customer_id else "earned"
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
    decisions: Decisions,
    award: Award,
    paid: Paid,
    terms: Terms,
    member: Member,
    known: list[tuple[str, Asked]],
) -> None:
    """Post an award that earned: a lot, pending or available; `known` reversals come off it before
    anyone could spend it, whatever the policy; debt is repaid from what is left and available.
    """
    now = decisions.posting.recorded_at
    effective_at = facts.moment(paid.order.processed_at, paid.event, now)
    available_at = effective_at + timedelta(days=terms.pending_days)
    is_pending = available_at > now
    expires_at = rules.expires_at(available_at, terms.expiry_days, terms.timezone)
    lot = Lot(
        award.shop, member.id, award.source, award.points, available_at, is_pending, expires_at
    )
    bucket = "pending" if is_pending else "available"
    why = _why_earned(award, available_at if is_pending else None)
    decisions.posting.move(
        member, award.source, "earn", "issued", bucket, award.points, why, effective_at
    )
    decisions.lots.setdefault(member.id, []).append(lot)
    trace = paid.event.trace
    decisions.facts.append(
        facts.made(
            "points.earned", member, award.source, award.points, trace, order_id=award.order_id
        )
    )
    for source, asked in known:
        points = progress(award, asked)
        if points:
            lot.take(points)
            why = _why_reversed(award, asked, points, 0, "before it was earned")
            decisions.posting.move(
                member,
                source,
                f"reverse.{bucket}",
                bucket,
                "reversed",
                points,
                why,
                asked.effective_at,
            )
            decisions.facts.append(_reversed_fact(member, award, source, points, 0, asked.trace))
        decisions.applied.append((award.shop, source, points, 0))
    if not is_pending:
        repay(decisions.posting, member, [lot], award.source, lot.remaining, effective_at)


def take_back(
    decisions: Decisions,
    award: Award,
    source: str,
    asked: Asked,
    policy: str,
    member: Member | None,
) -> None:
    """Reverse the part of an earlier award that `asked` stands for, from where the merchant's
    policy allows.
    """
    points = progress(award, asked)
    if award.id:
        decisions.changed_awards[award.id] = award
    if not points or member is None:
        decisions.applied.append((award.shop, source, points, 0))
        return
    held_lots = decisions.lots.get(member.id, [])
    own = next((lot for lot in held_lots if lot.source == award.source and lot.is_pending), None)
    parts = rules.clawback(points, own.remaining if own else 0, member.available, policy)
    why = _why_reversed(award, asked, points, parts.forgiven, policy)
    move = decisions.posting.move
    if own and parts.pending:
        own.take(parts.pending)
        move(
            member,
            source,
            "reverse.pending",
            "pending",
            "reversed",
            parts.pending,
            why,
            asked.effective_at,
        )
    if parts.available:
        lots.take(
            (lot for lot in held_lots if not lot.is_pending), parts.available, first=award.source
        )
        move(
            member,
            source,
            "reverse.available",
            "available",
            "reversed",
            parts.available,
            why,
            asked.effective_at,
        )
    if parts.debt:
        move(
            member, source, "reverse.debt", "debt", "reversed", parts.debt, why, asked.effective_at
        )
    decisions.applied.append((award.shop, source, points, parts.forgiven))
    decisions.facts.append(
        _reversed_fact(member, award, source, points - parts.forgiven, parts.forgiven, asked.trace)
    )


def progress(award: Award, asked: Asked) -> int:
    """Note on the award what was taken back, and tell how many more of its points that asks for."""
    seen = award.progress
    for line_id, quantity in asked.lines.items():
        seen.lines[line_id] = seen.lines.get(line_id, 0) + quantity
    seen.adjustment_micros += asked.adjustment_micros
    seen.cancelled = seen.cancelled or asked.cancelled
    target = rules.reversal_target(award.frozen, seen)
    points = target - award.reversed_points
    award.reversed_points = target
    return points


def repay(
    posting: Posting, member: Member, from_lots: list[Lot], source: str, points: int, at: datetime
) -> None:
    """Points that have just become available pay a debt first; they leave the lots they came in."""
    owed = min(points, member.debt)
    if owed:
        lots.take(from_lots, owed)
        posting.move(
            member,
            source,
            "repay",
            "available",
            "debt",
            owed,
            {"debt_left": member.debt - owed},
            at,
        )


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
    award: Award, asked: Asked, points: int, forgiven: int, policy: str
) -> dict[str, Any]:
    return {
        "order_id": award.order_id,
        "order_name": award.order_name,
        "award": award.points,
        "rule": award.rule_version,
        "asked": points,
        "forgiven": forgiven,
        "policy": policy,
        "cancelled": asked.cancelled,
        "lines": asked.lines,
        "amount": rules.amount_text(asked.adjustment_micros),
        "reversed_so_far": award.reversed_points,
    }


def _reversed_fact(
    member: Member, award: Award, source: str, points: int, forgiven: int, trace: str
) -> Event:
    return facts.made(
        "points.reversed", member, source, points, trace, order_id=award.order_id, forgiven=forgiven
    )


def from_row(row: Any) -> Award:
    """An Award from a row of `awards` that a refund asks for."""
    award = Award.__new__(Award)
    for column in (
        "id",
        "shop",
        "order_id",
        "order_name",
        "member_id",
        "outcome",
        "points",
        "reversed_points",
    ):
        setattr(award, column, row[column])
    award.frozen = msgspec.json.decode(row["frozen"], type=Frozen)
    award.rule_version = award.frozen.rule
    award.progress = msgspec.json.decode(row["progress"], type=Progress)
    return award
