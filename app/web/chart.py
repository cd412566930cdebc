"""Where the bars of a chart of points a day go: what came above the line, what went below it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from app.web import wording

WIDTH, HEIGHT = 720, 190
NARROW_WIDTH, NARROW_HEIGHT = 330, 200  # what a phone has, so that letters keep their size on it
LEFT, RIGHT, TOP, BOTTOM = 44, 16, 8, 24
DATES_MAX = 5
TICKS_MAX = 5


@dataclass(frozen=True, slots=True)
class Bar:
    kind: str  # earned | spent
    x: float
    y: float
    width: float
    height: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything the SVG needs, in its own units; `ticks` are (y, points), `dates` are (x, day)."""

    bars: list[Bar]
    ticks: list[tuple[float, int]]
    dates: list[tuple[float, date]]
    zero_y: float
    width: int
    height: int
    left: int
    right: int


def draw(
    days: Sequence[tuple[date, int, int]],
    width: int = WIDTH,
    height: int = HEIGHT,
    words: tuple[str, str] = ("earned", "spent"),
) -> Chart:
    """Lay out `days` of (day, points earned, points spent), oldest first; all figures are 0 or
    more. `words` are what the two are called.
    """
    top = max([earned for _, earned, _ in days], default=0)
    bottom = max([spent for _, _, spent in days], default=0)
    step = _step(top + bottom)
    top, bottom = max(_up(top, step), step), _up(bottom, step)
    unit = (height - TOP - BOTTOM) / (top + bottom)
    zero = TOP + top * unit
    left = LEFT + max(0, len(wording.short(top)) - 4) * 5  # room for the longest figure
    slot = (width - left - RIGHT) / max(len(days), 1)
    bars = []
    for place, (day, earned, spent) in enumerate(days):
        x, bar_width = round(left + place * slot + slot * 0.18, 1), round(slot * 0.64, 1)
        drawn = (("earned", earned, zero - earned * unit), ("spent", spent, zero))
        for word, (kind, points, y) in zip(words, drawn, strict=True):
            if points:
                bar_height = max(points * unit, 1.5)  # a single point among thousands is still seen
                bars.append(
                    Bar(
                        kind,
                        x,
                        round(min(y, zero), 1),
                        bar_width,
                        round(bar_height, 1),
                        f"{day}: {points:,} {word}",
                    )
                )
    return Chart(
        bars=bars,
        ticks=[
            (round(zero - value * unit, 1), abs(value)) for value in range(-bottom, top + 1, step)
        ],
        dates=[
            (round(left + (place + 0.5) * slot, 1), days[place][0])
            for place in sorted(range(len(days) - 1, -1, -_days_a_date(len(days))))
        ],
        zero_y=round(zero, 1),
        width=width,
        height=height,
        left=left,
        right=width - RIGHT,
    )


def draw_narrow(
    days: Sequence[tuple[date, int, int]], words: tuple[str, str] = ("earned", "spent")
) -> Chart:
    """The same for a phone."""
    return draw(days, NARROW_WIDTH, NARROW_HEIGHT, words)


def _days_a_date(number: int) -> int:
    """Every how many days one is named, the newest always."""
    return 7 if number > 3 * DATES_MAX else max(1, -(-number // DATES_MAX))


def _step(span: int) -> int:
    """The smallest of 1, 2, 5, 10, 20 ... that cuts `span` into at most TICKS_MAX pieces."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if span <= factor * power * TICKS_MAX:
                return factor * power
        power *= 10


def _up(value: int, step: int) -> int:
    return -(-value // step) * step
