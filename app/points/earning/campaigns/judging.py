"""Whether a campaign fires for an order, and why not: pure, on what was loaded for it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from msgspec.structs import replace

from app.own_facts import Stacking
from app.points.earning import worth
from app.points.earning.campaigns.copies import Copy, most_units
from app.points.earning.rules import Bonus, Frozen, Known, Line, Tier

FIRES = ""
GOALS = frozenset({"goal_order", "goal_total"})  # by what an order was when it was placed
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Where = Mapping[str, frozenset[str]]  # the collections of a product, of those asked about
Reason = tuple[int, str]  # the copy of a campaign, and a key of `bonus_sentences`


@dataclass(slots=True)
class Circumstances:
    """What is known of an order's customer, as of the moment it was placed."""

    names: frozenset[str] = frozenset()  # of segments and tags
    tier: Tier | None = None
    ordinal: int = 1  # the customer's first order that earns, second ...
    spent: Mapping[str, int] | None = None  # before it, by campaign, millionths
    reached: Collection[str] = ()  # campaigns whose goal gave them points that stand
    where: Where | None = None


def placed_at(known: Known) -> datetime:
    """When an order was placed."""
    return known.placed_at or known.paid_at or known.at or EPOCH


def by_moment(one: Copy, placed: float) -> str:
    """Why a campaign does not count for what was placed then, whatever it is; or FIRES."""
    if placed < one.starts:
        return "early"
    if placed >= one.ends or one.campaign.state == "ended":
        return "late"
    return FIRES if one.is_live else "paused"


def is_steady(one: Copy) -> bool:
    """Whether whom it is for decides alone: it multiplies all of any order, without limits."""
    campaign = one.campaign
    return (
        campaign.effect == "multiply"
        and campaign.trigger == "order"
        and campaign.scope == "all"
        and campaign.cap is campaign.budget is None
    )


def steady(
    before: Frozen, copies: Sequence[Copy], stacking: Stacking, found: Circumstances
) -> tuple[Frozen, list[Reason]]:
    """`before` with the tier, and with those of these steady campaigns that are for the customer
    and, where the best one counts, no better one covers; the others with the reason.
    """
    counting: list[Copy] = []
    reasons: list[Reason] = []
    for one in copies:
        if is_for(one, found):
            counting.append(one)
        else:
            reasons.append((one.id, one.campaign.audience.kind))
    if stacking.policy == "best_of" and counting:
        best = max(counting, key=lambda one: (one.units, -one.id))
        is_kept = found.tier is None or found.tier.units < best.units
        kept = [best] if is_kept else []
        kept_ids = {one.id for one in kept}
        reasons += [(one.id, "beaten") for one in counting if one.id not in kept_ids]
        counting = kept
    after = replace(
        before,
        bonuses=tuple(_bonus(one, None, 0) for one in counting),
        tier=found.tier,
        policy=stacking.policy,
        most_units=most_units(stacking),
    )
    return after, reasons


def added(
    before: Frozen,
    known: Known,
    copies: Sequence[Copy],
    found: Circumstances,
    left: Mapping[int, int | None],
) -> tuple[Frozen, list[Reason]]:
    """`before` with those of these campaigns that fire for the order itself, and the others with
    the reason. `left` is what a campaign may still give, by its copy.
    """
    bonuses, reasons, goals, goal_lines = [], [], [], dict(before.goal_lines)
    best = covered(before)
    for one in copies:
        lines = scope(one, known.lines, found.where or {}, before)
        reason = _reason(one, known, before, lines, found)
        if one.campaign.trigger == "goal_total" and reason in {FIRES, "goal"}:
            goals.append(one.campaign.campaign_id)
            if lines is not None:
                goal_lines[one.campaign.campaign_id] = lines
        if reason == FIRES and left.get(one.id) == 0:
            reason = "used_up"
        if reason == FIRES and one.campaign.effect == "multiply" and one.units <= best:
            reason = "beaten"
        if reason == FIRES:
            adds = one.campaign.effect == "add"
            bonuses.append(_bonus(one, lines, spending(known, before, lines) if adds else 0))
        else:
            reasons.append((one.id, reason))
    if not bonuses and not goals:
        return before, reasons
    after = replace(
        before,
        bonuses=(*before.bonuses, *bonuses),
        goals=(*before.goals, *goals),
        goal_lines=(*goal_lines.items(),),
    )
    return after, reasons


