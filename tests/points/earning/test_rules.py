"""The arithmetic of points, against Decimal and fractions."""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadInputError
from app.points.earning import rules
from app.points.earning.rules import Frozen, FrozenLine, Progress

amounts = st.decimals(0, 10**12, places=6).map(str) | st.decimals(0, 10**6, places=2).map(str)
rates = st.decimals(0, 10_000, places=4)
ROUNDINGS = {"down": ROUND_FLOOR, "nearest": ROUND_HALF_UP, "up": ROUND_CEILING}


@given(amounts | st.sampled_from(["1E+2", "0E-8", "-3.5", "+7", "1e-6", " 5"]))
def test_money_is_read_exactly(amount: str) -> None:
    assert Fraction(rules.micros(amount), rules.MICROS) == Fraction(Decimal(amount))
    assert Decimal(rules.amount_text(rules.micros(amount))) == Decimal(amount)


@pytest.mark.parametrize(
    "amount", ["", "ten", "NaN", "Infinity", "1.0000001", "1,000.00", "1e400", "0x10", "1\x00"]
)
def test_what_is_no_amount_is_refused(amount: str) -> None:
    with pytest.raises(BadInputError):
        rules.micros(amount)


@given(st.decimals(0, 10**7, places=4), rates, st.sampled_from(sorted(ROUNDINGS)))
def test_points_are_rounded_once_and_exactly(amount: Decimal, rate: Decimal, rounding: str) -> None:
    expected = int((amount * rate).quantize(Decimal(1), ROUNDINGS[rounding]))
    assert rules.points_for(rules.micros(str(amount)), rules.rate_units(rate), rounding) == expected


def test_an_award_too_large_to_be_true_is_refused() -> None:
    with pytest.raises(BadInputError):
        rules.points_for(rules.micros("999999999999"), rules.rate_units(Decimal(10_000)), "down")


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**12), min_size=1, max_size=8))
def test_a_split_adds_up_and_nobody_is_off_by_a_point(total: int, weights: list[int]) -> None:
    parts = rules.split(total, weights)
    assert sum(parts) == total
    if whole := sum(weights):
        assert all(
            abs(Fraction(total * weight, whole) - part) < 1
            for part, weight in zip(parts, weights, strict=True)
        )


order_lines = st.lists(
    st.tuples(st.integers(0, 4), st.decimals(0, 500, places=2), st.integers(0, 300)),
    min_size=1,
    max_size=4,
)


def frozen(lines: list[tuple[int, Decimal, int]]) -> Frozen:
    parts = [
        FrozenLine(f"l{place}", quantity, str(base), points)
        for place, (quantity, base, points) in enumerate(lines)
    ]
    whole = sum((base for _, base, _ in lines), Decimal(0))
    points = sum(points for _, _, points in lines)
    return Frozen(
        rule=1,
        rate="1",
        rounding="down",
        currency="USD",
        base=str(whole),
        points=points,
        lines=parts,
    )


@given(
    order_lines,
    st.lists(
        st.tuples(st.sampled_from(["l0", "l1", "l2", "l3", "?"]), st.integers(0, 3)), max_size=8
    ),
)
def test_what_is_taken_back_never_falls_and_never_exceeds_the_award(
    lines: Any, refunds: Any
) -> None:
    award, progress, before = frozen(lines), Progress(), 0
    for line_id, quantity in refunds:
        progress.lines[line_id] = progress.lines.get(line_id, 0) + quantity
        progress.adjustment_micros += quantity * 1_234_567
        target = rules.reversal_target(award, progress)
        assert before <= target <= award.points
        before = target
    progress.cancelled = True
    assert rules.reversal_target(award, progress) == award.points


