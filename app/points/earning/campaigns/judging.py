"""Whether a campaign fires for an order, and why not: pure, on what was loaded for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from msgspec.structs import replace

from app.own_facts import Stacking
from app.points.earning import worth
from app.points.earning.campaigns.copies import TRIGGERS, Copies, Copy, most_units
from app.points.earning.rules import Bonus, Frozen, Known, Line, Tier

NEAR_SECONDS = 3 * 86_400.0  # a campaign that ended or begins so near is told of as not counting
FIRES = ""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Where = Mapping[str, frozenset[str]]  # the collections of a product, of those asked about
Reason = tuple[str, str]  # a campaign's name, and a key of `sentences`


@dataclass(slots=True)
class Circumstances:
    """What is known of an order's customer, as of the moment it was placed."""

    names: frozenset[str] = frozenset()  # of segments and tags
    tier: Tier | None = None
    ordinal: int = 1  # the customer's first order that earns, second ...
    spent: Mapping[str, int] | None = None  # before it, by campaign, millionths
    where: Where | None = None


def placed_at(known: Known) -> datetime:
    """When an order was placed."""
    return known.placed_at or known.paid_at or known.at or EPOCH


def moment(known: Known) -> float:
    """The same as seconds since 1970."""
    return placed_at(known).timestamp()


def in_force(copies: Copies, placed: float) -> list[Copy]:
    """The campaigns an order placed then could be for: near its window, and for orders. Shopify
    tells whole seconds, and what came into force within that one counts.
    """
    at = placed + 0.999_999 if placed.is_integer() else placed
    return [
        one
        for one in copies.at(at)
        if one.campaign.trigger in TRIGGERS
        and one.campaign.state != "draft"
        and one.starts - NEAR_SECONDS <= placed < one.ends + NEAR_SECONDS
    ]


def decided(
    before: Frozen,
    known: Known,
    candidates: Sequence[Copy],
    stacking: Stacking,
    found: Circumstances,
    left: Mapping[int, int | None],
) -> tuple[Frozen, list[Reason]]:
    """`before` with the bonuses of the campaigns that fire, and which do not and why. `left` is
    what a campaign may still give, by its copy.
    """
    placed = moment(known)
    bonuses, reasons, goals = [], [], []
    for one in candidates:
        lines = scope(one, known.lines, found.where or {}, before)
        reason = _reason(one, placed, known, before, lines, found)
        if one.campaign.trigger == "goal_total" and reason in {FIRES, "goal"}:
            goals.append(one.campaign.campaign_id)
        if reason == FIRES and left.get(one.id) == 0:
            reason = "used_up"
        if reason == FIRES:
            bonuses.append(_bonus(one, known, before, lines))
        else:
            reasons.append((one.campaign.name, reason))
    after = replace(
        before,
        bonuses=(*before.bonuses, *bonuses),
        goals=(*before.goals, *goals),
        tier=found.tier if before.tier is None else before.tier,
        policy=stacking.policy if not before.bonuses else before.policy,
        most_units=most_units(stacking) if not before.bonuses else before.most_units,
    )
    return _without_beaten(after, bonuses, reasons)


def _without_beaten(
    after: Frozen, fresh: Sequence[Bonus], reasons: list[Reason]
) -> tuple[Frozen, list[Reason]]:
    """Where the best one counts, what a better one without limits covers wholly is not kept."""
    if after.policy != "best_of":
        return after, reasons
    covering = [
        one.units
        for one in after.bonuses
        if one.effect == "multiply" and one.lines is None and one.cap is one.budget is None
    ]
    if after.tier is not None:
        covering.append(after.tier.units)
    best, kept, is_taken = (
        max(covering, default=0),
        [],
        after.tier is not None and (after.tier.units == max(covering)),
    )
    for one in after.bonuses:
        if one not in fresh or one.effect == "add" or one.units > best:
            kept.append(one)
        elif (
            one.units == best
            and one.lines is None
            and one.cap is one.budget is None
            and (not is_taken)
        ):
            kept.append(one)
            is_taken = True
        else:
            reasons.append((one.name, "beaten"))
    return replace(after, bonuses=(*kept,)), reasons


def _reason(
    one: Copy,
    placed: float,
    known: Known,
    frozen: Frozen,
    lines: tuple[str, ...] | None,
    found: Circumstances,
) -> str:
    campaign = one.campaign
    checks = (
        ("early", placed < one.starts),
        ("late", placed >= one.ends or campaign.state == "ended"),
        ("paused", not one.is_live),
        (campaign.audience.kind, not is_for(one, found)),
        (campaign.scope, lines == ()),
        ("not_first", campaign.trigger == "first_order" and found.ordinal != 1),
        ("not_nth", campaign.trigger == "nth_order" and found.ordinal != campaign.nth),
    )
    for reason, is_so in checks:
        if is_so:
            return reason
    if campaign.trigger not in {"goal_order", "goal_total"}:
        return FIRES
    before = 0
    if campaign.trigger == "goal_total":
        before = (found.spent or {}).get(campaign.campaign_id, 0)
    if before and before >= one.goal:
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


def _bonus(one: Copy, known: Known, frozen: Frozen, lines: tuple[str, ...] | None) -> Bonus:
    campaign = one.campaign
    of = 0
    if campaign.effect == "add":
        of = spending(known, frozen, lines)
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
