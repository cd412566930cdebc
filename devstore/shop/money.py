"""Cents: read from text, written as text, and spread over parts so that not one is lost."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from devstore.errors import AmountError

AMOUNT_LIMIT_CENTS = 100_000_000_00


def cents(amount: object) -> int:
    """Cents of a decimal amount such as "49.90" or 49.9.

    Raises AmountError for what is no number, is negative, is finer than a cent, or above the limit.
    """
    try:
        value = Decimal(str(amount)) * 100
    except InvalidOperation:
        raise AmountError(f"{amount!r} is not an amount") from None
    if (
        not value.is_finite()
        or value != value.to_integral_value()
        or not 0 <= value <= AMOUNT_LIMIT_CENTS
    ):
        raise AmountError(
            f"{amount!r} is not an amount between 0 and {text(AMOUNT_LIMIT_CENTS)}, to the cent"
        )
    return int(value)


def text(amount_cents: int) -> str:
    """ "49.90", as Shopify writes money."""
    sign = "-" if amount_cents < 0 else ""
    return f"{sign}{abs(amount_cents) // 100}.{abs(amount_cents) % 100:02d}"


def part(amount_cents: int, numerator: int, denominator: int) -> int:
    """`amount * numerator / denominator`, rounded half up to the cent."""
    return int(
        (Decimal(amount_cents) * numerator / denominator).quantize(Decimal(1), ROUND_HALF_UP)
    )


def percentage(amount_cents: int, percent: float) -> int:
    return int(
        (Decimal(amount_cents) * Decimal(str(percent)) / 100).quantize(Decimal(1), ROUND_HALF_UP)
    )


def spread(amount_cents: int, weights: Sequence[int]) -> list[int]:
    """Split an amount over parts in proportion to their weights, by largest remainder.

    The parts sum to the amount exactly, and none exceeds its weight when the amount does not exceed
    their sum. All weights 0: all parts 0.
    """
    total = sum(weights)
    if not total:
        return [0] * len(weights)
    shares = [amount_cents * weight // total for weight in weights]
    by_remainder = sorted(
        range(len(weights)), key=lambda index: (-(amount_cents * weights[index] % total), index)
    )
    for index in by_remainder[: amount_cents - sum(shares)]:
        shares[index] += 1
    return shares
