"""How moments, durations, money and typed numbers are written and read."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from app.web import forms, wording


def test_a_moment_is_told_in_the_shops_own_time() -> None:
    moment = datetime(2020, 3, 31, 22, 30, tzinfo=UTC)
    assert wording.local(moment, "Europe/Berlin") == "1 Apr 2020, 00:30"
    assert wording.local(moment, "America/New_York", "day") == "31 Mar 2020"
    assert wording.local(moment, "no/such zone", "second") == "22:30:00"


def test_today_needs_no_date_and_another_day_does() -> None:
    now = datetime.now(UTC)
    assert len(wording.clock(now, "UTC")) == len("14:02")
    assert "," in wording.clock(now - timedelta(days=2), "UTC")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "under a second"),
        (59, "59 s"),
        (60, "1 minute"),
        (7_300, "2 hours"),
        (200_000, "2 days"),
    ],
)
def test_a_duration_is_said_in_its_largest_unit(seconds: float, said: str) -> None:
    assert wording.age(seconds) == said


def test_money_has_the_shops_currency() -> None:
    assert wording.money(Decimal("1234.5"), "USD") == "$1,234.50"
    assert wording.money(Decimal(5), "SEK") == "5.00 SEK"


@pytest.mark.parametrize(
    "typed", ["", "1e3", "-1", "+1", "1,5", "1.", ".5", "1.23456", "NaN", "\u0661", "1\n", " 1"]
)
def test_what_is_no_plain_number_is_none(typed: str) -> None:
    assert forms.decimal(typed, places_max=4) is None


def test_a_plain_number_is_read_exactly() -> None:
    assert forms.decimal("0.1", places_max=4) == Decimal("0.1")
