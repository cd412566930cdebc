"""What is the same for all orders of a shop that were placed between two moments at which something
about its campaigns changed; found once, and remembered with their copies.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from app.own_facts import Stacking
from app.points.earning import whys
from app.points.earning.campaigns import judging
from app.points.earning.campaigns.copies import TRIGGERS, Copies, Copy
from app.points.earning.campaigns.judging import FIRES, Circumstances, Reason
from app.points.earning.rules import Frozen, Tier

NEAR_SECONDS = 3 * 86_400.0  # a campaign that ended or begins so near is told of as not counting
DECIDED_MAX = 1_000  # remembered of a plan
PLANS_MAX = 64  # of a shop
ORDINALS = frozenset({"first_order", "nth_order"})
GROUPS = frozenset({"segments", "tags"})


class Decided(NamedTuple):
    """What campaigns that depend on the customer alone make of a rule."""

    before: Frozen
    after: Frozen
    text: str  # of `after`, as it is stored
    reasons: list[Reason]  # of those that do not count
    why: dict[str, Any]  # the same, as rows of the ledger tell it


@dataclass(slots=True)
class Plan:
    """The campaigns an order placed then could be for, by what they depend on."""

    steady: list[Copy] = field(default_factory=list)  # on whom they are for alone
    others: list[Copy] = field(default_factory=list)  # on the order as well
    reasons: list[Reason] = field(default_factory=list)  # of those that cannot count then
    stacking: Stacking = field(default_factory=Stacking)
    newest: int = 0
    names: frozenset[str] = frozenset()  # of groups and tiers that the steady ones are for
    asks_groups: bool = False
    asks_ordinal: bool = False
    collections: list[str] = field(default_factory=list)
    limited: list[Copy] = field(default_factory=list)  # with a cap, a budget, or a goal in all
    _decided: dict[tuple[int, frozenset[str], Tier | None], Decided] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not (self.steady or self.others or self.reasons)

    def decide(self, before: Frozen, found: Circumstances) -> Decided:
        """What the steady ones do for a customer: most orders of a shop come to one of a few
        decisions.
        """
        key = (id(before), self.names & found.names, found.tier)
        known = self._decided.get(key)
        if known is None or known.before is not before:
            frozen, reasons = judging.steady(before, self.steady, self.stacking, found)
            frozen = replace(frozen, until=self.newest)
            text = msgspec.json.encode(frozen, order="deterministic").decode()
            reasons = [*reasons, *self.reasons]
            known = Decided(before, frozen, text, reasons, whys.not_counted(reasons))
            if len(self._decided) >= DECIDED_MAX:
                self._decided.clear()
            self._decided[key] = known
        return known


def at(copies: Copies, placed: float) -> Plan:
    """The plan for orders placed then."""
    if not copies.moments:
        copies.moments = _moments(copies)
    place = bisect_right(copies.moments, placed)
    plan = copies.plans.get(place)
    if plan is None:
        if len(copies.plans) >= PLANS_MAX:
            copies.plans.clear()
        plan = copies.plans[place] = made(copies, placed)
    return plan


def made(copies: Copies, placed: float, after: int = 0) -> Plan:
    """The same, of those copies alone that are newer than `after`."""
    plan = Plan(stacking=copies.stacking(placed), newest=copies.newest)
    for one in copies.at(placed):
        is_near = one.starts - NEAR_SECONDS <= placed < one.ends + NEAR_SECONDS
        is_for_orders = one.campaign.trigger in TRIGGERS and one.campaign.state != "draft"
        if not is_near or not is_for_orders or one.id <= after:
            continue
        reason = judging.by_moment(one, placed)
        if reason != FIRES:
            plan.reasons.append((one.id, reason))
        elif judging.is_steady(one):
            plan.steady.append(one)
        else:
            plan.others.append(one)
    plan.names = frozenset[str]().union(*(one.names for one in plan.steady))
    running = [*plan.steady, *plan.others]
    plan.asks_groups = any(one.campaign.audience.kind in GROUPS for one in running)
    plan.asks_ordinal = any(one.campaign.trigger in ORDINALS for one in running)
    plan.collections = sorted(
        name for one in running if one.campaign.scope == "collections" for name in one.ids
    )
    plan.limited = [
        one
        for one in plan.others
        if one.campaign.trigger == "goal_total"
        or not one.campaign.cap is one.campaign.budget is None
    ]
    return plan


def _moments(copies: Copies) -> list[float]:
    found = {at_ for at_, _ in copies.stackings} | {0.0}
    for versions in copies.campaigns:
        for one in versions:
            near = (one.starts - NEAR_SECONDS, one.ends + NEAR_SECONDS)
            found |= {one.at, one.starts, one.ends, *near}
    return sorted(found)
