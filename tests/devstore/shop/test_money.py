"""No cent is lost when an amount is spread, and what is no amount is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devstore.errors import AmountError
from devstore.shop import money

WEIGHTS = st.lists(st.integers(0, 10_000_000), min_size=1, max_size=40)


@given(WEIGHTS, st.integers(0, 1000))
def test_a_spread_sums_exactly_and_takes_no_more_than_a_part_has(
    weights: list[int], promille: int
) -> None:
    amount = sum(weights) * promille // 1000
    shares = money.spread(amount, weights)
    assert sum(shares) == amount
    assert all(0 <= share <= weight for share, weight in zip(shares, weights, strict=True))


@given(WEIGHTS, st.integers(0, 1000))
def test_a_spread_is_never_a_cent_away_from_the_exact_proportion(
    weights: list[int], promille: int
) -> None:
    total = sum(weights)
    amount = total * promille // 1000
    for share, weight in zip(money.spread(amount, weights), weights, strict=True):
        assert abs(share * total - amount * weight) < max(total, 1)


@pytest.mark.parametrize("amount", ["-1", "1.001", "ten", "NaN", "Infinity", None, "", "1e99"])
def test_what_is_no_amount_is_refused(amount: object) -> None:
    with pytest.raises(AmountError):
        money.cents(amount)


def test_cents_are_read_and_written_as_shopify_does() -> None:
    assert [money.cents(amount) for amount in ("49.90", 49.9, "0", 7)] == [4990, 4990, 0, 700]
    assert [money.text(cents) for cents in (4990, 5, 0, -500)] == ["49.90", "0.05", "0.00", "-5.00"]
