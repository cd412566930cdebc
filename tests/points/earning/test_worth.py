"""What an order is to have given with bonuses: counted a second way, and taken back exactly."""

from fractions import Fraction
from math import floor

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.points.earning import worth
from app.points.earning.rules import Back, Bonus, Frozen, Known, Line, Tier

MILLION = 1_000_000
NAMES = ("l1", "l2", "l3")
scopes = st.none() | st.lists(st.sampled_from(NAMES), unique=True, max_size=2).map(tuple)
factors = st.integers(10_000, 50_000)
policies = st.sampled_from(["best_of", "add", "multiply"])


@st.composite
def orders(draw) -> Known:
    lines = [
        Line(name, (pieces := draw(st.integers(1, 3))), pieces, draw(st.integers(0, 90_000_000)), 0)
        for name in NAMES[: draw(st.integers(1, 3))]
    ]
    return Known(lines=lines)


@st.composite
def rules_of(draw, *, limits: bool = False) -> Frozen:
    bonuses = []
    for number in range(1, draw(st.integers(0, 4)) + 1):
        effect = draw(st.sampled_from(["multiply", "multiply", "add"]))
        units = draw(factors) if effect == "multiply" else draw(st.integers(1, 500))
        most = draw(st.none() | st.integers(0, 60)) if limits else None
        of = draw(st.integers(0, 200_000_000)) if effect == "add" else 0
        name = f"c{number}"
        lines = draw(scopes)
        bonuses.append(Bonus(number, name, 1, name, effect, units, lines, of, most=most))
    tier = draw(st.none() | factors.map(lambda units: Tier("gold", "Gold", 1, units)))
    out = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=1))
    return Frozen(
        1,
        "1",
        draw(st.sampled_from(["down", "nearest", "up"])),
        out=(*out,),
        bonuses=(*bonuses,),
        tier=tier,
        policy=draw(policies),
        most_units=draw(st.just(0) | st.integers(10_000, 40_000)),
    )


def rounded(exact: Fraction, how: str) -> int:
    if how == "down":
        return floor(exact)
    return -floor(-exact) if how == "up" else floor(exact + Fraction(1, 2))


def plainly(order: Known, frozen: Frozen, rate: Fraction, back: dict[str, int]) -> int:
    """All together once, line by line: no limits, and nothing but pieces that come back."""
    points, left = Fraction(0), {}
    for line in order.lines:
        stands = Fraction(line.net * max(0, line.quantity - back.get(line.line_id, 0)))
        left[line.line_id] = (
            Fraction(0) if line.line_id in frozen.out else stands / line.quantity / MILLION
        )
        times = [
            Fraction(one.units, 10_000)
            for one in frozen.bonuses
            if one.effect == "multiply" and (one.lines is None or line.line_id in one.lines)
        ]
        times += [Fraction(frozen.tier.units, 10_000)] if frozen.tier else []
        points += left[line.line_id] * rate * together(times, frozen)
    added = 0
    for one in frozen.bonuses:
        if one.effect == "add" and one.of:
            stands = sum(
                (left[name] for name in left if one.lines is None or name in one.lines), Fraction(0)
            )
            added += floor(one.units * min(Fraction(1), stands * MILLION / one.of))
    return rounded(points, frozen.rounding) + added


def together(times: list[Fraction], frozen: Frozen) -> Fraction:
    found = Fraction(1)
    if frozen.policy == "best_of":
        found = max([found, *times])
    elif frozen.policy == "add":
        found += sum(one - 1 for one in times)
    else:
        for one in sorted(times, reverse=True):
            found = Fraction(floor(found * one * 10_000), 10_000)
    return min(found, Fraction(frozen.most_units, 10_000)) if frozen.most_units else found


back = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 3))


@given(orders(), rules_of(), back, st.integers(0, 30_000))
def test_it_is_what_a_plain_count_says(order, frozen, pieces, rate) -> None:
    order = replace(order, refunds={"r": Back(pieces)})
    found = worth.of(order, frozen, rate)
    assert found.points == plainly(order, frozen, Fraction(rate, 10_000), pieces)


@given(orders(), rules_of(limits=True), st.data())
def test_what_comes_back_piece_by_piece_in_any_order_takes_back_what_was_given(
    order, frozen, data
) -> None:
    pieces = [line.line_id for line in order.lines for _ in range(line.quantity)]
    given_ = worth.of(order, frozen, 10_000).points
    for way in (pieces, data.draw(st.permutations(pieces))):
        has, taken, refunds = given_, 0, {}
        for number, name in enumerate(way):
            refunds = {**refunds, str(number): Back({name: 1})}
            now = worth.of(replace(order, refunds=refunds), frozen, 10_000).points
            taken, has = taken + has - now, now
        assert (taken, has) == (given_, 0)


@given(orders(), rules_of(limits=True), back)
def test_each_bonus_gives_no_less_than_nothing_and_no_more_than_it_may(
    order, frozen, pieces
) -> None:
    found = worth.of(replace(order, refunds={"r": Back(pieces)}), frozen, 15_000)
    shares = dict(found.shares)
    assert found.base_points + sum(shares.values()) == found.points
    assert all(share >= 0 for share in shares.values())
    assert all(
        shares.get(one.copy, 0) <= one.most for one in frozen.bonuses if one.most is not None
    )


def test_under_best_of_one_that_has_little_left_does_not_stand_in_the_way_of_another() -> None:
    order = Known(lines=[Line("l1", 1, 1, 100 * MILLION, 0)])
    triple = Bonus(1, "a", 1, "a", "multiply", 30_000, most=5)
    double = Bonus(2, "b", 1, "b", "multiply", 20_000)
    frozen = Frozen(1, "1", "down", bonuses=(triple, double))
    assert worth.of(order, frozen, 10_000).shares == ((1, 5), (2, 95))
