"""What webhook bodies are made of: money in two spellings, times, addresses, tax lines."""

from datetime import datetime, timedelta, timezone
from typing import Any

from devstore.shop import money, sold, things
from devstore.shop.money import Prices

# Shopify writes times with the shop's offset, so a reader that assumes UTC is found out.
SHOP_OFFSET = timezone(timedelta(hours=-5))


def rfc3339(at: str | None) -> str | None:
    return (
        datetime.fromisoformat(at).astimezone(SHOP_OFFSET).isoformat(timespec="seconds")
        if at
        else None
    )


def money_set(amount_cents: int, prices: Prices, code: str = "currency_code") -> dict[str, Any]:
    """The amount in the shop's currency and in the customer's."""
    presented = prices.presented(amount_cents)
    return {
        "shop_money": {
            "amount": money.text(amount_cents, prices.currency),
            code: prices.currency,
        },
        "presentment_money": {
            "amount": money.text(presented, prices.presentment),
            code: prices.presentment,
        },
    }


def pair(name: str, amount_cents: int, prices: Prices) -> dict[str, Any]:
    """`name` as decimal text in the shop's currency, and `name_set`."""
    return {
        name: money.text(amount_cents, prices.currency),
        f"{name}_set": money_set(amount_cents, prices),
    }


def tax_lines(tax_cents: int, it: sold.Order) -> list[dict[str, Any]]:
    if not tax_cents:
        return []
    return [
        {
            "channel_liable": False,
            **pair("price", tax_cents, it.prices),
            "rate": round(it.tax_percent / 100, 6),
            "title": "VAT" if it.taxes_included else "Sales Tax",
        }
    ]


def address(number: int, customer: things.Customer | None) -> dict[str, Any]:
    """Where somebody in the stand-in store lives: customers always in the same place, for two that
    share one are taken for one.
    """
    first, last = (first_name(customer), customer.last_name) if customer else ("Guest", "Buyer")
    return {
        "first_name": first,
        "address1": f"{number % 9_000 + 1} Elm Street",
        "phone": None,
        "city": "Louisville",
        "zip": "40202",
        "province": "Kentucky",
        "country": "United States",
        "last_name": last,
        "address2": None,
        "company": None,
        "latitude": None,
        "longitude": None,
        "name": f"{first} {last}",
        "country_code": "US",
        "province_code": "KY",
    }


def first_name(customer: things.Customer) -> str:
    """The name as told: with half of a character outside the basic plane, if so wished."""
    return customer.first_name + ("\ud83c" if customer.has_half_emoji else "")
