"""The arithmetic of points, against Decimal and fractions."""

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.errors import BadInputError
from app.points.earning import rules, standing
from app.points.earning.rules import Back, Known, Line

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
    base = (rules.micros(str(amount)), 1)
    assert rules.points_for(base, rules.rate_units(rate), rounding) == expected


def test_a_grant_too_large_to_be_true_is_refused() -> None:
    with pytest.raises(BadInputError):
        rules.points_for(
            (rules.micros("999999999999"), 1), rules.rate_units(Decimal(10_000)), "down"
        )


NAMES = ("l0", "l1", "l2", "l3", "?")
millionths = st.integers(0, 500_000_000)
pieces = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 4), max_size=3)
backs = st.builds(Back, pieces, st.integers(-300_000_000, 300_000_000) | st.just(0))
orders = st.builds(
    lambda lines, **more: Known(
        lines=[
            Line(f"l{place}", quantity, min(kept, quantity), net, tax)
            for place, (quantity, kept, net, tax) in enumerate(lines)
        ],
        **more,
    ),
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(0, 4), millionths, millionths | st.just(0)),
        min_size=1,
        max_size=4,
    ),
    outstanding=st.just(0) | millionths,
    owed=st.just(0) | millionths,
    refunds=st.dictionaries(st.sampled_from(["r1", "r2", "r3"]), backs, max_size=3),
    edits=st.dictionaries(st.sampled_from(["e1", "e2"]), pieces, max_size=1),
)


def plainly(order: Known, returns: str) -> Fraction:
    """`rules.worth` in fractions, one line after the other."""
    left, net, gross = max(0, order.outstanding), Fraction(0), Fraction(0)
    for line in reversed(order.lines):
        by_refunds = sum(one.lines.get(line.line_id, 0) for one in order.refunds.values())
        by_edits = sum(one.get(line.line_id, 0) for one in order.edits.values())
        gone = max(by_refunds, by_edits, line.quantity - line.kept)
        part = Fraction(max(0, line.quantity - gone), line.quantity)
        costs = (line.net + line.tax) * part
        owing = min(Fraction(left), costs)
        left = max(0, left - math.ceil(costs))
        if owing and owing != costs:  # what is outstanding is counted in whole millionths
            costs = Fraction(math.ceil(costs))
        share = 1 - owing / costs if costs else Fraction(1)
        net += line.net * part * share
        gross += costs - owing
    adjustment = sum(one.adjustment for one in order.refunds.values())
    given = max(0, -adjustment - order.owed)
    if given:
        return net * max(Fraction(0), gross - given) / gross if gross else Fraction(0)
    if returns == "money" and adjustment > 0:
        whole = sum(line.net for line in order.lines)
        taxed = whole + sum(line.tax for line in order.lines)
        net += Fraction(min(adjustment, taxed) * whole, taxed) if taxed else 0
    return net


@given(orders, st.sampled_from(rules.RETURNS))
def test_an_order_is_worth_what_fractions_say(order: Known, returns: str) -> None:
    assert Fraction(*standing.amount(order, returns=returns)) == plainly(order, returns)


@given(orders)
def test_all_pieces_or_all_money_back_leave_nothing(order: Known) -> None:
    everything = {line.line_id: line.quantity for line in order.lines}
    refunds = {**order.refunds, "all": Back(everything)}
    assert standing.amount(replace(order, refunds=refunds))[0] == 0
    gross = sum(line.net + line.tax for line in order.lines)
    assert standing.amount(replace(order, owed=0, refunds={"all": Back({}, -gross)}))[0] == 0


@given(orders, st.lists(st.tuples(st.sampled_from(NAMES), st.integers(1, 3)), max_size=8))
def test_pieces_that_come_back_never_add_to_the_worth(order: Known, more: Any) -> None:
    before = Fraction(*standing.amount(order))
    for place, (name, quantity) in enumerate(more):
        refunds = {**order.refunds, f"more{place}": Back({name: quantity})}
        order = replace(order, refunds=refunds)
        after = Fraction(*standing.amount(order))
        assert 0 <= after <= before
        before = after


def test_ten_thousand_lines_of_as_many_quantities_are_added_exactly_and_at_once() -> None:
    lines = [Line(f"l{place}", place, place, 9_990_000, 0) for place in range(1, 10_001)]
    half = {line.line_id: line.quantity // 2 for line in lines}
    numerator, denominator = standing.amount(Known(lines=lines, refunds={"r": Back(half)}))
    kept = sum(9.99e6 * (one.quantity - one.quantity // 2) / one.quantity for one in lines)
    assert numerator / denominator == pytest.approx(kept)
    rest = {line.line_id: line.quantity - line.quantity // 2 for line in lines}
    assert standing.amount(Known(lines=lines, refunds={"r": Back(half), "s": Back(rest)}))[0] == 0


def test_the_parts_of_an_order_add_up_to_the_cent_whatever_their_number() -> None:
    lines = [Line(f"l{place}", 3, 3, 100_000_000, 0) for place in range(3)]
    one_each = Back({line.line_id: 2 for line in lines})
    assert Fraction(*standing.amount(Known(lines=lines, refunds={"r": one_each}))) == 100_000_000
