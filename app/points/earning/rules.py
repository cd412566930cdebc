"""The arithmetic of points, pure and exact: what an order is worth, clawback and expiry."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

import msgspec

from app import calendar
from app.errors import BadInputError

# money is an integer of millionths while we compute: exact, and faster than Decimal
MICROS = 1_000_000
RATE_UNITS = 10_000  # a rate has four decimals
Amount = tuple[int, int]  # millionths as a fraction: numerator, and denominator above 0
POINTS_MAX = 1_000_000_000_000  # of one award; what is above is a mistake, not an order
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


class Frozen(msgspec.Struct, frozen=True, omit_defaults=True):
    """The rule a grant is computed by, whatever becomes of its order: that of the order's time."""

    rule: int
    rate: str
    rounding: str
    returns: str = "goods"


class Line(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A line of an order that earns; money in millionths, of all its pieces together."""

    line_id: str
    quantity: int
    kept: int  # of them, as the order itself says
    net: int
    tax: int


class Back(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a refund brings back: pieces by line, and money beyond them (below 0) or less (above),
    tax and all, in millionths.
    """

    lines: dict[str, int] = {}
    adjustment: int = 0


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


def worth(
    order: Known,
    refunds: Mapping[str, Back] | None = None,
    returns: str = "goods",
    gone: Mapping[str, int] = NONE,
) -> Amount:
    """The net merchandise of an order that stands and is paid, exactly; with `refunds`, as if of
    its refunds these alone had been, and these pieces `gone` at least.

    Depends on what is known alone, never on the order it came in. Pieces count that are neither
    back nor taken out. What is outstanding is that of the lines added last. Money given back
    beyond the worth of the pieces, netted over all refunds, takes its share of what is left, tax
    and all. `returns` says what a return without money means: by "goods" its pieces are back, by
    "money" what was not given back still counts.
    """
    if refunds is None:
        refunds = order.refunds
    if not (refunds or order.refunds or order.edits or order.outstanding):
        whole = 0
        for line in order.lines:
            if line.kept != line.quantity:
                break
            whole += line.net
        else:
            return whole, 1
    nets: list[Amount] = []
    grosses: list[Amount] = []
    for line, pieces, paid, costs in standing(order, refunds, gone):
        whole, of = line.net * pieces, line.quantity
        is_part = paid < costs
        nets.append((whole * paid, of * costs) if is_part else (whole, of))
        grosses.append((paid, 1) if is_part else ((line.net + line.tax) * pieces, of))
    net = _sum(nets)
    adjustment = sum(back.adjustment for back in refunds.values())
    given = -adjustment - order.owed
    if given > 0:
        gross = _sum(grosses)
        left = gross[0] - given * gross[1]
        return (net[0] * left, net[1] * gross[0]) if left > 0 else (0, 1)
    if returns == "money" and adjustment > 0:
        whole = sum(line.net for line in order.lines)
        taxed = whole + sum(line.tax for line in order.lines)
        return _sum([net, (min(adjustment, taxed) * whole, taxed)]) if taxed else net
    return net


def standing(
    order: Known, refunds: Mapping[str, Back], gone: Mapping[str, int] = NONE
) -> Iterator[tuple[Line, int, int, int]]:
    """What stands and is paid, the last lines first: a line, its pieces, what is paid and costs."""
    back, outstanding = pieces_gone(order, refunds), max(0, order.outstanding)
    for line in reversed(order.lines):
        off = max(back.get(line.line_id, 0), gone.get(line.line_id, 0))
        pieces = max(0, line.quantity - off)
        costs = -(-(line.net + line.tax) * pieces // line.quantity)
        paid = max(0, costs - outstanding)
        outstanding -= costs - paid
        if paid:
            yield line, pieces, paid, costs


def pieces_gone(order: Known, refunds: Mapping[str, Back]) -> dict[str, int]:
    """Pieces that are no more, by line.

    Shopify keeps a record of a refund for pieces that an edit takes out, too; what the order itself
    or its edits say beyond the records known here counts as well, once.
    """
    back, every = _count(refunds), _count(order.refunds)
    edited = _count({name: Back(lines) for name, lines in order.edits.items()})
    for line in order.lines:
        told = max(line.quantity - line.kept, edited.get(line.line_id, 0))
        if (beyond := told - every.get(line.line_id, 0)) > 0:
            back[line.line_id] = back.get(line.line_id, 0) + beyond
    return back


def _count(refunds: Mapping[str, Back]) -> dict[str, int]:
    pieces: dict[str, int] = {}
    for back in refunds.values():
        for line_id, quantity in back.lines.items():
            pieces[line_id] = pieces.get(line_id, 0) + quantity
    return pieces


def _sum(fractions: list[Amount]) -> Amount:
    """Exactly, and linear in their number where denominators repeat: those are added first, the
    others in pairs, so that few numbers grow long.
    """
    by_denominator: dict[int, int] = {}
    for numerator, denominator in fractions:
        by_denominator[denominator] = by_denominator.get(denominator, 0) + numerator
    whole = by_denominator.pop(1, 0)
    rests = []
    for denominator, numerator in by_denominator.items():
        whole += numerator // denominator
        if rest := numerator % denominator:
            rests.append((rest, denominator))
    while len(rests) > 1:
        odd = rests[-1:] if len(rests) % 2 else []
        pairs = zip(rests[::2], rests[1::2], strict=False)
        rests = [(a * d + c * b, b * d) for (a, b), (c, d) in pairs] + odd
    numerator, denominator = rests[0] if rests else (0, 1)
    return whole * denominator + numerator, denominator


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
