"""The arithmetic of points, against Decimal and fractions."""

import math
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.errors import BadInputError
from app.points.earning import rules
from app.points.earning.rules import Back, Known, Line
from app.points.ledger import lots
from app.points.ledger.accounts import BrokenAccountError
from app.points.ledger.lots import Lot

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
    assert Fraction(*rules.worth(order, returns=returns)) == plainly(order, returns)


@given(orders)
def test_all_pieces_or_all_money_back_leave_nothing(order: Known) -> None:
    everything = {line.line_id: line.quantity for line in order.lines}
    refunds = {**order.refunds, "all": Back(everything)}
    assert rules.worth(replace(order, refunds=refunds))[0] == 0
    gross = sum(line.net + line.tax for line in order.lines)
    assert rules.worth(replace(order, owed=0, refunds={"all": Back({}, -gross)}))[0] == 0


@given(orders, st.lists(st.tuples(st.sampled_from(NAMES), st.integers(1, 3)), max_size=8))
def test_pieces_that_come_back_never_add_to_the_worth(order: Known, more: Any) -> None:
    before = Fraction(*rules.worth(order))
    for place, (name, quantity) in enumerate(more):
        refunds = {**order.refunds, f"more{place}": Back({name: quantity})}
        order = replace(order, refunds=refunds)
        after = Fraction(*rules.worth(order))
        assert 0 <= after <= before
        before = after


def test_ten_thousand_lines_of_as_many_quantities_are_added_exactly_and_at_once() -> None:
    lines = [Line(f"l{place}", place, place, 9_990_000, 0) for place in range(1, 10_001)]
    half = {line.line_id: line.quantity // 2 for line in lines}
    numerator, denominator = rules.worth(Known(lines=lines, refunds={"r": Back(half)}))
    kept = sum(9.99e6 * (one.quantity - one.quantity // 2) / one.quantity for one in lines)
    assert numerator / denominator == pytest.approx(kept)
    rest = {line.line_id: line.quantity - line.quantity // 2 for line in lines}
    assert rules.worth(Known(lines=lines, refunds={"r": Back(half), "s": Back(rest)}))[0] == 0


def test_the_parts_of_an_order_add_up_to_the_cent_whatever_their_number() -> None:
    lines = [Line(f"l{place}", 3, 3, 100_000_000, 0) for place in range(3)]
    one_each = Back({line.line_id: 2 for line in lines})
    assert Fraction(*rules.worth(Known(lines=lines, refunds={"r": one_each}))) == 100_000_000


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("pending_only", (10, 0, 0, 40)),
        ("within_balance", (10, 25, 0, 15)),
        ("debt", (10, 25, 15, 0)),
    ],
)
def test_a_policy_says_where_points_are_taken(policy: str, expected: tuple[int, ...]) -> None:
    assert rules.clawback(50, 10, 25, policy) == expected


@pytest.mark.parametrize(
    ("zone", "earned", "days", "expected"),
    [
        ("UTC", "2026-01-31T23:59:59", 1, "2026-02-02T00:00:00"),
        (
            "America/New_York",
            "2026-03-07T12:00:00",
            0,
            "2026-03-08T05:00:00",
        ),  # the clocks change on the 8th
        ("America/New_York", "2026-03-07T12:00:00", 1, "2026-03-09T04:00:00"),
        (
            "America/New_York",
            "2026-03-07T03:00:00",
            1,
            "2026-03-08T05:00:00",
        ),  # still the 6th in New York
        (
            "Europe/Berlin",
            "2026-10-24T22:30:00",
            0,
            "2026-10-25T23:00:00",
        ),  # the 25th there, a day of 25 hours
        (
            "America/Santiago",
            "2026-09-05T12:00:00",
            0,
            "2026-09-06T04:00:00",
        ),  # 00:00 is skipped: it starts at 01:00
        (
            "Africa/Cairo",
            "2026-04-23T12:00:00",
            0,
            "2026-04-23T22:00:00",
        ),  # the same, 00:00 becomes 01:00
        (
            "America/Havana",
            "2026-10-31T12:00:00",
            0,
            "2026-11-01T04:00:00",
        ),  # 00:00 comes twice: the first
        ("Pacific/Apia", "2011-12-29T12:00:00", 1, "2011-12-30T10:00:00"),  # the 30th never was
        ("No/Such_Zone", "2026-01-01T12:00:00", 1, "2026-01-03T00:00:00"),
    ],
)
def test_points_expire_at_the_start_of_a_day_of_the_merchant(
    zone: str, earned: str, days: int, expected: str
) -> None:
    at = datetime.fromisoformat(earned).replace(tzinfo=UTC)
    assert rules.expires_at(at, days, zone) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_points_without_a_limit_never_expire() -> None:
    assert rules.expires_at(datetime(2026, 1, 1, tzinfo=UTC), None, "UTC") is None


def lot(name: str, available: int, expires: int | None, number: int) -> Lot:
    made = Lot(
        "s",
        1,
        name,
        10,
        datetime(2026, 1, available, tzinfo=UTC),
        is_pending=False,
        expires_at=datetime(2026, 2, expires, tzinfo=UTC) if expires else None,
    )
    made.id = number
    return made


def test_lots_are_taken_by_expiry_then_availability_then_age_and_an_own_lot_first() -> None:
    def shelf() -> list[Lot]:
        return [
            lot("never", 1, None, 1),
            lot("b", 2, 5, 2),
            lot("c", 1, 5, 4),
            lot("d", 1, 5, 3),
            lot("soon", 9, 2, 9),
        ]

    assert [one.source for one, _ in lots.take(1, shelf(), 50)] == ["soon", "d", "c", "b", "never"]
    assert [(one.source, part) for one, part in lots.take(1, shelf(), 15, first="never")] == [
        ("never", 10),
        ("soon", 5),
    ]
    with pytest.raises(BrokenAccountError, match="short"):
        lots.take(1, shelf(), 51)
