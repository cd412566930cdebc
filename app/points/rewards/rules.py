"""What rewards are, pure: kinds, conditions, choosing how many points, and how many come back with
an order.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from app.errors import BadInputError
from app.facts import Moment
from app.points.earning import standing
from app.points.earning.rules import Amount, Back, Known

MONEY_KINDS = ("amount_off", "free_product", "store_credit", "gift_card")  # worth an amount
CODE_KINDS = ("amount_off", "percent_off", "free_shipping", "free_product")  # a discount code
CHOSEN_KINDS = ("amount_off", "percent_off", "store_credit", "gift_card")  # as many as one likes
KINDS = ("amount_off", "percent_off", "free_shipping", "free_product", "store_credit", "gift_card")
DISCOUNTS = ("order", "product", "shipping")


class Choose(msgspec.Struct, frozen=True):
    """The shopper says how many points; each `points_per_unit` of them give one `unit`."""

    points_per_unit: int
    unit: str  # money, or percent, as a decimal
    least: int
    most: int
    step: int


class Details(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a reward is besides its name, kind, cost and amount; redemptions keep theirs."""

    percent: str = ""
    choose: Choose | None = None
    minimum: str = ""  # of the goods it is used for
    products: list[str] = []  # it counts for these alone: numbers, as text
    collections: list[str] = []
    bought: list[str] = []  # collections of which something is bought with a free product
    code_days: int | None = None  # how long a code can be used
    per_customer: int | None = None
    tiers: list[str] = []  # who may: by id; in one of them
    segments: list[str] = []
    combines_with: list[str] = []
    starts_at: Moment | None = None  # it can be had from then on, and before `ends_at`
    ends_at: Moment | None = None
    icon: str = ""  # an emoji, or the address of an image
    text: str = ""
    on_return: Literal["never", "whole", "share"] = "whole"  # of the order it was used for
    on_unused: Literal["keep", "give_back"] = "keep"  # a code whose end has come
    grace_days: int = 0  # points that come back can be spent for so long at least
    currency: str = ""  # of what was redeemed


class Wanted(NamedTuple):
    """A reward as somebody wants it; None is what was no number."""

    title: str
    kind: str
    cost: int | None
    amount_off: Decimal | None
    details: Details


class Offered(NamedTuple):
    """What the shop has, by id: rewards can be for those of them alone. None: not known now."""

    currency: str = ""
    tiers: Mapping[str, str] | None = None
    segments: Mapping[str, str] | None = None


class Chosen(NamedTuple):
    """What is redeemed: for so many points, so much."""

    points: int
    amount_off: Decimal
    percent: str


def chosen(
    kind: str, cost: int, amount_off: Decimal, details: Details, points: int | None
) -> Chosen:
    """What a reward gives for `points` (None: for what it costs). Raises BadInputError for a number
    that cannot be chosen.
    """
    choose = details.choose
    if choose is None:
        if points not in {None, cost}:
            raise BadInputError(f"This reward costs {cost:,} points.", code="wrong_points")
        return Chosen(cost, amount_off, details.percent)
    if points is None:
        raise BadInputError("Please choose how many points to use.", code="wrong_points")
    if not choose.least <= points <= choose.most:
        raise BadInputError(
            f"Please use between {choose.least:,} and {choose.most:,} points.", code="wrong_points"
        )
    if (points - choose.least) % choose.step:
        raise BadInputError(
            f"Please use {choose.least:,} points, or so many times {choose.step:,} more.",
            code="wrong_points",
        )
    worth = Decimal(choose.unit) * (points // choose.points_per_unit)
    if kind == "percent_off":
        return Chosen(points, Decimal(0), f"{worth.normalize():f}")
    return Chosen(points, worth, "")


def closed(details: Details, now: datetime) -> str:
    """Why a reward cannot be had at that moment, as a sentence; empty when it can."""
    if details.starts_at and now < details.starts_at:
        return "This reward is not there yet."
    if details.ends_at and now >= details.ends_at:
        return "This reward is over."
    return ""


def code_end(details: Details, now: datetime) -> datetime | None:
    """Until when what is made of a reward now can be used; a whole second, as Shopify keeps it."""
    if details.code_days is None:
        return None
    ends_at = now + timedelta(days=details.code_days)
    return ends_at.replace(microsecond=0)


def to_return(points: int, policy: str, gone: tuple[int, int]) -> int:
    """How many of the points come back of an order of which that share (numerator, denominator)
    is gone; rounded down.
    """
    numerator, denominator = gone
    if policy == "never" or numerator <= 0:
        return 0
    if numerator >= denominator:
        return points
    return points * numerator // denominator if policy == "share" else 0


def gone(known: Known, code: str = "", returns: str = "goods") -> tuple[int, int]:
    """Which share of what a code took off an order is gone: all of a cancelled one; else by what
    it took off the pieces that stand. Where that is not known, by their worth, or by pieces where
    the goods cost nothing. An order that is not paid yet stands.

    Which pieces stand the order itself says: a refund or an edit that is told before it may be half
    of an exchange, and points that are back are not taken again.
    """
    if known.ended:
        return 1, 1
    pieces = sum(line.quantity for line in known.lines)
    left = sum(line.kept for line in known.lines)
    if not left:
        return (1, 1) if pieces else (0, 1)
    stands = _stands(known, known.offs.get(code, {}), returns)
    if stands is None:
        return pieces - left, pieces
    numerator, denominator = stands
    return max(0, denominator - numerator), denominator


def _stands(known: Known, offs: Mapping[str, int], returns: str) -> Amount | None:
    """What stands of what a code took off, or of the worth, as a part of the whole; None where
    there is none.
    """
    told = {name: Back({}, back.adjustment) for name, back in known.refunds.items()}
    as_told = msgspec.structs.replace(known, outstanding=0, edits={}, refunds=told)
    worth = standing.amount(as_told, returns=returns)
    whole = sum(offs.get(line.line_id, 0) for line in known.lines)
    if not whole:
        whole = sum(line.net for line in known.lines)
        return (worth[0], whole * worth[1]) if whole else None
    off = standing.summed(
        [(offs.get(line.line_id, 0) * line.kept, line.quantity) for line in known.lines]
    )
    # money that was given back beyond pieces takes its share
    goods = standing.amount(msgspec.structs.replace(as_told, refunds={}), returns=returns)
    if goods[0] and worth[0] * goods[1] < goods[0] * worth[1]:
        off = (off[0] * worth[0] * goods[1], off[1] * worth[1] * goods[0])
    return off[0], whole * off[1]
