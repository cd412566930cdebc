"""The chart's geometry: every bar inside the drawing, in proportion, and readable ticks."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.web import chart

FIRST = date(2026, 11, 1)
POINTS = st.integers(0, 2_000_000_000)


def days(*figures: tuple[int, int]) -> list[tuple[date, int, int]]:
    return [
        (FIRST + timedelta(days=place), earned, spent)
        for place, (earned, spent) in enumerate(figures)
    ]


@given(st.lists(st.tuples(POINTS, POINTS), max_size=40))
def test_whatever_the_figures_every_bar_and_tick_is_inside(figures: list[tuple[int, int]]) -> None:
    drawn = chart.draw(days(*figures))
    assert len(drawn.bars) == sum(points > 0 for pair in figures for points in pair)
    for bar in drawn.bars:
        assert drawn.left <= bar.x <= bar.x + bar.width <= drawn.right + 0.2
        assert -1.5 <= bar.y <= bar.y + bar.height <= drawn.height
    assert 2 <= len(drawn.ticks) <= 2 * chart.TICKS_MAX
    assert all(0 <= y <= drawn.height for y, _ in drawn.ticks)


def test_earned_grows_up_from_the_line_and_spent_down() -> None:
    drawn = chart.draw(days((100, 50)))
    earned, spent = drawn.bars
    assert (earned.kind, spent.kind) == ("earned", "spent")
    assert abs(earned.y + earned.height - drawn.zero_y) < 0.2
    assert spent.y == drawn.zero_y
    assert abs(earned.height - 2 * spent.height) < 0.2


def test_a_single_point_beside_thousands_is_still_seen() -> None:
    assert all(bar.height >= 1.5 for bar in chart.draw(days((1, 0), (9_000, 1))).bars)


def test_without_any_movement_there_are_axes_and_no_bars() -> None:
    drawn = chart.draw(days((0, 0), (0, 0)))
    assert drawn.bars == []
    assert [points for _, points in drawn.ticks] == [0, 1]
