"""The arithmetic of points, pure and exact: awards, their split, reversals, clawback and expiry."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

import msgspec

from app import calendar
from app.errors import BadInputError

MICROS = (
    1_000_000  # money is an integer of millionths while we compute: exact, and faster than Decimal
)
RATE_UNITS = 10_000  # a rate has four decimals
PLACES = 96  # binary places in which sums are compared before they are added exactly
POINTS_MAX = 1_000_000_000_000  # of one award; what is above is a mistake, not an order
QUANTITY_MAX = 1_000_000_000
ROUNDINGS = ("down", "nearest", "up")
POLICIES = ("pending_only", "within_balance", "debt")
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
    state: str = "live"  # draft | live | paused: only a live programme gives points


class FrozenLine(msgspec.Struct, frozen=True):
    """One order line as it earned; `base` is its net amount as text in the order's currency."""

    line_id: str
    quantity: int
    base: str
    points: int


class Frozen(msgspec.Struct, frozen=True, kw_only=True):
    """What an award was computed from, stored as JSON with it; a refund reads this and nothing
    of today.
    """

    rule: int
    rate: str
    rounding: str
    currency: str
    base: str
    points: int
    lines: list[FrozenLine]
    excluded: list[str] = []  # gift-card lines
    tier: str | None = None
    campaign: str | None = None


class Progress(msgspec.Struct):
    """How much of an order has been taken back so far: quantity a line, money without lines,
    all of it.
    """

    lines: dict[str, int] = {}
    adjustment_micros: int = 0
    cancelled: bool = False


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
        whole, fraction = plain.groups()
        if fraction is None:
            return int(whole) * MICROS
        return int(whole + fraction) * _SCALES[len(fraction)]
    try:
        exact = Decimal(amount) * MICROS
        if exact == exact.to_integral_value() and abs(exact) < 10**21:
            return int(exact)
    except (InvalidOperation, ValueError, OverflowError):
        pass
    raise BadInputError("An amount is not a number with at most six decimals.")


def amount_text(value_micros: int) -> str:
    """Millionths as a decimal text with two decimals at least: 49_900_000 → "49.90"."""
    whole, fraction = divmod(abs(value_micros), MICROS)
    decimals = f"{fraction:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if value_micros < 0 else ''}{whole}.{decimals}"


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


def points_for(base_micros: int, rate: int, rounding: str) -> int:
    """Points for an amount, rounded once; `rate` in ten-thousandths; nearest rounds a half up."""
    whole, rest = divmod(base_micros * rate, MICROS * RATE_UNITS)
    if rest and (rounding == "up" or (rounding == "nearest" and rest * 2 >= MICROS * RATE_UNITS)):
        whole += 1
    if whole > POINTS_MAX:
        raise BadInputError(f"An order cannot earn more than {POINTS_MAX} points.")
    return whole


def split(total: int, weights: Sequence[int]) -> list[int]:
    """`total` in parts proportional to `weights` (≥ 0), adding up exactly: the largest
    remainders get one more.
    """
    if len(weights) == 1:
        return [total]
    whole = sum(weights)
    if whole == 0:
        return [total if index == 0 else 0 for index in range(len(weights))]
    parts = [total * weight // whole for weight in weights]
    missing = total - sum(parts)
    if missing:
        by_remainder = sorted(
            range(len(weights)), key=lambda index: -(total * weights[index] % whole)
        )
        for index in by_remainder[:missing]:
            parts[index] += 1
    return parts


def reversal_target(frozen: Frozen, progress: Progress) -> int:
    """How many of the award's points are to be back once `progress` was taken back in all.

    Depends on the cumulative state alone, so refunds add up to the same in any order and split. It
    never falls while progress grows, never exceeds the award, and is the whole award once all of
    the order's money is back.
    """
    if progress.cancelled:
        return frozen.points
    by_lines = 0
    back = []  # refunded money of each line: millionths, times one part, in so many parts
    for line in frozen.lines:
        quantity = min(progress.lines.get(line.line_id, 0), line.quantity)
        if quantity <= 0:
            continue
        by_lines += line.points * quantity // line.quantity
        back.append((max(0, micros(line.base)) * quantity, line.quantity))
    base_micros = micros(frozen.base)
    if adds_up(back, base_micros - progress.adjustment_micros):
        return frozen.points  # all of its money came back: by lines, as an amount, or partly each
    by_amount = frozen.points * progress.adjustment_micros // base_micros
    return min(frozen.points, by_lines + by_amount)


def adds_up(fractions: Sequence[tuple[int, int]], wanted: int) -> bool:
    """Whether the fractions (numerator ≥ 0, denominator > 0) add up to `wanted` at least, exactly.

    Linear in their number: one common denominator of all would grow with each of them. Only where
    96 binary places cannot tell a sum from `wanted`, which takes a sum that hits it, the fractions
    are added as such, in pairs, so that few numbers grow long.
    """
    rests: dict[int, int] = {}
    whole = 0
    for numerator, denominator in fractions:
        rests[denominator] = rests.get(denominator, 0) + numerator
    for denominator, numerator in rests.items():
        whole += numerator // denominator
        rests[denominator] = numerator % denominator
    short = (wanted - whole) << PLACES
    at_least = sum((rest << PLACES) // denominator for denominator, rest in rests.items())
    if at_least >= short:
        return True
    if at_least + len(rests) <= short:
        return False  # each was rounded down by less than one
    numerator, denominator = _sum([(rest, below) for below, rest in rests.items() if rest])
    return numerator >= (wanted - whole) * denominator


def _sum(fractions: list[tuple[int, int]]) -> tuple[int, int]:
    while len(fractions) > 1:
        odd = fractions[-1:] if len(fractions) % 2 else []
        pairs = zip(fractions[::2], fractions[1::2], strict=False)
        fractions = [(a * d + c * b, b * d) for (a, b), (c, d) in pairs] + odd
    return fractions[0] if fractions else (0, 1)


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
