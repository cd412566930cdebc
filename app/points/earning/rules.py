"""The arithmetic of points, pure and exact: the shapes it works on, rates, clawback and expiry."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

import msgspec

from app import calendar
from app.errors import BadInputError
from app.once import once
from app.points.earning import multiplying
from app.points.earning.multiplying import TIER, Multiplier, Steps

# money is an integer of millionths while we compute: exact, and faster than Decimal
MICROS = 1_000_000
RATE_UNITS = 10_000  # a rate has four decimals
Amount = tuple[int, int]  # millionths as a fraction: numerator, and denominator above 0
POINTS_MAX = 1_000_000_000_000  # of one award; what is above is a mistake
QUANTITY_MAX = 1_000_000_000
ROUNDINGS = ("down", "nearest", "up")
POLICIES = ("pending_only", "within_balance", "debt")
RETURNS = ("goods", "money")
NONE: Mapping[str, int] = {}
_SCALES = (1_000_000, 100_000, 10_000, 1_000, 100, 10, 1)  # by the number of decimals given
_PLAIN_AMOUNT = re.compile(r"(-?\d{1,15})(?:\.(\d{1,6}))?", re.ASCII)


class Terms(NamedTuple):
    """A programme version as the arithmetic needs it; `rate_units` is points a unit of
    currency, times 10,000.
    """

    version: int
    rate_units: int
    rounding: str
    pending_days: int
    expiry_days: int | None
    clawback: str
    timezone: str
    returns: str = "goods"
    since: datetime | None = None  # when it came into force
    state: str = "live"  # draft | live | paused: only a live programme gives points
    order_terms: str = ""  # JSON of OrderTerms, empty for those of a shop that chose none
    newest_copy: int = 0  # of the shop's campaigns, and when we learned of it
    copied_at: datetime | None = None


class Bonus(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a version of a campaign does for an order, frozen with its award."""

    copy: int  # the row of our copy
    campaign_id: str
    version: int
    name: str
    effect: str  # multiply | add
    units: int  # times, in ten-thousandths; or points
    lines: tuple[str, ...] | None = None  # those it counts; None: all, also what comes later
    of: int = 0  # millionths of these that stood when points were added
    cap: int | None = None  # points a customer gets from the campaign at most
    budget: int | None = None  # points it gives at most
    most: int | None = None  # of this order, where a cap or a budget left no more


class Tier(msgspec.Struct, frozen=True, omit_defaults=True, cache_hash=True):
    """The tier of an order's customer at its time, and what it multiplies by."""

    tier_id: str
    name: str
    version: int
    units: int  # ten-thousandths


class Frozen(msgspec.Struct, frozen=True, omit_defaults=True, dict=True):
    """The rule a grant is computed by, whatever becomes of its order: that of the order's time.
    Many orders share one, so that what follows from it is found once.
    """

    rule: int
    rate: str
    rounding: str
    returns: str = "goods"
    outside: str = ""  # why the whole order earns nothing: tag | channel | b2b
    out: tuple[str, ...] = ()  # lines that earn nothing
    subscription_rate: str = ""  # of subscription lines; empty: the rate
    with_shipping: bool = False
    with_taxes: bool = False
    until: int = 0  # the newest copy of a campaign that was asked
    bonuses: tuple[Bonus, ...] = ()
    goals: tuple[str, ...] = ()  # campaigns for whose goal its merchandise counts
    goal_lines: tuple[tuple[str, tuple[str, ...]], ...] = ()  # of those that count some alone
    tier: Tier | None = None
    policy: str = "best_of"  # how what multiplies goes together
    most_units: int = 0  # all of it together at most; 0: no limit

    @once
    def is_plain(self) -> bool:
        """Whether every line counts alike, and nothing is added."""
        return not (self.bonuses or self.tier or self.outside) and self.is_uniform

    @once
    def is_uniform(self) -> bool:
        """Whether every line counts alike, for bonuses too."""
        return not (
            self.out
            or self.subscription_rate
            or self.with_shipping
            or self.with_taxes
            or any(one.lines is not None for one in self.bonuses)
        )

    @once
    def is_limited(self) -> bool:
        """Whether a cap or a budget counts what it gives."""
        return any(not one.cap is one.budget is None for one in self.bonuses)

    @once
    def multipliers(self) -> list[Multiplier]:
        """The most first: each adds what comes on top of those before it."""
        found = [
            Multiplier(one.copy, one.units, one.lines, one.most)
            for one in self.bonuses
            if one.effect == "multiply"
        ]
        if self.tier is not None:
            found.append(Multiplier(TIER, self.tier.units))
        return sorted(found, key=lambda one: (-one.units, one.copy))

    @once
    def steps(self) -> Steps | None:
        """What they multiply by one after the other; None where it depends on the order."""
        if not self.is_uniform or any(one.most is not None for one in self.multipliers):
            return None
        return multiplying.steps(self.policy, self.most_units, self.multipliers)


class Given(msgspec.Struct, omit_defaults=True):
    """What bonuses make of what an order has given, by copy (0: the tier), and what counts for a
    campaign's goal, in millionths.
    """

    shares: dict[int, int] = {}
    goals: dict[str, int] = {}
    spent: int = 0  # for all of its goals, as earlier releases wrote


