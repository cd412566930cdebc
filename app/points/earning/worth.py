"""What an order is worth as it is known: exact fractions of what stands and is paid, and the points
for them, those of bonuses apart.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from app.points.earning import rules
from app.points.earning.rules import (
    NONE,
    Amount,
    Back,
    Bonus,
    Frozen,
    Known,
    Line,
)

FACTOR_UNITS = 10_000  # of a factor: four decimals
TIER = 0  # stands for the tier where copies of campaigns are named


class Worth(NamedTuple):
    """What an order is to have given: in all, without bonuses, and what each bonus adds, by its
    copy; `base` is the merchandise that is the reason.
    """

    points: int
    base: Amount
    base_points: int
    shares: tuple[tuple[int, int], ...] = ()


NOTHING = Worth(0, (0, 1), 0)


def of(
    known: Known,
    frozen: Frozen,
    rate_units: int,
    refunds: Mapping[str, Back] | None = None,
    gone: Mapping[str, int] = NONE,
) -> Worth:
    """The points an order is to have given by its frozen rule: a function of what is known alone,
    so that whatever comes back in whatever order takes back exactly what was given.
    """
    if refunds is None:
        refunds = known.refunds
    if frozen.is_plain:
        base = amount(known, refunds, frozen.returns, gone)
        points = rules.points_for(base, rate_units, frozen.rounding)
        return Worth(points, base, points)
    if frozen.outside:
        return NOTHING
    return _special(known, frozen, rate_units, refunds, gone)


def _special(
    known: Known,
    frozen: Frozen,
    rate_units: int,
    refunds: Mapping[str, Back],
    gone: Mapping[str, int],
) -> Worth:
    counted = {line.line_id: _counted(line, frozen) for line in known.lines}
    own = _units(frozen.subscription_rate) if frozen.subscription_rate else rate_units
    valued = {
        line.line_id: counted[line.line_id] * (own if line.is_subscription else rate_units)
        for line in known.lines
    }
    sent = _shipping(known, frozen, refunds)

    def standing_of(values: Mapping[str, int], times: int) -> Amount:
        goods = amount(known, refunds, frozen.returns, gone, values)
        return _sum([goods, (sent[0] * times, sent[1])]) if sent[0] else goods

    base = standing_of(counted, 1)
    points = rules.points_for(standing_of(valued, rate_units), 1, frozen.rounding)

    def reached(sources: Sequence[Multiplier]) -> int:
        by_line = {name: value * _times(frozen, sources, name) for name, value in valued.items()}
        everywhere = rate_units * _times(frozen, sources, None)
        numerator, denominator = standing_of(by_line, everywhere)
        return rules.points_for((numerator, denominator * FACTOR_UNITS), 1, frozen.rounding)

    shares = _of_multipliers(frozen, points, reached)
    for bonus in frozen.bonuses:
        if bonus.effect == "add":
            stands = base if bonus.lines is None else _of_lines(counted, bonus, standing_of)
            share = min(stands[0], bonus.of * stands[1]) * bonus.units
            share = share // (bonus.of * stands[1]) if bonus.of else 0
            shares.append((bonus.copy, share if bonus.most is None else min(share, bonus.most)))
    return Worth(points + sum(share for _, share in shares), base, points, (*shares,))


class Multiplier(NamedTuple):
    """What multiplies: a copy or the tier, by how much, which lines, and the most it gives."""

    copy: int
    units: int
    lines: tuple[str, ...] | None
    most: int | None


def _multipliers(frozen: Frozen) -> list[Multiplier]:
    """The most first: each adds what comes on top of those before it."""
    found = [
        Multiplier(one.copy, one.units, one.lines, one.most)
        for one in frozen.bonuses
        if one.effect == "multiply"
    ]
    if frozen.tier is not None:
        found.append(Multiplier(TIER, frozen.tier.units, None, None))
    return sorted(found, key=lambda one: (-one.units, one.copy))


def _of_multipliers(
    frozen: Frozen, points: int, reached: Callable[[Sequence[Multiplier]], int]
) -> list[tuple[int, int]]:
    """What each adds. Where the best one counts, one that gives no more than a cap or a budget
    left is as if it were not there for those below it.
    """
    shares, counting = [], []
    total, covered = points, FACTOR_UNITS
    is_best = frozen.policy == "best_of"
    for one in _multipliers(frozen):
        if is_best and one.units <= covered:
            shares.append((one.copy, 0))
            continue
        counting.append(one)
        share = max(0, reached(counting) - total)
        total += share
        if one.most is not None and share > one.most:
            if is_best:
                total -= share - one.most
                counting.pop()
            share = one.most
        elif one.lines is None:
            covered = one.units
        shares.append((one.copy, share))
    return shares


def combined(policy: str, most_units: int, factors: Sequence[int]) -> int:
    """Factors as one, in ten-thousandths; a product is rounded down to four decimals."""
    together = FACTOR_UNITS
    if factors and policy == "best_of":
        together = max(FACTOR_UNITS, *factors)
    elif policy == "add":
        together += sum(factor - FACTOR_UNITS for factor in factors)
    else:
        for factor in factors:
            together = together * factor // FACTOR_UNITS
    return min(together, most_units) if most_units else together


def _times(
    frozen: Frozen,
    sources: Sequence[Multiplier],
    line_id: str | None,
) -> int:
    """What a line is multiplied by; None: what no line is, such as shipping."""
    factors = [one.units for one in sources if one.lines is None or line_id in one.lines]
    return combined(frozen.policy, frozen.most_units, factors)


def _of_lines(
    counted: Mapping[str, int],
    bonus: Bonus,
    standing_of: Callable[[Mapping[str, int], int], Amount],
) -> Amount:
    lines = bonus.lines or ()
    return standing_of({name: counted[name] if name in lines else 0 for name in counted}, 0)


def standing_goods(known: Known, frozen: Frozen, lines: Sequence[str] | None = None) -> Amount:
    """What stands of the lines that earn, or of those among these, as an exact amount."""
    counted = {
        line.line_id: _counted(line, frozen) if lines is None or line.line_id in lines else 0
        for line in known.lines
    }
    goods = amount(known, None, frozen.returns, NONE, counted)
    return goods if lines is not None else _sum([goods, _shipping(known, frozen, known.refunds)])


def _counted(line: Line, frozen: Frozen) -> int:
    if line.line_id in frozen.out:
        return 0
    return line.net + line.tax if frozen.with_taxes else line.net


def _shipping(known: Known, frozen: Frozen, refunds: Mapping[str, Back]) -> Amount:
    if not (frozen.with_shipping and known.shipping):
        return 0, 1
    gross = known.shipping + known.shipping_tax
    left = max(0, gross - sum(back.shipping for back in refunds.values()))
    return (gross if frozen.with_taxes else known.shipping) * left, gross


@lru_cache(maxsize=1024)
def _units(rate: str) -> int:
    return rules.rate_units(Decimal(rate))


def amount(
    order: Known,
    refunds: Mapping[str, Back] | None = None,
    returns: str = "goods",
    gone: Mapping[str, int] = NONE,
    values: Mapping[str, int] | None = None,
) -> Amount:
    """The net merchandise of an order that stands and is paid, exactly; with `refunds`, as if of
    its refunds these alone had been, and these pieces `gone` at least.

    Depends on what is known alone, never on the order it came in. Pieces count that are neither
    back nor taken out. What is outstanding is that of the lines added last. Money given back
    beyond the worth of the pieces, netted over all refunds, takes its share of what is left, tax
    and all. `returns` says what a return without money means: by "goods" its pieces are back, by
    "money" what was not given back still counts. `values`: what each line counts with all its
    pieces, instead of its net.
    """
    if refunds is None:
        refunds = order.refunds
    if not (refunds or order.refunds or order.edits or order.outstanding):
        whole = 0
        for line in order.lines:
            if line.kept != line.quantity:
                break
            whole += line.net if values is None else values[line.line_id]
        else:
            return whole, 1
    nets: list[Amount] = []
    grosses: list[Amount] = []
    for line, pieces, paid, costs in standing(order, refunds, gone):
        value = line.net if values is None else values[line.line_id]
        whole, of = value * pieces, line.quantity
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
        taxed = sum(line.net + line.tax for line in order.lines)
        whole = sum(line.net if values is None else values[line.line_id] for line in order.lines)
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
