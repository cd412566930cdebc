"""Turns the payload of a webhook into plain facts; whatever it does not use may have any shape.

Only the body is signed. Its topic and its shop come from headers anybody could have changed, so the
body must have its topic's shape and agree with its shop, and what an order is it says itself: one
order has the same bytes under `orders/create`, `orders/paid` and `orders/updated`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET

from app.shopify import fields, shapes
from app.shopify.fields import BadPayloadError, Webhook
from app.shopify.shapes import Buyer, Customer, Line, Order, PaidOrder, Refund

NAME_LENGTH_MAX = 255
EMAIL_LENGTH_MAX = 320  # a longer one is no address
STATUS_LENGTH_MAX = 32
# all of the order's money is or was there; `partially_paid`, `authorized` and what Shopify may
# invent tomorrow earn nothing until it is
PAID = frozenset({"paid", "partially_refunded", "refunded"})
Compliance = shapes.DataRequest | shapes.CustomerRedact | shapes.ShopRedact


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
    fields.check_name(webhook, "Order", order.id, order.admin_graphql_api_id)
    if order.cancelled_at:
        return _cancellation(webhook, order)
    if order.financial_status not in PAID:
        return _state(webhook, order, "order.updated", order.updated_at)
    processed_at = fields.moment(webhook, "processed_at", order.processed_at or order.created_at)
    data: dict[str, Any] = {
        "order_id": str(order.id),
        "order_name": fields.text(order.name, 64),
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
    if codes := [fields.text(one.code, 64) for one in order.discount_codes or () if one.code]:
        data["discount_codes"] = codes
    return Fact("order.paid", data, processed_at)


def _net(webhook: Webhook, line: Line) -> Decimal:
    """What the line costs after its own and its part of the order's discounts, in shop money,
    without tax.
    """
    where = f"line {line.id}"
    net = line.quantity * fields.amount(
        webhook, f"The price of {where}", line.price, line.price_set
    )
    for allocation in line.discount_allocations or ():
        net -= fields.amount(
            webhook, f"A discount of {where}", allocation.amount, allocation.amount_set
        )
    if net < 0:
        raise BadPayloadError(
            f"The discounts of {where} in the {webhook.topic} payload are larger than its price."
        )
    return net


def _order_changed(webhook: Webhook, order: Order) -> Fact:
    fields.check_name(webhook, "Order", order.id, order.admin_graphql_api_id)
    if webhook.topic == "orders/create":
        return _state(webhook, order, "order.created", order.created_at)
    return _state(webhook, order, "order.updated", order.updated_at)


def _order_cancelled(webhook: Webhook, order: Order) -> Fact:
    """`order.cancelled` when the order says so itself."""
    if not order.cancelled_at:
        return _order_changed(webhook, order)
    fields.check_name(webhook, "Order", order.id, order.admin_graphql_api_id)
    return _cancellation(webhook, order)


def _cancellation(webhook: Webhook, order: Order | PaidOrder) -> Fact:
    cancelled_at = fields.moment(webhook, "cancelled_at", order.cancelled_at)
    return Fact(
        "order.cancelled", {"order_id": str(order.id), "cancelled_at": cancelled_at}, cancelled_at
    )


def _state(webhook: Webhook, order: Order | PaidOrder, topic: str, at: str | None) -> Fact:
    data = {
        "order_id": str(order.id),
        "customer_id": str(order.customer.id) if order.customer else None,
        "financial_status": fields.text(order.financial_status, STATUS_LENGTH_MAX),
        "test": bool(order.test),
        "cancelled_at": fields.moment(webhook, "cancelled_at", order.cancelled_at),
    }
    return Fact(topic, data, fields.moment(webhook, "updated_at", at))


def _order_refunded(webhook: Webhook, refund: Refund) -> Fact:
    fields.check_name(webhook, "Refund", refund.id, refund.admin_graphql_api_id)
    # a refund of more than its lines are worth is booked as a negative discrepancy; less than their
    # worth as a positive one, which takes nothing back here. Shipping has a kind of its own and
    # earned nothing.
    discrepancy = Decimal(0)
    for adjustment in refund.order_adjustments or ():
        if adjustment.kind == "refund_discrepancy":
            discrepancy += fields.finite(
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
        fields.moment(webhook, "processed_at", refund.processed_at or refund.created_at),
    )


def _customer_changed(webhook: Webhook, customer: Customer) -> Fact:
    fields.check_name(webhook, "Customer", customer.id, customer.admin_graphql_api_id)
    topic = "customer.created" if webhook.topic == "customers/create" else "customer.updated"
    person = _person(customer)
    updated_at = fields.moment(webhook, "updated_at", customer.updated_at or customer.created_at)
    data = {
        "customer_id": person["id"],
        "name": person["name"],
        "email": person["email"],
        "updated_at": updated_at,
    }
    return Fact(topic, data, updated_at)


def _customer_deleted(webhook: Webhook, customer: shapes.DeletedCustomer) -> Fact:
    fields.check_name(webhook, "Customer", customer.id, customer.admin_graphql_api_id)
    if customer.state is not UNSET or customer.created_at is not UNSET:
        raise BadPayloadError(f"The {webhook.topic} payload is a customer who is still there.")
    return Fact("customer.deleted", {"customer_id": str(customer.id)})


def _uninstalled(webhook: Webhook, shop: shapes.Shop) -> Fact:
    fields.check_shop(webhook, shop.myshopify_domain)
    return Fact("app.uninstalled", {})


def _compliance(webhook: Webhook, asked: Compliance) -> Fact:
    fields.check_shop(webhook, asked.shop_domain)
    if isinstance(asked, shapes.ShopRedact) and asked.customer is not UNSET:
        raise BadPayloadError(f"The {webhook.topic} payload is about a customer, not the shop.")
    payload = msgspec.json.decode(webhook.body)
    return Fact("compliance.requested", {"topic": webhook.topic, "payload": payload})


def _person(customer: Customer | Buyer) -> dict[str, str]:
    email = fields.text(customer.email, EMAIL_LENGTH_MAX + 1)
    return {
        "id": str(customer.id),
        "name": fields.text(
            " ".join(part for part in (customer.first_name, customer.last_name) if part),
            NAME_LENGTH_MAX,
        ),
        "email": email if len(email) <= EMAIL_LENGTH_MAX else "",
    }


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
