"""Turns the payload of a webhook into plain facts; whatever it does not use may have any shape.

Only the body is signed. Its topic and its shop come from headers anybody could have changed, so the
body must have its topic's shape and agree with its shop, and what an order is it says itself: one
order has the same bytes under `orders/create`, `orders/paid` and `orders/updated`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

import msgspec
from msgspec import UNSET

from app.errors import BadInputError
from app.shopify import shapes
from app.shopify.shapes import Buyer, Customer, Line, MoneySet, Order, PaidOrder, Refund
from app.shopify.verify import SHOP

AMOUNT_MAX = Decimal(10) ** 12
DECIMAL_PLACES_MAX = 6
NAME_LENGTH_MAX = 255
EMAIL_LENGTH_MAX = 320  # a longer one is no address
STATUS_LENGTH_MAX = 32
# all of the order's money is or was there; `partially_paid`, `authorized` and what Shopify may
# invent tomorrow earn nothing until it is
PAID = frozenset({"paid", "partially_refunded", "refunded"})


GID = "gid://shopify/"
Compliance = shapes.DataRequest | shapes.CustomerRedact | shapes.ShopRedact


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


@dataclass(frozen=True, slots=True)
class Fact:
    """A past fact of a shop: topic and data of an event, and when it happened (ISO 8601, UTC)
    where that is told.
    """

    topic: str
    data: dict[str, Any]
    occurred_at: str | None = None


def translate(webhook: Webhook) -> list[Fact]:
    """The facts of a webhook; none for a topic we do not know.

    Raises BadPayloadError with a plain sentence when the payload of a known topic cannot be used.
    """
    translator = TRANSLATORS.get(webhook.topic)
    if translator is None:
        return []
    decoder, build = translator
    try:
        payload = decoder.decode(webhook.body)
    except msgspec.ValidationError as error:
        raise BadPayloadError(
            f"The {webhook.topic} payload has another shape than agreed: {error}."
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadPayloadError(f"The {webhook.topic} payload is not JSON: {error}.") from error
    except RecursionError as error:
        raise BadPayloadError(f"The {webhook.topic} payload is nested too deeply.") from error
    return [build(webhook, payload)]


def _order_paid(webhook: Webhook, order: PaidOrder) -> Fact:
    """`order.paid` when the order says so itself, else `order.cancelled` or `order.updated`."""
    _check_name(webhook, "Order", order.id, order.admin_graphql_api_id)
    if order.cancelled_at:
        return _cancellation(webhook, order)
    if order.financial_status not in PAID:
        return _state(webhook, order, "order.updated", order.updated_at)
    processed_at = _moment(webhook, "processed_at", order.processed_at or order.created_at)
    data: dict[str, Any] = {
        "order_id": str(order.id),
        "order_name": _text(order.name, 64),
        "customer_id": str(order.customer.id) if order.customer else None,
        "test": bool(order.test),
        "currency": order.currency,
        "processed_at": processed_at,
        "lines": [
            {
                "line_id": str(line.id),
                "quantity": line.quantity,
                "amount": f"{_net(webhook, line):f}",
                "gift_card": bool(line.gift_card),
            }
            for line in order.line_items
        ],
        "customer": _person(order.customer) if order.customer else None,
    }
    if codes := [_text(one.code, 64) for one in order.discount_codes or () if one.code]:
        data["discount_codes"] = codes
    return Fact("order.paid", data, processed_at)


def _net(webhook: Webhook, line: Line) -> Decimal:
    """What the line costs after its own and its part of the order's discounts, in shop money,
    without tax.
    """
    where = f"line {line.id}"
    net = line.quantity * _amount(webhook, f"The price of {where}", line.price, line.price_set)
    for allocation in line.discount_allocations or ():
        net -= _amount(webhook, f"A discount of {where}", allocation.amount, allocation.amount_set)
    if net < 0:
        raise BadPayloadError(
            f"The discounts of {where} in the {webhook.topic} payload are larger than its price."
        )
    return net


def _amount(webhook: Webhook, what: str, amount: Decimal | None, money: MoneySet | None) -> Decimal:
    found = _finite(webhook, what, amount, money)
    if found < 0:
        raise BadPayloadError(f"{what} in the {webhook.topic} payload is negative.")
    return found


def _finite(webhook: Webhook, what: str, amount: Decimal | None, money: MoneySet | None) -> Decimal:
    if money is not None and money.shop_money is not None:
        amount = money.shop_money.amount
    # Decimal reads "NaN", "Infinity" and "1e400" as numbers too
    if amount is None or not amount.is_finite() or abs(amount) > AMOUNT_MAX:
        raise BadPayloadError(f"{what} in the {webhook.topic} payload is no amount of money.")
    if amount.as_tuple().exponent < -DECIMAL_PLACES_MAX:  # type: ignore[operator] # a number, as it is finite
        raise BadPayloadError(
            f"{what} in the {webhook.topic} payload has more than {DECIMAL_PLACES_MAX} decimals."
        )
    return amount


def _order_changed(webhook: Webhook, order: Order) -> Fact:
    _check_name(webhook, "Order", order.id, order.admin_graphql_api_id)
    if webhook.topic == "orders/create":
        return _state(webhook, order, "order.created", order.created_at)
    return _state(webhook, order, "order.updated", order.updated_at)


def _order_cancelled(webhook: Webhook, order: Order) -> Fact:
    """`order.cancelled` when the order says so itself."""
    if not order.cancelled_at:
        return _order_changed(webhook, order)
    _check_name(webhook, "Order", order.id, order.admin_graphql_api_id)
    return _cancellation(webhook, order)


def _cancellation(webhook: Webhook, order: Order | PaidOrder) -> Fact:
    cancelled_at = _moment(webhook, "cancelled_at", order.cancelled_at)
    return Fact(
        "order.cancelled", {"order_id": str(order.id), "cancelled_at": cancelled_at}, cancelled_at
    )


def _state(webhook: Webhook, order: Order | PaidOrder, topic: str, at: str | None) -> Fact:
    data = {
        "order_id": str(order.id),
        "customer_id": str(order.customer.id) if order.customer else None,
        "financial_status": _text(order.financial_status, STATUS_LENGTH_MAX),
        "test": bool(order.test),
        "cancelled_at": _moment(webhook, "cancelled_at", order.cancelled_at),
    }
    return Fact(topic, data, _moment(webhook, "updated_at", at))


def _order_refunded(webhook: Webhook, refund: Refund) -> Fact:
    _check_name(webhook, "Refund", refund.id, refund.admin_graphql_api_id)
    # a refund of more than its lines are worth is booked as a negative discrepancy; less than their
    # worth as a positive one, which takes nothing back here. Shipping has a kind of its own and
    # earned nothing.
    discrepancy = Decimal(0)
    for adjustment in refund.order_adjustments or ():
        if adjustment.kind == "refund_discrepancy":
            discrepancy += _finite(
                webhook, "A refund adjustment", adjustment.amount, adjustment.amount_set
            )
    data = {
        "order_id": str(refund.order_id),
        "refund_id": str(refund.id),
        "lines": [
            {"line_id": str(line.line_item_id), "quantity": line.quantity}
            for line in refund.refund_line_items
        ],
        "adjustment_amount": f"{max(Decimal(0), -discrepancy):f}",
    }
    return Fact(
        "order.refunded",
        data,
        _moment(webhook, "processed_at", refund.processed_at or refund.created_at),
    )


def _customer_changed(webhook: Webhook, customer: Customer) -> Fact:
    _check_name(webhook, "Customer", customer.id, customer.admin_graphql_api_id)
    topic = "customer.created" if webhook.topic == "customers/create" else "customer.updated"
    person = _person(customer)
    updated_at = _moment(webhook, "updated_at", customer.updated_at or customer.created_at)
    data = {
        "customer_id": person["id"],
        "name": person["name"],
        "email": person["email"],
        "updated_at": updated_at,
    }
    return Fact(topic, data, updated_at)


def _customer_deleted(webhook: Webhook, customer: shapes.DeletedCustomer) -> Fact:
    _check_name(webhook, "Customer", customer.id, customer.admin_graphql_api_id)
    if customer.state is not UNSET or customer.created_at is not UNSET:
        raise BadPayloadError(f"The {webhook.topic} payload is a customer who is still there.")
    return Fact("customer.deleted", {"customer_id": str(customer.id)})


def _uninstalled(webhook: Webhook, shop: shapes.Shop) -> Fact:
    _check_shop(webhook, shop.myshopify_domain)
    return Fact("app.uninstalled", {})


def _compliance(webhook: Webhook, asked: Compliance) -> Fact:
    _check_shop(webhook, asked.shop_domain)
    if isinstance(asked, shapes.ShopRedact) and asked.customer is not UNSET:
        raise BadPayloadError(f"The {webhook.topic} payload is about a customer, not the shop.")
    payload = msgspec.json.decode(webhook.body)
    return Fact("compliance.requested", {"topic": webhook.topic, "payload": payload})


def _check_name(webhook: Webhook, kind: str, number: int, gid: str | None) -> None:
    """The gid in a body says what it is: an order is no customer, though both have an id."""
    if gid and gid.startswith(GID) and gid != f"{GID}{kind}/{number}":
        raise BadPayloadError(f"The {webhook.topic} payload is {_text(gid, 64)}, no such {kind}.")


def _check_shop(webhook: Webhook, domain: str | None) -> None:
    """The shop's name in a body, where Shopify writes one, is that of the shop it came for."""
    named = (domain or "").lower()
    if SHOP.fullmatch(named) and named != webhook.shop:
        raise BadPayloadError(f"The {webhook.topic} payload is about another shop.")


