"""Who came back: counted by customer over two ranges, worked out by hand."""

from datetime import UTC, datetime, timedelta

from app.points.figures.rules import Figures, Orders

START = datetime(2026, 1, 1, tzinfo=UTC)
MIDDLE, END = START + timedelta(days=30), START + timedelta(days=60)


def orders(*told: tuple[str | None, int, bool, int | None]) -> Orders:
    """Customer, days after the start, whether a member, what a rewarded order brought."""
    found = Orders(START, MIDDLE, END)
    for customer, day, is_member, rewarded in told:
        placed_at = START + timedelta(days=day)
        found.add(customer, placed_at, is_member=is_member, rewarded=rewarded)
    return found


def test_who_ordered_before_the_range_or_twice_in_it_came_back() -> None:
    found = orders(
        ("bob", -5, True, None),
        ("bob", 31, True, 20_000_000),  # back, with a reward
        ("eve", 32, True, None),  # her first
        ("ann", 33, True, None),
        ("ann", 34, True, None),  # twice
        ("old", 3, False, None),
        ("new", 40, False, None),
        (None, 41, False, None),  # a guest
        ("late", 61, True, None),  # after the end
    )
    now = Figures(**found.figures(1))
    assert (now.member_buyers, now.member_repeats) == (3, 2)
    assert (now.other_buyers, now.other_repeats) == (1, 0)
    assert (now.reward_orders, now.reward_revenue) == (1, 20_000_000)
    assert now.member_rate == 2 / 3
    before = Figures(**found.figures(0))
    assert (before.member_buyers, before.other_buyers, before.other_repeats) == (0, 1, 0)
    assert before.member_rate is None
    assert before.other_rate == 0


def test_who_became_a_member_later_is_one_and_nothing_is_divided_by_nothing() -> None:
    found = orders(("bob", 31, False, None), ("bob", 40, True, None))
    assert Figures(**found.figures(1)).member_rate == 1.0
    assert Figures().redemption_rate is None
    assert Figures(earned=200, spent=50).redemption_rate == 0.25
