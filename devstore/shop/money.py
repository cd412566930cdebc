"""Cents: read from text, written as text, and spread over parts so that not one is lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from devstore.errors import AmountError

AMOUNT_LIMIT_CENTS = 100_000_000_00
# ISO 4217: how many digits follow the point, where it is not two
DECIMALS = {
    **dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "JOD", "KWD", "OMR", "TND"), 3),
}


@dataclass(frozen=True, slots=True)
class Prices:
    """In which currency a shop keeps its books, in which a customer pays, and how much of the
    second is one of the first.
    """

    currency: str
    presentment: str
    rate: float = 1.0

    def presented(self, amount_cents: int) -> int:
        """The amount in the smallest unit of the customer's currency."""
        if self.presentment == self.currency and self.rate == 1:
            return amount_cents
        shift = decimals(self.presentment) - decimals(self.currency)
        exact = Decimal(amount_cents) * Decimal(str(self.rate)) * Decimal(10) ** shift
        return int(exact.quantize(Decimal(1), ROUND_HALF_UP))


def decimals(currency: str) -> int:
    return DECIMALS.get(currency, 2)


def cents(amount: object, currency: str = "USD") -> int:
    """Cents of a decimal amount such as "49.90" or 49.9.

    Raises AmountError for what is no number, is negative, is finer than a cent, or above the limit.
    """
    found = signed_cents(amount, currency)
    if found < 0:
        raise _no_amount(amount, currency)
    return found


def signed_cents(amount: object, currency: str = "USD") -> int:
    """Cents of a decimal amount that may be negative; raises AmountError as `cents` does."""
    try:
        value = Decimal(str(amount)) * 10 ** decimals(currency)
    except InvalidOperation:
        raise AmountError(f"{amount!r} is not an amount") from None
    if (
        not value.is_finite()
        or value != value.to_integral_value()
        or not -AMOUNT_LIMIT_CENTS <= value <= AMOUNT_LIMIT_CENTS
    ):
        raise _no_amount(amount, currency)
    return int(value)


def _no_amount(amount: object, currency: str) -> AmountError:
    return AmountError(
        f"{amount!r} is not an amount between 0 and {text(AMOUNT_LIMIT_CENTS, currency)},"
        f" to the {text(1, currency)}"
    )


def text(amount_cents: int, currency: str = "USD") -> str:
    """ "49.90", "500" of yen or "1.250" of dinars, as Shopify writes money."""
    return f"{Decimal(amount_cents).scaleb(-decimals(currency)):f}"


def percentage(amount_cents: int, percent: float) -> int:
    return int(
        (Decimal(amount_cents) * Decimal(str(percent)) / 100).quantize(Decimal(1), ROUND_HALF_UP)
    )


def percentage_inside(amount_cents: int, percent: float) -> int:
    """The tax that an amount includes: of 120.00 at 20 percent, 20.00."""
    rate = Decimal(str(percent))
    return int((Decimal(amount_cents) * rate / (100 + rate)).quantize(Decimal(1), ROUND_HALF_UP))


def part(amount_cents: int, numerator: int, denominator: int) -> int:
    """`amount * numerator / denominator`, rounded half up to the cent."""
    return int(
        (Decimal(amount_cents) * numerator / denominator).quantize(Decimal(1), ROUND_HALF_UP)
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
