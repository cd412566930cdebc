"""Grants: points that follow their order, moved towards what it is worth, on locked accounts."""

from datetime import timedelta
from typing import Any

import msgspec

from app.points import facts
from app.points.earning import rules, standing, whys, worth
from app.points.earning.grant import Grant
from app.points.earning.known import NOTHING, Stage
from app.points.earning.rules import Clawback, Given, Known, Terms
from app.points.earning.worth import Worth
from app.points.ledger import lots
from app.points.ledger.accounts import Account
from app.points.ledger.lots import Lot
from app.points.ledger.posting import Batch

LATE = "campaign:"  # how the cause of a bonus begins that comes later
REFUNDS_APART_MAX = 20  # of one fact; more of them are one movement


class Hand(msgspec.Struct):
    """Whose points are moved, how, and because of what."""

    batch: Batch
    grant: Grant
    account: Account
    policy: str
    stage: Stage
    own: list[Lot] | None  # of an order that gives for the first time: nobody could spend them
    is_settled: bool = True  # nothing was to be paid before

    @property
    def is_late(self) -> bool:
        """Whether a campaign that was told late is what moves it."""
        return self.stage.cause.source.startswith(LATE)


def follow(
    batch: Batch, grant: Grant, account: Account | None, former: Account | None, policy: str
) -> None:
    """Move the points of an order to where its stages bring it.

    `account` is of whose order it is now, None where it earns for nobody; `former` of whom it was
    granted to. Both are locked, and the lots of `former` are loaded. Raises FrozenError.
    """
    own: list[Lot] | None = [] if former is None else None
    for stage in grant.stages:
        before, grant.known, grant.base = grant.known, stage.known, None
        if account is None or not stage.known.counts:
            continue
        if former is not None and former.id != account.id:
            left = Hand(batch, grant, former, policy, stage, None)
            _to(left, worth.NOTHING, "", {"cause": "moved"})
            grant.forgiven = grant.unmet = 0
            former, own = None, []
        is_first, former = former is None, account
        if is_first:
            before, grant.given = NOTHING, Given()
        grant.member_id = account.id
        is_open = is_first or grant.is_asked_again or grant.has_more_lines
        if grant.decisions is not None and is_open:
            grant.decisions.decide(grant, stage.known)
            grant.is_asked_again = False
        _step(Hand(batch, grant, account, policy, stage, own, not before.outstanding), before)
    for lot in own or ():
        if account is not None and not lot.is_pending and lot.remaining:
            at = grant.stages[-1].cause.at
            batch.repay(account, [lot], lot.source, lot.remaining, at)
    known = grant.known
    if grant.member_id is not None:
        grant.outcome = "earned" if grant.points else _nothing(grant.terms)
    elif known.at is not None:
        unearned = "guest" if known.paid_at else "unpaid"
        grant.outcome = "test" if known.is_test else unearned


def _nothing(terms: Terms | None) -> str:
    return terms.state if terms is not None and terms.state != "live" else "zero"


def _step(hand: Hand, before: Known) -> None:
    """To what the order is worth after a fact: as it stands first, then refund by refund."""
    grant, stage = hand.grant, hand.stage
    known = stage.known
    if before.ended:
        return
    is_again = before is NOTHING and grant.points > 0
    if is_again and known.ended:
        return
    counted, new, gone = before.refunds, {}, rules.NONE
    if known.refunds:
        counted = dict(counted)
        new = {name: back for name, back in known.refunds.items() if counted.get(name) != back}
    if len(new) > REFUNDS_APART_MAX:
        counted, new = dict(known.refunds), {}
    if new:  # of pieces, perhaps, that were known to be gone before their refund was
        were = standing.pieces_gone(before, before.refunds)
        are = standing.pieces_gone(known, known.refunds)
        gone = {name: min(pieces, are.get(name, 0)) for name, pieces in were.items()}
    reached = grant.worth(known, counted, gone)
    why = {} if before is NOTHING else whys.changes(before, stage, counted, gone)
    if hand.is_late:
        why = {"cause": "campaign"}
    _to(hand, reached, "", why)
    for name, back in sorted(new.items()):
        is_new = name not in counted and not is_again
        counted[name] = back
        reached = grant.worth(known, counted, gone)
        told = stage.refunds.get(name)
        why = {"cause": "refund", **whys.brought_back(back, told.titles if told else {})}
        _to(hand, reached, f"refund:{name}" if is_new else "", why)
    if known.ended:
        _to(hand, worth.NOTHING, f"{known.ended}:{grant.order_id}", {"cause": known.ended})


def _to(hand: Hand, reached: Worth, source: str, why: dict[str, Any]) -> None:
    """Move the grant to what is reached; `source` names a movement that takes back."""
    grant = hand.grant
    changes = grant.note(reached, hand.account.id)
    if reached.points > grant.net:
        _give(hand, reached, changes, why)
    elif reached.points < grant.net:
        points = grant.net - reached.points
        _take_back(hand, points, source or grant.next_source(), changes, why)


