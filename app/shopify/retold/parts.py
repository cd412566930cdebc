"""What bodies made from answers of the Admin API share: ids, money, and what may be missing."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from app import money

Json = dict[str, Any]
Answer = Mapping[str, Any]
NUMBER = re.compile(r"gid://shopify/[A-Za-z]+/(\d+)(?:\?.*)?", re.ASCII)
ZERO = Decimal(0)


def number(gid: object) -> int:
    """The number in a gid; 0, which is nobody's, for anything else."""
    found = NUMBER.fullmatch(gid) if isinstance(gid, str) else None
    return int(found[1]) if found else 0


def nodes(told: Answer, name: str) -> list[Json]:
    return [one for one in (told.get(name) or {}).get("nodes") or () if one]


def pair(name: str, money_set: Answer, currency: str) -> Json:
    said = text(amount(money_set), currency)
    return {name: said, f"{name}_set": {"shop_money": {"amount": said}}}


def amount(money_set: Answer, name: str = "shopMoney") -> Decimal:
    return Decimal(str(money_set[name]["amount"]))


def text(amount: Decimal, currency: str) -> str:
    """An amount with the decimals of its currency, as webhooks write it, or with those it has."""
    plain = amount.normalize()
    places = max(money.decimals(currency), -int(plain.as_tuple().exponent))
    return f"{plain:.{places}f}"


def lower(said: object) -> str | None:
    return said.lower() if isinstance(said, str) else None


def email(told: Answer) -> str | None:
    """None without an address, or while the app may not see it."""
    said = (told.get("defaultEmailAddress") or {}).get("emailAddress")
    return said if isinstance(said, str) else None


def tax(told: Answer, currency: str) -> Json:
    return {**pair("price", told["priceSet"], currency), "rate": told["rate"]}
