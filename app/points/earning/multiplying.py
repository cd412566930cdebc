"""How what multiplies an order's points goes together: campaigns and the tier, as one factor."""

from collections.abc import Sequence
from typing import NamedTuple

FACTOR_UNITS = 10_000  # of a factor: four decimals
TIER = 0  # stands for the tier where copies of campaigns are named
Steps = tuple[tuple[int, int], ...]  # a copy, and what all up to it multiplies by; 0: it adds none


class Multiplier(NamedTuple):
    """What multiplies: a copy or the tier, by how much, which lines, and the most it gives."""

    copy: int
    units: int
    lines: tuple[str, ...] | None = None
    most: int | None = None


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


def steps(policy: str, most_units: int, multipliers: Sequence[Multiplier]) -> Steps:
    """What each of those that multiply all of any order makes of it together with those before
    it: the same for every order.
    """
    found, counting, covered = list[tuple[int, int]](), list[int](), FACTOR_UNITS
    for one in multipliers:
        if policy == "best_of" and one.units <= covered:
            found.append((one.copy, 0))
            continue
        counting.append(one.units)
        covered = one.units
        found.append((one.copy, combined(policy, most_units, counting)))
    return (*found,)