def _give(hand: Hand, reached: Worth, changes: dict[int, int], why: dict[str, Any]) -> None:
    """A lot of its own, pending or available; a debt is repaid from it at once."""
    batch, grant, account, stage = hand.batch, hand.grant, hand.account, hand.stage
    points = reached.points - grant.net
    if left := min(points, grant.forgiven):  # these were never taken
        grant.forgiven -= left
        grant.unmet = min(grant.unmet, grant.forgiven)
        grant.reversed_points -= left
        points -= left
    if not points:
        return
    terms, source = grant.terms, grant.next_source()
    assert terms is not None, "the rule of the order's time is loaded"
    is_first = source == grant.source
    paid_at = stage.known.paid_at or stage.cause.at
    effective_at = paid_at if is_first else stage.cause.at
    # what was taken back comes again, as by a swap: its days were counted already
    is_again = hand.is_settled and points <= grant.reversed_points
    available_at = (paid_at if is_again or hand.is_late else effective_at) + timedelta(
        days=terms.pending_days
    )
    is_pending = available_at > batch.now
    expires_at = rules.expires_at(available_at, terms.expiry_days, terms.timezone)
    lot = Lot(grant.shop, account.id, source, points, available_at, is_pending, expires_at)
    bucket = "pending" if is_pending else "available"
    reasons = whys.earned(grant, reached, available_at if is_pending else None)
    if changes or grant.reasons:
        reasons |= whys.bonuses(grant, changes, is_first=is_first)
    if not is_first:
        reasons |= why
    elif grant.heard_at is not None:
        reasons["campaigns_as_of"] = grant.heard_at.isoformat()
    reasons |= whys.corrected(stage.cause)
    batch.move(account, source, "earn", "issued", bucket, points, reasons, effective_at)
    batch.add(lot)
    if grant.decisions is not None and (is_first or hand.own == []):
        grant.decisions.note_earned(account.id)
    grant.points += points
    batch.facts.append(
        facts.made(
            "points.earned",
            account,
            source,
            points,
            stage.cause.trace,
            order_id=grant.order_id,
            **whys.told(grant, changes),
        )
    )
    if hand.own is not None:
        hand.own.append(lot)
    elif not is_pending:
        batch.repay(account, [lot], source, points, effective_at)


def _take_back(
    hand: Hand, points: int, source: str, changes: dict[int, int], why: dict[str, Any]
) -> None:
    """Reverse `points` of the grant, from where the merchant's policy allows; what has lapsed is
    gone already, and is not taken from other grants.
    """
    batch, grant, account = hand.batch, hand.grant, hand.account
    account.check_not_frozen()
    grant.reversed_points += points
    absorbed = min(points, grant.lapsed)
    grant.lapsed -= absorbed
    rest = points - absorbed
    held_lots = batch.lots.get(account.id, [])
    if hand.own is not None:
        mine = hand.own
        pending = sum(lot.remaining for lot in mine if lot.is_pending)
        parts = Clawback(pending and rest, 0 if pending else rest, 0, 0)
    else:
        mine = [lot for lot in held_lots if lots.is_of(lot, grant.source)]
        pending = sum(lot.remaining for lot in mine if lot.is_pending)
        parts = rules.clawback(rest, pending, account.available, hand.policy)
    if parts.forgiven:
        grant.forgiven += parts.forgiven
        if hand.policy == "within_balance":
            grant.unmet += parts.forgiven
    at = hand.stage.cause.at
    reasons = whys.reversed_(grant, points, parts.forgiven, absorbed, hand.policy) | why
    taken_of = {copy: -change for copy, change in changes.items()}
    if taken_of:
        reasons |= whys.bonuses(grant, taken_of)
    reasons |= whys.corrected(hand.stage.cause)
    if parts.pending:
        lots.take(account.id, (lot for lot in mine if lot.is_pending), parts.pending)
        batch.move(
            account, source, "reverse.pending", "pending", "reversed", parts.pending, reasons, at
        )
    if parts.available:
        released = (lot for lot in (hand.own or held_lots) if not lot.is_pending)
        lots.take(account.id, released, parts.available, first=grant.source)
        batch.move(
            account,
            source,
            "reverse.available",
            "available",
            "reversed",
            parts.available,
            reasons,
            at,
        )
    if parts.debt:
        batch.move(account, source, "reverse.debt", "debt", "reversed", parts.debt, reasons, at)
    if taken := parts.pending + parts.available + parts.debt:
        batch.facts.append(
            facts.made(
                "points.reversed",
                account,
                source,
                taken,
                hand.stage.cause.trace,
                order_id=grant.order_id,
                forgiven=parts.forgiven,
                **whys.told(grant, taken_of),
            )
        )