class Line(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A line of an order that earns; money in millionths, of all its pieces together."""

    line_id: str
    quantity: int
    kept: int  # of them, as the order itself says
    net: int
    tax: int
    product_id: str = ""
    is_subscription: bool = False


class Back(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a refund brings back: pieces by line, and money beyond them (below 0) or less (above),
    tax and all, in millionths.
    """

    lines: dict[str, int] = {}
    adjustment: int = 0
    shipping: int = 0  # given back of it, tax and all


class Known(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of an order, whatever facts told it: the newest that it said of itself, and of
    refunds and edits every one, by its id.
    """

    at: datetime | None = None  # as of when the order itself said the rest
    placed_at: datetime | None = None
    paid_at: datetime | None = None  # the earliest that all its money was known to be there
    customer_id: str | None = None
    customer_at: datetime | None = None  # as of when
    lines: list[Line] = []
    excluded: int = 0  # gift cards and tips
    outstanding: int = 0
    owed: int = 0  # the most that was ever owed to the customer
    currency: str = ""
    is_test: bool = False
    refunds: dict[str, Back] = {}
    edits: dict[str, dict[str, int]] = {}  # pieces taken out, by line
    said_by: int = 0  # of several facts of one second: the mark of the one that counted, or
    not_by: list[int] = []  # those of the ones that did not
    ended: str = ""  # cancelled or deleted: for good
    shipping: int = 0  # what it cost without tax
    shipping_tax: int = 0
    offs: dict[str, dict[str, int]] = {}  # what codes of ours take off, by code and line

    @property
    def counts(self) -> bool:
        """Whether it earns for somebody: paid, by a customer, and no test."""
        return self.paid_at is not None and bool(self.customer_id) and not self.is_test


class Clawback(NamedTuple):
    """Where asked-back points come from; `forgiven` is what the policy leaves with the shopper."""

    pending: int
    available: int
    debt: int
    forgiven: int


def micros(amount: str) -> int:
    """A decimal text as millionths. Raises BadInputError for what is no finite number of at
    most six decimals.
    """
    plain = _PLAIN_AMOUNT.fullmatch(amount)
    if plain is not None:
        whole, fraction = plain.groups(default="")
        return int(whole + fraction) * _SCALES[len(fraction)]
    try:
        exact = Decimal(amount) * MICROS
        if exact == exact.to_integral_value() and abs(exact) < 10**21:
            return int(exact)
    except (InvalidOperation, ValueError, OverflowError):
        pass
    raise BadInputError("An amount is not a number with at most six decimals.")


def amount_text(value_micros: int, decimals: int = 2) -> str:
    """Millionths as a decimal text with that many decimals at least: 49_900_000 → "49.90"."""
    whole, fraction = divmod(abs(value_micros), MICROS)
    places = f"{fraction:06d}".rstrip("0").ljust(decimals, "0")
    sign = "-" if value_micros < 0 else ""
    return f"{sign}{whole}.{places}" if places else f"{sign}{whole}"


def rate_text(rate_units: int) -> str:
    """10_000 → "1", 15_000 → "1.5"."""
    whole, fraction = divmod(rate_units, RATE_UNITS)
    return f"{whole}.{fraction:04d}".rstrip("0").rstrip(".")


def rate_units(rate: Decimal) -> int:
    """A rate of at most four decimals as ten-thousandths."""
    return int(rate * RATE_UNITS)


def parse_decimal(value: object, places: int, problem: str) -> Decimal:
    """A number as a person typed it. Raises BadInputError with the sentence `problem` for what is
    none, and for more than `places` decimals.
    """
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation as error:
        raise BadInputError(problem) from error
    exponent = found.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent > places:
        raise BadInputError(problem)
    return found


def points_for(base: Amount, rate: int, rounding: str) -> int:
    """Points for an amount, rounded once; `rate` in ten-thousandths; nearest rounds a half up."""
    numerator, denominator = base
    unit = MICROS * RATE_UNITS * denominator
    whole, rest = divmod(numerator * rate, unit)
    if rest and (rounding == "up" or (rounding == "nearest" and rest * 2 >= unit)):
        whole += 1
    if whole > POINTS_MAX:
        raise BadInputError(f"An order cannot earn more than {POINTS_MAX} points.")
    return whole


def clawback(asked: int, pending: int, available: int, policy: str) -> Clawback:
    """Take `asked` points back from what is `pending` of that award, then as the merchant's
    policy allows.
    """
    from_pending = min(asked, pending)
    rest = asked - from_pending
    if policy == "pending_only":
        return Clawback(from_pending, 0, 0, rest)
    from_available = min(rest, available)
    rest -= from_available
    if policy == "debt":
        return Clawback(from_pending, from_available, rest, 0)
    return Clawback(from_pending, from_available, 0, rest)


def expires_at(available_at: datetime, days: int | None, timezone: str) -> datetime | None:
    """The first instant (UTC) at which points are gone: the start of the day after `days` days,
    merchant's time.

    Half-open: at that instant they are no longer there. A day that starts late because clocks jump
    over midnight starts when they have jumped.
    """
    if days is None:
        return None
    return calendar.start_of_day(
        available_at.astimezone(calendar.zone(timezone)).date() + timedelta(days=days + 1), timezone
    )