def _person(customer: Customer | Buyer) -> dict[str, str]:
    email = _text(customer.email, EMAIL_LENGTH_MAX + 1)
    return {
        "id": str(customer.id),
        "name": _text(
            " ".join(part for part in (customer.first_name, customer.last_name) if part),
            NAME_LENGTH_MAX,
        ),
        "email": email if len(email) <= EMAIL_LENGTH_MAX else "",
    }


def _text(value: str | None, length_max: int) -> str:
    # Postgres keeps no NUL, and no half of a surrogate pair can be written as UTF-8
    cleaned = (value or "").replace("\x00", "").encode(errors="replace").decode()
    return cleaned.strip()[:length_max]


def _moment(webhook: Webhook, field: str, value: str | None) -> str | None:
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


Translator = tuple[msgspec.json.Decoder[Any], Callable[[Webhook, Any], Fact]]
_ORDER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Order)
_CUSTOMER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Customer)

TRANSLATORS: dict[str, Translator] = {
    "orders/create": (_ORDER, _order_changed),
    "orders/updated": (_ORDER, _order_changed),
    "orders/cancelled": (_ORDER, _order_cancelled),
    "orders/paid": (msgspec.json.Decoder(PaidOrder), _order_paid),
    "refunds/create": (msgspec.json.Decoder(Refund), _order_refunded),
    "customers/create": (_CUSTOMER, _customer_changed),
    "customers/update": (_CUSTOMER, _customer_changed),
    "customers/delete": (msgspec.json.Decoder(shapes.DeletedCustomer), _customer_deleted),
    "app/uninstalled": (msgspec.json.Decoder(shapes.Shop), _uninstalled),
    "customers/data_request": (msgspec.json.Decoder(shapes.DataRequest), _compliance),
    "customers/redact": (msgspec.json.Decoder(shapes.CustomerRedact), _compliance),
    "shop/redact": (msgspec.json.Decoder(shapes.ShopRedact), _compliance),
}
