"""What an order is worth, the slow and obvious way: in fractions, from all that was told of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from math import floor

from tests.points.histories.model.books import Rules
from tests.points.histories.model.campaigns import Bonus, Goal, shares
from tests.points.histories.model.people import NEVER, Grant
from tests.points.lives import Message, Refund, Snapshot

Times = Callable[[str], Fraction]


def once(_line: str) -> Fraction:
    return Fraction(1)


@dataclass(eq=False)
class Order(Grant):
    """All that was told of an order, and what became of its points."""

    placed: datetime = NEVER
    number: int = 0  # among those that earned
    rules: Rules = field(default_factory=Rules)
    bonuses: list[Bonus] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    spends: list[int] = field(default_factory=list)  # for each of them, if its points were these
    tier: tuple[str, Fraction] | None = None  # of its customer when it was placed, and its times
    policy: str = "best_of"
    most_times: Fraction | None = None
    until: int = 0  # the newest campaign that was asked
    reached: dict[int, int] = field(default_factory=dict)
    snapshots: list[Snapshot] = field(default_factory=list)
    refunds: dict[str, Refund] = field(default_factory=dict)
    is_cancelled: bool = False
    counted: dict[str, Refund] = field(default_factory=dict)
    was_cancelled: bool = False
    # when it was last looked at: pieces that no longer stood, and what was to be paid
    was_gone: dict[str, int] = field(default_factory=dict)
    was_owing: int = 0

    @property
    def newest(self) -> Snapshot:
        return max(self.snapshots, key=lambda one: one.at)

    @property
    def is_unheard_of(self) -> bool:
        """What is told of an order before it was paid need not be kept."""
        return not (self.snapshots or self.refunds or self.is_cancelled)

    def hear(self, message: Message) -> None:
        if message.refund is not None:
            self.refunds.setdefault(*message.refund)
        self.is_cancelled = self.is_cancelled or message.is_cancelled
        told = message.snapshot
        if told is not None and not (self.is_unheard_of and told.status == "pending"):
            self.snapshots.append(told)
            self.refunds = self.refunds | told.refunds

    def known(self) -> object:
        """What is known that could be worth something: what changes none of it is no news."""
        newest = self.newest if self.snapshots else None
        return (
            newest and tuple(line for line in newest.lines if line.kind == "goods"),
            newest and max(0, newest.outstanding),
            max(0, *(-one.outstanding for one in self.snapshots), 0),
            dict(self.refunds),
            self.customer(),
            self.paid_at() is None,
            self.is_cancelled,
        )

    def paid_at(self) -> datetime | None:
        paid = [one.at for one in self.snapshots if one.status in {"paid", "partially_refunded"}]
        return self.placed + timedelta(seconds=min(paid)) if paid else None

    def customer(self) -> str | None:
        named = [one for one in self.snapshots if one.customer]
        return max(named, key=lambda one: one.at).customer if named else None

    @property
    def is_live(self) -> bool:
        return self.rules.state == "live"

    @property
    def outcome(self) -> str:
        return "earned" if self.given else "zero" if self.is_live else self.rules.state

    def target(self, refunds: dict[str, Refund], gone: dict[str, int]) -> int:
        """With bonuses; of a campaign no more than it may give."""
        self.spends = [
            floor(10_000 * self.worth(refunds, gone, lambda name, one=one: one.counts(name)))
            for one in self.goals
        ]
        if not self.is_live:
            return 0

        def found() -> dict[int, int]:
            return shares(
                self.bonuses,
                self.tier[1] if self.tier else None,
                (self.policy, self.most_times),
                lambda times: self.points(refunds, gone, times),
                lambda times: self.worth(refunds, gone, times),
            )

        self.reached = found()
        for one in self.bonuses:
            more = self.reached[one.number] - one.has
            left = one.left(self.person)
            if more > 0 and left is not None and left < more:
                one.most = one.has + left
        self.reached = found()
        return self.points(refunds, gone) + sum(self.reached.values())

    def reach(self, points: int) -> None:
        """What bonuses gave of it now, and what counts for goals."""
        assert self.person is not None
        for one in self.bonuses:
            has = self.reached.get(one.number, 0) if points else 0
            one.campaign.count(self.person.root, has - one.has)
            one.has = has
        for goal, spends in zip(self.goals, self.spends, strict=True):
            goal.count(self.person.root, spends)

    def points(self, refunds: dict[str, Refund], gone: dict[str, int], times: Times = once) -> int:
        exact = self.worth(refunds, gone, times) * Fraction(self.rules.rate) / 100
        # a fraction is no decimal: only whether it is whole, and on which side of a half
        whole, rest = (
            exact.numerator // exact.denominator,
            exact - exact.numerator // exact.denominator,
        )
        if self.rules.rounding == "up":
            return whole + (rest > 0)
        return whole + (self.rules.rounding == "nearest" and rest >= Fraction(1, 2))

    def gone(self, refunds: dict[str, Refund]) -> dict[str, int]:
        """Pieces that no longer stand, if of its refunds these alone had been."""
        found = {}
        for line in self.newest.lines:
            recorded = sum(one.pieces.get(line.name, 0) for one in self.refunds.values())
            back = sum(one.pieces.get(line.name, 0) for one in refunds.values())
            found[line.name] = back + max(0, line.quantity - line.kept - recorded)
        return found

    def share_gone(self) -> Fraction:
        """How much of the order is no more: by worth, or by pieces where it cost nothing."""
        if self.is_cancelled:
            return Fraction(1)
        lines = [one for one in self.newest.lines if one.kind == "goods"] if self.snapshots else []
        pieces, left = sum(one.quantity for one in lines), sum(one.kept for one in lines)
        if not pieces or not left:
            return Fraction(bool(pieces))
        whole = sum(one.net(is_included=self.newest.is_included) for one in lines)
        if not whole:
            return Fraction(pieces - left, pieces)
        # which pieces are back the order itself says
        as_told = {one.name: one.quantity - one.kept for one in lines}
        return 1 - self.worth(self.refunds, {}, gone=as_told) / whole

    def worth(
        self,
        refunds: dict[str, Refund],
        least: dict[str, int],
        times: Times = once,
        *,
        gone: dict[str, int] | None = None,
    ) -> Fraction:
        """Cents of merchandise that stand and are paid, if of its refunds these alone had been,
        and so many pieces were gone at least; with `gone`, of an order that is paid, without these.
        """
        newest = self.newest
        unpaid = Fraction(max(0, newest.outstanding) if gone is None else 0)
        gone = self.gone(refunds) if gone is None else gone
        owed = max(0, *(-one.outstanding for one in self.snapshots), 0)
        net = gross = Fraction(0)
        for line in reversed(newest.lines):
            if line.kind != "goods":
                continue
            back = max(gone[line.name], least.get(line.name, 0))
            part = Fraction(max(0, line.quantity - back), line.quantity)
            without = line.net(is_included=newest.is_included)
            costs = (without + line.tax) * part
            micros = Fraction(-(-costs * 10_000 // 1), 10_000)  # what is owing, in millionths
            paid = max(Fraction(0), micros - unpaid)
            if unpaid and costs:
                unpaid -= micros - paid
                share = Fraction(1) if paid == micros else paid / micros
                net += without * part * share * times(line.name)
                gross += costs if paid == micros else paid
            else:
                net += without * part * times(line.name)
                gross += costs
        given = -sum(one.net for one in refunds.values()) - owed
        if given > 0:
            net = net * max(Fraction(0), gross - given) / gross if gross else Fraction(0)
        return net
