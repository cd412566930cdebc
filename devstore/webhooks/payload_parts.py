"""What webhook bodies are made of: money in two spellings, times, addresses, tax lines."""

from datetime import datetime, timedelta, timezone
from typing import Any

from devstore.shop import money, things
from devstore.shop.orders import TAX_PERCENT

# Shopify writes times with the shop's offset, so a reader that assumes UTC is found out.
SHOP_OFFSET = timezone(timedelta(hours=-5))


def rfc3339(at: str | None) -> str | None:
    return (
        datetime.fromisoformat(at).astimezone(SHOP_OFFSET).isoformat(timespec="seconds")
        if at
        else None
    )


def money_set(amount_cents: int, currency: str) -> dict[str, Any]:
    amount = {"amount": money.text(amount_cents), "currency_code": currency}
    return {"shop_money": amount, "presentment_money": amount}


def pair(name: str, amount_cents: int, currency: str) -> dict[str, Any]:
    """`name` as decimal text, and `name_set`."""
    return {name: money.text(amount_cents), f"{name}_set": money_set(amount_cents, currency)}


def tax_lines(tax_cents: int, currency: str) -> list[dict[str, Any]]:
    if not tax_cents:
        return []
    return [
        {
            "channel_liable": False,
            **pair("price", tax_cents, currency),
            "rate": TAX_PERCENT / 100,
            "title": "Sales Tax",
        }
    ]


def address(order_id: int, customer: things.Customer | None) -> dict[str, Any]:
    """Where everybody in the stand-in store lives."""
    first, last = (customer.first_name, customer.last_name) if customer else ("Guest", "Buyer")
    return {
        "first_name": first,
        "address1": f"{order_id % 900 + 1} Elm Street",
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
