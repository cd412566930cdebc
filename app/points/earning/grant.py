"""A grant in memory: the rule it froze, what it gave, and what it is to have given."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace as _with

from app.points.earning import rules, worth
from app.points.earning.campaigns.purse import Purse
from app.points.earning.known import NOTHING, Stage
from app.points.earning.rules import Amount, Back, Frozen, Given, Known, Terms
from app.points.earning.worth import Worth


class Decisions(Protocol):
    """What decides the bonuses of a batch, and keeps count of what campaigns give."""

    purse: Purse

    def decide(self, grant: "Grant", known: Known) -> None: ...

    def note_earned(self, member_id: int) -> None: ...


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
    base: Amount | None = None  # what stands, as the last stage has found it
    given: Given = msgspec.field(default_factory=Given)
    is_asked_again: bool = False  # a campaign came to be known after its bonuses were decided
    has_more_lines: bool = False  # than when they were
    decisions: Decisions | None = None  # where bonuses may count
    reasons: list[tuple[int, str]] = []  # copies of campaigns that do not count, and why
    not_counted: dict[str, Any] | None = None  # the same as it is told, where many orders share it
    heard_at: datetime | None = None  # of campaigns, where they are away: when they told last
    text: tuple[Frozen, str] | None = None  # a rule that many orders have, as it is stored
    source: str = ""  # in the ledger and beside it

    def __post_init__(self) -> None:
        self.source = f"order:{self.order_id}"

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

    def worth(self, known: Known, refunds: Mapping[str, Back], gone: Mapping[str, int]) -> Worth:
        """What the order is to have given; of a campaign no more than its cap and budget leave."""
        assert self.frozen is not None, "a rule is taken before anything is computed"
        found = worth.of(known, self.frozen, self.rate_units, refunds, gone)
        if not self.frozen.is_limited or self.decisions is None or not self._limit(found):
            return found
        return worth.of(known, self.frozen, self.rate_units, refunds, gone)

    def _limit(self, found: Worth) -> bool:
        """Freeze what a cap or a budget leaves of a share that grows; whether any is less."""
        assert self.frozen is not None
        assert self.decisions is not None
        shares, limited = dict(found.shares), {}
        for one in self.frozen.bonuses:
            more = shares.get(one.copy, 0) - (has := self.given.shares.get(one.copy, 0))
            if more > 0 and (one.cap is not None or one.budget is not None):
                left = self.decisions.purse.left(
                    self.shop, one.campaign_id, self.member_id or 0, one.cap, one.budget
                )
                if left is not None and left < more:
                    limited[one.copy] = has + left
        if limited:
            bonuses = (
                _with(one, most=limited.get(one.copy, one.most)) for one in self.frozen.bonuses
            )
            self.frozen = _with(self.frozen, bonuses=(*bonuses,))
        return bool(limited)

    def note(self, reached: Worth, member_id: int) -> dict[int, int]:
        """Note what bonuses make of it now for a member; by how much each has changed."""
        assert self.frozen is not None
        before, self.base = self.given, reached.base
        if not (reached.shares or before.shares or self.frozen.goals):
            return {}
        shares = {copy: share for copy, share in reached.shares if share}
        changes = shares
        if before.shares:
            changes = {
                copy: change
                for copy in {**before.shares, **shares}
                if (change := shares.get(copy, 0) - before.shares.get(copy, 0))
            }
        self.given = Given(shares, {one: self._spent(one, reached) for one in self.frozen.goals})
        if self.decisions is not None and (self.frozen.is_limited or self.frozen.goals):
            purse = self.decisions.purse
            for one in self.frozen.bonuses:
                if one.copy in changes:
                    is_goal = one.campaign_id in self.frozen.goals
                    purse.note(self.shop, one, member_id, changes[one.copy], is_goal=is_goal)
            for campaign_id, spent in self.given.goals.items():
                more = spent - before.goals.get(campaign_id, before.spent)
                purse.note_spent(self.shop, campaign_id, member_id, more)
        return changes

    def _spent(self, campaign_id: str, reached: Worth) -> int:
        """What counts for a campaign's goal: whole millionths of what stands."""
        assert self.frozen is not None
        lines = dict(self.frozen.goal_lines).get(campaign_id)
        if lines is None or reached is worth.NOTHING:
            stands, of = reached.base
        else:
            stands, of = worth.standing_goods(self.known, self.frozen, lines)
        return stands // of

    def is_counting(self) -> bool:
        """Whether the order earns for somebody as it is known after its stages."""
        return self.stages[-1].known.counts if self.stages else self.known.counts


@lru_cache(maxsize=1024)  # as many as there are rules in use
def _freeze(terms: Terms) -> Frozen:
    # while a programme is not live its orders are kept, and earn nothing
    rate = rules.rate_text(terms.rate_units if terms.state == "live" else 0)
    return Frozen(terms.version, rate, terms.rounding, terms.returns)
