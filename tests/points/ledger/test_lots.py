"""Where points are taken from, and when lots end, against calendars and sums."""

from datetime import UTC, datetime

import pytest

from app.points.earning import rules
from app.points.ledger import lots
from app.points.ledger.accounts import BrokenAccountError
from app.points.ledger.lots import Lot


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
