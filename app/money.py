"""Money as it is written: the decimals each currency has."""

from decimal import Decimal

# https://www.iso.org/iso-4217-currency-codes.html; every other currency has two
DECIMALS = dict.fromkeys(
    (
        *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW"),
        *("PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"),
    ),
    0,
) | dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3)
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}


def decimals(currency: str) -> int:
    return DECIMALS.get(currency, 2)


def unit(currency: str) -> Decimal:
    """The smallest amount of the currency."""
    return Decimal(1).scaleb(-decimals(currency))


def text(amount: Decimal, currency: str) -> str:
    """ "$1,234.50", "¥500", "1.250 KWD"."""
    figure = f"{abs(amount):,.{decimals(currency)}f}"
    sign = "-" if amount < 0 else ""
    symbol = SYMBOLS.get(currency)
    return f"{sign}{symbol}{figure}" if symbol else f"{sign}{figure} {currency}"
