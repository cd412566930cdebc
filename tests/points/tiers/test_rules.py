"""Where a member stands, by the arithmetic and by the slow model; and what the arithmetic says of
the future is what then happens.
"""

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from app.points.tiers import rules
from app.points.tiers.rules import Counted, Scheme, Tier
from tests.points.tiers import model
from tests.points.tiers.model import DAY, Settings

FIRST = date(2023, 11, 1)
SPAN = 800
AHEAD = 1_200
days = st.one_of(
    st.integers(0, SPAN).map(lambda number: FIRST + timedelta(days=number)),
    st.builds(date, st.sampled_from([2024, 2025]), st.just(1), st.integers(1, 25)),
)
schemes = st.builds(
    Settings,
    st.sampled_from(["year", "rolling", "year", "rolling", "forever"]),
    st.sampled_from([1, 30, 90, 365]),
    st.sampled_from(["cycle", "one", "one", "balance", "never"]),
    st.sampled_from([0, 1, 20, 90]),
    st.sampled_from([(0, 2, 4), (1, 2, 3), (5,), (0, 1, 2, 6)]),
    days,
)
bought = st.dictionaries(days, st.integers(0, 4), max_size=6)


def scheme_of(one: Settings) -> Scheme:
    tiers = [Tier(f"t{at}", f"T{at}", least) for at, least in enumerate(one.thresholds)]
    return Scheme("points", one.period, one.days, one.policy, one.grace, tiers, one.placed_on)


def counted_of(orders: dict[date, int], until: date) -> Counted:
    known = sorted((day, amount) for day, amount in orders.items() if day <= until and amount)
    return Counted([day for day, _ in known], [amount for _, amount in known])


def check(one: Settings, orders: dict[date, int], today: date) -> None:
    orders = {day: amount for day, amount in orders.items() if day <= today}
    one = replace(one, placed_on=min(one.placed_on, today))
    scheme, counted = scheme_of(one), counted_of(orders, today)
    truth = model.tiers(one, orders, FIRST - DAY, today + timedelta(days=AHEAD))
    placed = rules.place(scheme, counted, today)
    assert placed.level == truth[today]
    assert placed.have == model.measure(one, orders, today)
    if one.policy != "one":
        assert scheme.worth(placed.peak) == placed.level
    lower = next((day for day in truth if day > today and truth[day] < truth[today]), None)
    outlook = rules.outlook(scheme, counted, today)
    assert outlook.falls_on == (lower if placed.level >= 0 else None)
    if lower is not None and placed.level >= 0:
        assert outlook.falls_to == truth[lower]
        assert placed.look_on is not None
        assert placed.look_on <= lower, "somebody looks before it happens, or as it does"


@settings(max_examples=80)
@given(schemes, bought, days)
def test_where_a_member_stands_is_what_the_slow_model_says(
    one: Settings, orders: dict[date, int], today: date
) -> None:
    check(one, orders, today)


@settings(max_examples=60)
@given(
    st.sampled_from([10, 30]),
    st.sampled_from([0, 5]),
    st.dictionaries(st.integers(0, 60), st.integers(1, 4), min_size=1, max_size=3),
    st.integers(0, 180),
)
def test_one_falls_one_tier_a_period(
    period: int, grace: int, orders: dict[int, int], later: int
) -> None:
    one = Settings("rolling", period, "one", grace, (0, 1, 2, 3), FIRST)
    on = {FIRST + timedelta(days=number): amount for number, amount in orders.items()}
    check(one, on, FIRST + timedelta(days=later))


@settings(max_examples=60)
@given(
    st.sampled_from(["cycle", "one", "balance"]),
    st.sampled_from([0, 20, 20]),
    st.dictionaries(st.sampled_from([2022, 2023, 2024]), st.integers(1, 4), min_size=1),
    st.sampled_from([2023, 2024, 2025, 2026]),
    st.sampled_from([0, 10, 19, 20, 21]),
)
def test_years_end_with_their_grace(
    policy: str, grace: int, orders: dict[int, int], year: int, later: int
) -> None:
    one = Settings("year", 365, policy, grace, (0, 1, 2, 3), date(2022, 1, 1))
    on = {date(in_year, 11, 20): amount for in_year, amount in orders.items()}
    truth_begins = date(2021, 12, 31)
    today = date(year, 1, 1) + timedelta(days=later)
    scheme = scheme_of(one)
    known = {day: amount for day, amount in on.items() if day <= today}
    truth = model.tiers(one, known, truth_begins, today)
    assert rules.place(scheme, counted_of(on, today), today).level == truth[today]


@settings(max_examples=50)
@given(schemes, bought, days, st.integers(0, 60))
def test_what_is_older_than_is_read_does_not_matter(
    one: Settings, orders: dict[date, int], today: date, less: int
) -> None:
    scheme = scheme_of(one)
    since = rules.counts_from_days(scheme)
    if since is None:
        return
    every = counted_of(orders, today)
    newest = {day: amount for day, amount in orders.items() if day >= today - timedelta(days=since)}
    assert rules.place(scheme, every, today) == rules.place(
        scheme, counted_of(newest, today), today
    )


def test_a_year_is_kept_through_the_next_one() -> None:
    one = Settings("year", 365, "cycle", 0, (0, 100, 500), date(2024, 1, 1))
    scheme, counted = scheme_of(one), Counted([date(2024, 3, 1)], [600])
    stands = [
        rules.place(scheme, counted, day).level
        for day in (date(2024, 2, 28), date(2024, 3, 1), date(2025, 12, 31), date(2026, 1, 1))
    ]
    assert stands == [0, 2, 2, 0]
    outlook = rules.outlook(scheme, counted, date(2025, 6, 1))
    assert outlook == rules.Outlook(date(2026, 1, 1), 0, 0, 500)