@given(order_lines.filter(lambda lines: all(quantity for quantity, _, _ in lines)))
def test_all_lines_back_is_all_points_back_and_so_is_all_money(lines: Any) -> None:
    award = frozen(lines)
    by_lines = Progress(lines={line.line_id: line.quantity for line in award.lines})
    assert rules.reversal_target(award, by_lines) == award.points
    assert (
        rules.reversal_target(award, Progress(adjustment_micros=rules.micros(award.base)))
        == award.points
    )


def over_one_denominator(award: Frozen, progress: Progress) -> int:
    """`reversal_target` as it was written first: plainly right, and quadratic in lines."""
    by_lines, money_times, common = 0, 0, 1
    for line in award.lines:
        quantity = min(progress.lines.get(line.line_id, 0), line.quantity)
        if quantity <= 0:
            continue
        by_lines += line.points * quantity // line.quantity
        base = max(0, rules.micros(line.base))
        money_times = money_times * line.quantity + base * quantity * common
        common *= line.quantity
    base_micros = rules.micros(award.base)
    if money_times + progress.adjustment_micros * common >= base_micros * common:
        return award.points
    by_amount = award.points * progress.adjustment_micros // base_micros
    return min(award.points, by_lines + by_amount)


@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.decimals(-1, 50, places=2), st.integers(0, 50)),
        min_size=1,
        max_size=30,
    ),
    st.lists(st.integers(0, 60), min_size=30, max_size=30),
    st.integers(0, 20_000_000) | st.none(),
)
def test_a_reversal_is_what_one_common_denominator_says(
    lines: Any, quantities: list[int], adjustment: int | None
) -> None:
    award = frozen(lines)
    progress = Progress(lines={f"l{place}": back for place, back in enumerate(quantities)})
    if adjustment is None:  # exactly what is missing, and one millionth less
        missing = rules.micros(award.base) - sum(
            Fraction(max(0, rules.micros(line.base)) * min(back, line.quantity), line.quantity)
            for line, back in zip(award.lines, quantities, strict=False)
            if line.quantity
        )
        progress.adjustment_micros = max(0, -(-missing.numerator // missing.denominator))
        expected = over_one_denominator(award, progress)
        assert rules.reversal_target(award, progress) == expected
        progress.adjustment_micros = max(0, progress.adjustment_micros - 1)
    else:
        progress.adjustment_micros = adjustment
    assert rules.reversal_target(award, progress) == over_one_denominator(award, progress)


@given(
    st.lists(st.tuples(st.integers(0, 10**15), st.integers(1, 10**9)), max_size=20),
    st.integers(-10, 10**15) | st.none(),
)
def test_fractions_add_up_exactly(fractions: list[tuple[int, int]], wanted: int | None) -> None:
    whole = sum((Fraction(*one) for one in fractions), Fraction(0))
    if wanted is None:
        wanted = -(-whole.numerator // whole.denominator)
    assert rules.adds_up(fractions, wanted) == (whole >= wanted)


def test_fractions_that_add_up_to_a_whole_do_so_however_many_places_that_takes() -> None:
    primes = [2**31 - 1, 2**61 - 1, 2**89 - 1, 2**107 - 1]
    for prime in primes:
        parts = [(1, prime), (prime - 2, prime), (1, prime)]
        assert rules.adds_up(parts, 1)
        hair = (1, prime * 2**200)
        assert rules.adds_up([*parts, (hair[1] - 1, hair[1]), hair], 2)
        assert not rules.adds_up([*parts, (hair[1] - 1, hair[1])], 2)


def test_ten_thousand_lines_of_as_many_quantities_are_taken_back_exactly() -> None:
    lines = [(quantity, Decimal("9.99"), 9) for quantity in range(1, 10_001)]
    award = frozen(lines)
    progress = Progress(lines={line.line_id: line.quantity for line in award.lines})
    assert rules.reversal_target(award, progress) == award.points
    half = Progress(lines={line.line_id: line.quantity // 2 for line in award.lines})
    assert rules.reversal_target(award, half) == sum(
        9 * (quantity // 2) // quantity for quantity, _, _ in lines
    )
