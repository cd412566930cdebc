"""Turns the payload of a webhook into plain facts; whatever it does not use may have any shape.

Only the body is signed. Its topic and its shop come from headers anybody could have changed, so the
body must have its topic's shape and agree with its shop, and what an order is it says itself: one
order has the same bytes under `orders/create`, `orders/paid` and `orders/updated`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import UNSET

from app.facts import PAID
from app.shopify import fields, orders, shapes
from app.shopify.fields import BadPayloadError, Webhook
from app.shopify.shapes import Buyer, Customer, Order, Refund

NAME_LENGTH_MAX = 255
EMAIL_LENGTH_MAX = 320  # a longer one is no address
STATUS_LENGTH_MAX = 32
ID_LENGTH_MAX = 20
TAG_LENGTH_MAX = 255
ADDRESS_LENGTH_MAX = 120
TOPICS_OF_ORDERS = {
    "orders/create": "order.created",
    "orders/updated": "order.updated",
    "orders/paid": "order.paid",
}
OLD = timedelta(days=60)  # how far back an app sees orders, unless it may see all of them
CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
SHOP_LENGTHS = {"name": NAME_LENGTH_MAX, "currency": 3, "timezone": 64}
MERGED = frozenset({"completed", "success", "succeeded"})
SUBSCRIBED = "subscribed"  # and no other state, such as pending, unsubscribed, redacted
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
        payload = _decoded(decoder, webhook.body)
    except msgspec.ValidationError as error:
        raise BadPayloadError(
            f"The {webhook.topic} payload has another shape than agreed: {error}."
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadPayloadError(f"The {webhook.topic} payload is not JSON: {error}.") from error
    except RecursionError as error:
        raise BadPayloadError(f"The {webhook.topic} payload is nested too deeply.") from error
    return [build(webhook, payload)]


def _decoded(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        mended = fields.mended(body)
        if mended == body:
            raise
        return decoder.decode(mended)


def _order(webhook: Webhook, order: Order) -> Fact:
    """`order.paid` under its topic, when the order says so itself; else `order.created` or
    `order.updated`, and `order.cancelled` when it says that.
    """
    fields.check_name(webhook, "Order", order.id, order.admin_graphql_api_id)
    if order.cancelled_at:
        return _cancellation(webhook, order)
    topic = TOPICS_OF_ORDERS.get(webhook.topic, "order.updated")
    if topic == "order.paid" and order.financial_status not in PAID:
        topic = "order.updated"
    placed_at = fields.moment(webhook, "processed_at", order.processed_at or order.created_at)
    updated_at = fields.moment(webhook, "updated_at", order.updated_at)
    customer = order.customer if order.customer and order.customer.id else None
    data: dict[str, Any] = {
        "order_id": str(order.id),
        "order_name": fields.text(order.name, 64),
        "customer_id": str(customer.id) if customer else None,
        "test": bool(order.test),
        "currency": order.currency,
        "financial_status": fields.text(order.financial_status, STATUS_LENGTH_MAX),
        "processed_at": placed_at,
        "updated_at": updated_at,
        "lines": orders.lines(webhook, order),
        "customer": _person(customer) if customer else None,
        **orders.origin(order),
        **orders.shipping(order),
    }
    if (outstanding := orders.outstanding(webhook, order)) != "0":
        data["outstanding"] = outstanding
    if order.refunds:
        data["refunds"] = [orders.refund(webhook, one) for one in order.refunds]
    if codes := [fields.text(one.code, 64) for one in order.discount_codes or () if one.code]:
        data["discount_codes"] = codes
    if not customer and (email := _email(order.email)):
        data["email"] = email
    if address := _address(order.shipping_address):
        data["address"] = address
    if topic != "order.paid" and _is_old(placed_at, updated_at):
        data["is_old"] = True
    return Fact(topic, data, updated_at)


def _is_old(placed_at: str | None, updated_at: str | None) -> bool:
    """Staff who tag the orders of years ago tell of them, too; nobody has paid them now."""
    if placed_at is None or updated_at is None:
        return False
    return datetime.fromisoformat(updated_at) - datetime.fromisoformat(placed_at) > OLD


def _cancellation(webhook: Webhook, order: Order) -> Fact:
    cancelled_at = fields.moment(webhook, "cancelled_at", order.cancelled_at)
    return Fact(
        "order.cancelled", {"order_id": str(order.id), "cancelled_at": cancelled_at}, cancelled_at
    )


def _order_refunded(webhook: Webhook, refund: Refund) -> Fact:
    fields.check_name(webhook, "Refund", refund.id, refund.admin_graphql_api_id)
    return Fact(
        "order.refunded",
        {"order_id": str(refund.order_id), **orders.refund(webhook, refund)},
        fields.moment(webhook, "processed_at", refund.processed_at or refund.created_at),
    )


def _order_edited(webhook: Webhook, edited: shapes.EditedOrder) -> Fact:
    edit = edited.order_edit
    return Fact(
        "order.edited",
        {
            "order_id": str(edit.order_id),
            "edit_id": str(edit.id),
            "added": _pieces(edit.line_items.additions),
            "removed": _pieces(edit.line_items.removals),
        },
        fields.moment(webhook, "committed_at", edit.committed_at),
    )


def _pieces(changes: list[shapes.Change]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in changes:
        found[str(one.id)] = found.get(str(one.id), 0) + one.delta
    return found


def _order_deleted(_webhook: Webhook, order: shapes.Identified) -> Fact:
    return Fact("order.deleted", {"order_id": str(order.id)})


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


def _customer_consented(webhook: Webhook, customer: shapes.ConsentedCustomer) -> Fact:
    consent = customer.email_marketing_consent
    at = fields.moment(webhook, "consent_updated_at", consent.consent_updated_at)
    is_subscribed = consent.state.lower() == SUBSCRIBED
    data = {"customer_id": str(customer.customer_id), "is_subscribed": is_subscribed, "at": at}
    return Fact("customer.consented", data, at)


def _customer_deleted(webhook: Webhook, customer: shapes.DeletedCustomer) -> Fact:
    fields.check_name(webhook, "Customer", customer.id, customer.admin_graphql_api_id)
    if customer.state is not UNSET or customer.created_at is not UNSET:
        raise BadPayloadError(f"The {webhook.topic} payload is a customer who is still there.")
    return Fact("customer.deleted", {"customer_id": str(customer.id)})


def _customer_merged(webhook: Webhook, merge: shapes.Merge) -> Fact:
    """`customer.merged` once it is done; what failed or goes on is told, and changes nothing."""
    gone, kept = (
        _customer_id(webhook, gid)
        for gid in (
            merge.admin_graphql_api_customer_deleted_id,
            merge.admin_graphql_api_customer_kept_id,
        )
    )
    if gone == kept:
        raise BadPayloadError(f"The {webhook.topic} payload merges a customer with itself.")
    is_done = (merge.status or "").lower() in MERGED
    topic = "customer.merged" if is_done else "customer.merge_reported"
    return Fact(topic, {"customer_id": gone, "kept_id": kept})


def _customer_id(webhook: Webhook, gid: str) -> str:
    number = gid.removeprefix(f"{fields.GID}Customer/")
    if number == gid or not number.isascii() or not number.isdigit() or len(number) > ID_LENGTH_MAX:
        raise BadPayloadError(f"The {webhook.topic} payload is not about customers.")
    return number


def _customer_tagged(webhook: Webhook, told: shapes.Tags) -> Fact:
    is_added = webhook.topic == "customer.tags_added"
    at = fields.moment(webhook, "occurredAt", told.occurredAt)
    data = {
        "customer_id": _customer_id(webhook, told.customerId),
        "added" if is_added else "removed": [fields.text(tag, TAG_LENGTH_MAX) for tag in told.tags],
        "at": at,
    }
    return Fact("customer.tagged", data, at)


def _collection_updated(webhook: Webhook, collection: shapes.Collection) -> Fact:
    fields.check_name(webhook, "Collection", collection.id, collection.admin_graphql_api_id)
    updated_at = fields.moment(webhook, "updated_at", collection.updated_at)
    return Fact("collection.updated", {"collection_id": str(collection.id)}, updated_at)


def _uninstalled(webhook: Webhook, shop: shapes.Shop) -> Fact:
    fields.check_shop(webhook, shop.myshopify_domain)
    return Fact("app.uninstalled", {})


def _shop_updated(webhook: Webhook, shop: shapes.Shop) -> Fact:
    fields.check_shop(webhook, shop.myshopify_domain)
    said = {"name": shop.name, "currency": shop.currency, "timezone": shop.iana_timezone}
    if not isinstance(shop.currency, str) or not CURRENCY.fullmatch(shop.currency):
        said["currency"] = ""
    updated_at = shop.updated_at if isinstance(shop.updated_at, str) else None
    return Fact(
        "shop.updated",
        {
            name: fields.text(value if isinstance(value, str) else "", SHOP_LENGTHS[name])
            for name, value in said.items()
        },
        fields.moment(webhook, "updated_at", updated_at),
    )


def _compliance(webhook: Webhook, asked: Compliance) -> Fact:
    fields.check_shop(webhook, asked.shop_domain)
    if isinstance(asked, shapes.ShopRedact) and asked.customer is not UNSET:
        raise BadPayloadError(f"The {webhook.topic} payload is about a customer, not the shop.")
    payload = _decoded(_ANYTHING, webhook.body)
    return Fact("compliance.requested", {"topic": webhook.topic, "payload": payload})


def _person(customer: Customer | Buyer) -> dict[str, str]:
    return {
        "id": str(customer.id),
        "name": fields.text(
            " ".join(part for part in (customer.first_name, customer.last_name) if part),
            NAME_LENGTH_MAX,
        ),
        "email": _email(customer.email),
    }


def _email(said: Any) -> str:
    """An address; empty for what is none, by its kind or its length."""
    email = fields.text(said if isinstance(said, str) else "", EMAIL_LENGTH_MAX + 1)
    return email if len(email) <= EMAIL_LENGTH_MAX else ""


def _address(said: Any) -> str:
    """Where an order goes to in one line; empty where that is not told."""
    if not isinstance(said, dict):
        return ""
    parts = (said.get(name) for name in ("address1", "address2", "zip", "country_code"))
    written = ", ".join(part.strip() for part in parts if isinstance(part, str) and part.strip())
    return fields.text(written, ADDRESS_LENGTH_MAX)


Translator = tuple[msgspec.json.Decoder[Any], Callable[[Webhook, Any], Fact]]
_ANYTHING: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_ORDER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Order)
_CUSTOMER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Customer)
_SHOP: msgspec.json.Decoder[Any] = msgspec.json.Decoder(shapes.Shop)

TRANSLATORS: dict[str, Translator] = {
    **dict.fromkeys((*TOPICS_OF_ORDERS, "orders/cancelled"), (_ORDER, _order)),
    "orders/edited": (msgspec.json.Decoder(shapes.EditedOrder), _order_edited),
    "orders/delete": (msgspec.json.Decoder(shapes.Identified), _order_deleted),
    "refunds/create": (msgspec.json.Decoder(Refund), _order_refunded),
    "customers/create": (_CUSTOMER, _customer_changed),
    "customers/update": (_CUSTOMER, _customer_changed),
    "customers/delete": (msgspec.json.Decoder(shapes.DeletedCustomer), _customer_deleted),
    "customers_email_marketing_consent/update": (
        msgspec.json.Decoder(shapes.ConsentedCustomer),
        _customer_consented,
    ),
    "customers/merge": (msgspec.json.Decoder(shapes.Merge), _customer_merged),
    **dict.fromkeys(
        ("customer.tags_added", "customer.tags_removed"),
        (msgspec.json.Decoder(shapes.Tags), _customer_tagged),
    ),
    "collections/update": (msgspec.json.Decoder(shapes.Collection), _collection_updated),
    "app/uninstalled": (_SHOP, _uninstalled),
    "shop/update": (_SHOP, _shop_updated),
    "customers/data_request": (msgspec.json.Decoder(shapes.DataRequest), _compliance),
    "customers/redact": (msgspec.json.Decoder(shapes.CustomerRedact), _compliance),
    "shop/redact": (msgspec.json.Decoder(shapes.ShopRedact), _compliance),
}
