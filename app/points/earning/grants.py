"""Grants: points that follow their order, moved towards what it is worth, on locked accounts."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from app.db import Row
from app.points import facts
from app.points.earning import rules, whys
from app.points.earning.known import NOTHING, Stage
from app.points.earning.rules import Amount, Back, Clawback, Frozen, Known, Terms
from app.points.ledger import lots
from app.points.ledger.accounts import Account
from app.points.ledger.lots import Lot
from app.points.ledger.posting import Batch

REFUNDS_APART_MAX = 20  # of one fact; more of them are one movement


class Grant(msgspec.Struct):
    """A row of `grants` in memory."""

    shop: str
    order_id: str
    name: str = ""
    member_id: int | None = None
    outcome: str = "waiting"
    frozen: Frozen | None = None
    rate_units: int = 0
    known: Known = NOTHING
    points: int = 0  # given in all
    reversed_points: int = 0  # asked back in all, whatever became of that
    forgiven: int = 0  # of those, what a policy left with the shopper
    unmet: int = 0  # of those, what is taken when the points come back from a reward
    lapsed: int = 0  # gone by time, and not yet set off against what was asked back
    left: tuple[int, int, int] = (0, 0, 0)  # forgiven, unmet and lapsed as they were loaded
    revision: int = 0
    is_new: bool = True
    stages: list[Stage] = []
    terms: Terms | None = None

    @property
    def source(self) -> str:
        return f"order:{self.order_id}"

    @property
    def net(self) -> int:
        return self.points - self.reversed_points

    def next_source(self) -> str:
        """The natural key of the next movement that is no refund's own."""
        if self.points == 0:
            return self.source
        self.revision += 1
        return f"{self.source}:{self.revision}"

    def freeze(self, terms: Terms) -> None:
        """Take the rule of the order's time; one that was taken stays."""
        self.terms = terms
        if self.frozen is None:
            self.frozen = _freeze(terms)
            self.rate_units = rules.rate_units(Decimal(self.frozen.rate))

    def worth(
        self, known: Known, refunds: Mapping[str, Back], gone: Mapping[str, int]
    ) -> tuple[int, Amount]:
        """What the order is to have given, and the merchandise that is the reason."""
        assert self.frozen is not None, "a rule is taken before anything is computed"
        base = rules.worth(known, refunds, self.frozen.returns, gone)
        return rules.points_for(base, self.rate_units, self.frozen.rounding), base

    def is_counting(self) -> bool:
        """Whether the order earns for somebody as it is known after its stages."""
        return _counts(self.stages[-1].known if self.stages else self.known)


@lru_cache(maxsize=1024)  # as many as there are rules in use
def _freeze(terms: Terms) -> Frozen:
    # while a programme is not live its orders are kept, and earn nothing
    rate = rules.rate_text(terms.rate_units if terms.state == "live" else 0)
    return Frozen(terms.version, rate, terms.rounding, terms.returns)


def from_row(row: Row) -> Grant:
    """A Grant from a row of `grants`."""
    grant = Grant(row["shop"], row["source"].partition(":")[2])
    grant.name, grant.member_id, grant.outcome = row["name"], row["member_id"], row["outcome"]
    grant.known = _known.decode(row["known"])
    if row["frozen"]:
        grant.frozen = _frozen.decode(row["frozen"])
        grant.rate_units = rules.rate_units(Decimal(grant.frozen.rate))
    grant.points, grant.reversed_points = row["points"], row["reversed_points"]
    grant.revision, grant.is_new = row["revision"], False
    return grant


_known = msgspec.json.Decoder(Known)
_frozen = msgspec.json.Decoder(Frozen)


class Hand(msgspec.Struct):
    """Whose points are moved, how, and because of what."""

    batch: Batch
    grant: Grant
    account: Account
    policy: str
    stage: Stage
    own: list[Lot] | None  # of an order that gives for the first time: nobody could spend them
    is_settled: bool = True  # nothing was to be paid before


def follow(
    batch: Batch, grant: Grant, account: Account | None, former: Account | None, policy: str
) -> None:
    """Move the points of an order to where its stages bring it.

    `account` is of whose order it is now, None where it earns for nobody; `former` of whom it was
    granted to. Both are locked, and the lots of `former` are loaded. Raises FrozenError.
    """
    own: list[Lot] | None = [] if former is None else None
    for stage in grant.stages:
        before, grant.known = grant.known, stage.known
        if account is None or not _counts(stage.known):
            continue
        if former is not None and former.id != account.id:
            left = Hand(batch, grant, former, policy, stage, None)
            _to(left, 0, (0, 1), "", {"cause": "moved"})
            grant.forgiven = grant.unmet = 0
            former, own = None, []
        if former is None:
            before = NOTHING
        former = account
        grant.member_id = account.id
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


def _counts(known: Known) -> bool:
    return known.paid_at is not None and bool(known.customer_id) and not known.is_test


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
        were = rules.pieces_gone(before, before.refunds)
        are = rules.pieces_gone(known, known.refunds)
        gone = {name: min(pieces, are.get(name, 0)) for name, pieces in were.items()}
    points, base = grant.worth(known, counted, gone)
    why = {} if before is NOTHING else whys.changes(before, stage, counted, gone)
    _to(hand, points, base, "", why)
    for name, back in sorted(new.items()):
        is_new = name not in counted and not is_again
        counted[name] = back
        points, base = grant.worth(known, counted, gone)
        told = stage.refunds.get(name)
        why = {"cause": "refund", **whys.brought_back(back, told.titles if told else {})}
        _to(hand, points, base, f"refund:{name}" if is_new else "", why)
    if known.ended:
        _to(hand, 0, (0, 1), f"{known.ended}:{grant.order_id}", {"cause": known.ended})


def _to(hand: Hand, points: int, base: Amount, source: str, why: dict[str, Any]) -> None:
    """Move the grant to `points`; `source` names a movement that takes back."""
    grant = hand.grant
    if points > grant.net:
        _give(hand, points - grant.net, base, why)
    elif points < grant.net:
        _take_back(hand, grant.net - points, source or grant.next_source(), why)


def _give(hand: Hand, points: int, base: Amount, why: dict[str, Any]) -> None:
    """A lot of its own, pending or available; a debt is repaid from it at once."""
    batch, grant, account, stage = hand.batch, hand.grant, hand.account, hand.stage
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
    available_at = (paid_at if is_again else effective_at) + timedelta(days=terms.pending_days)
    is_pending = available_at > batch.now
    expires_at = rules.expires_at(available_at, terms.expiry_days, terms.timezone)
    lot = Lot(grant.shop, account.id, source, points, available_at, is_pending, expires_at)
    bucket = "pending" if is_pending else "available"
    reasons = whys.earned(grant, base, available_at if is_pending else None)
    if not is_first:
        reasons |= why
    reasons |= whys.corrected(stage.cause)
    batch.move(account, source, "earn", "issued", bucket, points, reasons, effective_at)
    batch.add(lot)
    grant.points += points
    batch.facts.append(
        facts.made(
            "points.earned", account, source, points, stage.cause.trace, order_id=grant.order_id
        )
    )
    if hand.own is not None:
        hand.own.append(lot)
    elif not is_pending:
        batch.repay(account, [lot], source, points, effective_at)


def _take_back(hand: Hand, points: int, source: str, why: dict[str, Any]) -> None:
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
            )
        )
