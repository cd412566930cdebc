"""The fields of a payload that are checked one by one: money, moments, names, whose it is."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

from app.errors import BadInputError
from app.shopify.shapes import MoneySet
from app.shopify.verify import SHOP

AMOUNT_MAX = Decimal(10) ** 12
DECIMAL_PLACES_MAX = 6
GID = "gid://shopify/"
# every escape of JSON; those that are a character, a pair being one, are the group
_ESCAPES = re.compile(
    rb"(\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\(?!u[dD][89a-fA-F]).)|\\u[dD][89a-fA-F]..", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Fact:
    """A past fact of a shop: topic and data of an event, and when it happened (ISO 8601, UTC)
    where that is told.
    """

    topic: str
    data: dict[str, Any]
    occurred_at: str | None = None


class BadPayloadError(BadInputError):
    """The payload cannot become facts: no JSON, another shape, or figures that make no sense
    (permanent).
    """

    code = "bad_payload"


class Webhook(Protocol):
    """What translation needs of a webhook: its shop (a domain), its topic and its body."""

    @property
    def shop(self) -> str: ...
    @property
    def topic(self) -> str: ...
    @property
    def body(self) -> bytes: ...


def amount(webhook: Webhook, what: str, said: Decimal | None, money: MoneySet | None) -> Decimal:
    """An amount in shop money, 0 or more; `what` names it in the sentence of BadPayloadError."""
    found = finite(webhook, what, said, money)
    if found < 0:
        raise BadPayloadError(f"{what} in the {webhook.topic} payload is negative.")
    return found


def finite(webhook: Webhook, what: str, said: Decimal | None, money: MoneySet | None) -> Decimal:
    """An amount in shop money, which may be negative."""
    if money is not None and money.shop_money is not None:
        said = money.shop_money.amount
    # Decimal reads "NaN", "Infinity" and "1e400" as numbers too
    if said is None or not said.is_finite() or abs(said) > AMOUNT_MAX:
        raise BadPayloadError(f"{what} in the {webhook.topic} payload is no amount of money.")
    # a number, as it is finite
    if said.as_tuple().exponent < -DECIMAL_PLACES_MAX:  # type: ignore[operator]
        raise BadPayloadError(
            f"{what} in the {webhook.topic} payload has more than {DECIMAL_PLACES_MAX} decimals."
        )
    return said


def check_name(webhook: Webhook, kind: str, number: int, gid: str | None) -> None:
    """The gid in a body says what it is: an order is no customer, though both have an id."""
    if gid and gid.startswith(GID) and gid != f"{GID}{kind}/{number}":
        raise BadPayloadError(f"The {webhook.topic} payload is {text(gid, 64)}, no such {kind}.")


def check_shop(webhook: Webhook, domain: str | None) -> None:
    """The shop's name in a body, where Shopify writes one, is that of the shop it came for."""
    named = (domain or "").lower()
    if SHOP.fullmatch(named) and named != webhook.shop:
        raise BadPayloadError(f"The {webhook.topic} payload is about another shop.")


def text(value: str | None, length_max: int) -> str:
    """At most `length_max` characters of it, without white space around them."""
    # Postgres keeps no NUL, and no half of a surrogate pair can be written as UTF-8
    cleaned = (value or "").replace("\x00", "").encode(errors="replace").decode()
    return cleaned.strip()[:length_max]


def mended(body: bytes) -> bytes:
    """JSON with U+FFFD for what is no character: halves of surrogate pairs, and bytes that are no
    UTF-8.
    """
    text = body.decode(errors="replace").encode()
    return _ESCAPES.sub(lambda found: found[0] if found[1] else rb"\ufffd", text)


def moment(webhook: Webhook, field: str, value: str | None) -> str | None:
    """The RFC 3339 time `value` in UTC; a time without an offset counts as UTC."""
    if not value:
        return None
    try:
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError) as error:
        raise BadPayloadError(
            f"{field} in the {webhook.topic} payload is no date with time."
        ) from error
