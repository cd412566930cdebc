"""What an order is to have given as it is known: points for what stands, and those of bonuses."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from app.points.earning import rules
from app.points.earning.multiplying import FACTOR_UNITS, Multiplier, combined
from app.points.earning.rules import NONE, Amount, Back, Bonus, Frozen, Known, Line
from app.points.earning.standing import amount, summed


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
    if frozen.is_uniform:
        return _uniform(known, frozen, rate_units, refunds, gone)
    return _special(known, frozen, rate_units, refunds, gone)


def _uniform(
    known: Known,
    frozen: Frozen,
    rate_units: int,
    refunds: Mapping[str, Back],
    gone: Mapping[str, int],
) -> Worth:
    """Where every line counts alike all of it is multiplied at once."""
    base = amount(known, refunds, frozen.returns, gone)
    points = rules.points_for(base, rate_units, frozen.rounding)
    shares = _in_steps(frozen, rate_units, base, points)
    for bonus in frozen.bonuses:
        if bonus.effect == "add":
            shares.append((bonus.copy, _added(bonus, base)))
    return Worth(points + sum(share for _, share in shares), base, points, (*shares,))


def _in_steps(frozen: Frozen, rate_units: int, base: Amount, points: int) -> list[tuple[int, int]]:
    numerator, denominator = base

    def times(factor: int) -> int:
        multiplied = (numerator * factor, denominator * FACTOR_UNITS)
        return rules.points_for(multiplied, rate_units, frozen.rounding)

    if frozen.steps is None:

        def reached(sources: Sequence[Multiplier]) -> int:
            factors = [one.units for one in sources]
            return times(combined(frozen.policy, frozen.most_units, factors))

        return _of_multipliers(frozen, points, reached)
    shares, total = [], points
    for copy, factor in frozen.steps:
        if factor and (share := times(factor) - total) > 0:
            total += share
            shares.append((copy, share))
    return shares


def _added(bonus: Bonus, stands: Amount) -> int:
    """Points that are added, for as much as still stands of what they were given for."""
    if not bonus.of:
        return 0
    whole = bonus.of * stands[1]
    share = min(stands[0], whole) * bonus.units // whole
    return share if bonus.most is None else min(share, bonus.most)


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
        return summed([goods, (sent[0] * times, sent[1])]) if sent[0] else goods

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
            shares.append((bonus.copy, _added(bonus, stands)))
    return Worth(points + sum(share for _, share in shares), base, points, (*shares,))


def _of_multipliers(
    frozen: Frozen, points: int, reached: Callable[[Sequence[Multiplier]], int]
) -> list[tuple[int, int]]:
    """What each adds. Where the best one counts, one that gives no more than a cap or a budget
    left is as if it were not there for those below it.
    """
    shares, counting = [], []
    total, covered = points, FACTOR_UNITS
    is_best = frozen.policy == "best_of"
    for one in frozen.multipliers:
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
    if lines is None and frozen.is_uniform:
        return amount(known, None, frozen.returns)
    counted = {
        line.line_id: _counted(line, frozen) if lines is None or line.line_id in lines else 0
        for line in known.lines
    }
    goods = amount(known, None, frozen.returns, NONE, counted)
    return goods if lines is not None else summed([goods, _shipping(known, frozen, known.refunds)])


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