def extended(
    before: Frozen, known: Known, judged: frozenset[str], copies: Sequence[Copy], where: Where
) -> tuple[Frozen, list[Copy]]:
    """`before` with lines that came later in the bonuses of campaigns that are for their products;
    and those of these campaigns that had nothing of the order so far (`judged`) and have now.
    """
    given = {one.copy: one for one in before.bonuses if one.lines is not None}
    goals = dict(before.goal_lines)
    fresh: list[Copy] = []
    for one in copies:
        lines = scope(one, known.lines, where, before) or ()
        bonus, counted = given.get(one.id), goals.get(one.campaign.campaign_id)
        if counted is not None:
            goals[one.campaign.campaign_id] = (*dict.fromkeys([*counted, *lines]),)
        if bonus is not None:
            given[one.id] = replace(bonus, lines=(*dict.fromkeys([*(bonus.lines or ()), *lines]),))
        elif one.campaign.trigger not in GOALS and lines and judged.isdisjoint(lines):
            fresh.append(one)
    bonuses = tuple(given.get(one.copy, one) for one in before.bonuses)
    goal_lines = (*goals.items(),)
    if (bonuses, goal_lines) == (before.bonuses, before.goal_lines):
        return before, fresh
    return replace(before, bonuses=bonuses, goal_lines=goal_lines), fresh


def covered(frozen: Frozen) -> int:
    """Where the best one counts: what everything is multiplied by already."""
    if frozen.policy != "best_of":
        return 0
    covering = [
        one.units
        for one in frozen.bonuses
        if one.effect == "multiply" and one.lines is None and one.cap is one.budget is None
    ]
    return max([*covering, frozen.tier.units if frozen.tier else 0])


def _reason(
    one: Copy,
    known: Known,
    frozen: Frozen,
    lines: tuple[str, ...] | None,
    found: Circumstances,
) -> str:
    campaign = one.campaign
    if not is_for(one, found):
        return campaign.audience.kind
    if lines == ():
        return campaign.scope
    if campaign.trigger == "order":
        return FIRES
    if campaign.trigger == "first_order":
        return FIRES if found.ordinal == 1 else "not_first"
    return _number_or_goal(one, known, frozen, lines, found)


def _number_or_goal(
    one: Copy,
    known: Known,
    frozen: Frozen,
    lines: tuple[str, ...] | None,
    found: Circumstances,
) -> str:
    campaign, before = one.campaign, 0
    if campaign.trigger == "nth_order":
        return FIRES if found.ordinal == campaign.nth else "not_nth"
    if campaign.trigger == "goal_total":
        before = (found.spent or {}).get(campaign.campaign_id, 0)
        if campaign.campaign_id in found.reached or (before and before >= one.goal):
            return "goal_reached"
    return FIRES if before + spending(known, frozen, lines) >= one.goal else "goal"


def is_for(one: Copy, found: Circumstances) -> bool:
    """Whether a customer belongs to whom a campaign is for."""
    if one.campaign.audience.kind == "everyone":
        return True
    if one.campaign.audience.kind == "tiers":
        return found.tier is not None and found.tier.tier_id in one.names
    return not one.names.isdisjoint(found.names)


def spending(known: Known, frozen: Frozen, lines: tuple[str, ...] | None = None) -> int:
    """What of an order counts for a goal: whole millionths of what stands and earns."""
    numerator, denominator = worth.standing_goods(known, frozen, lines)
    return numerator // denominator


def scope(one: Copy, lines: Sequence[Line], where: Where, frozen: Frozen) -> tuple[str, ...] | None:
    """The lines a campaign counts; None for all of an order."""
    if one.campaign.scope == "all":
        return None
    return tuple(
        line.line_id
        for line in lines
        if line.line_id not in frozen.out and _is_for(one, line.product_id, where)
    )


def _is_for(one: Copy, product_id: str, where: Where) -> bool:
    if one.campaign.scope == "products":
        return product_id in one.ids
    return not where.get(product_id, frozenset()).isdisjoint(one.ids)


def _bonus(one: Copy, lines: tuple[str, ...] | None, of: int) -> Bonus:
    campaign = one.campaign
    return Bonus(
        one.id,
        campaign.campaign_id,
        campaign.version,
        campaign.name,
        campaign.effect,
        one.units,
        lines,
        of,
        campaign.cap,
        campaign.budget,
    )
