"""Turns the payload of a webhook into plain facts; whatever it does not use may have any shape.

Only the body is signed. Its topic and its shop come from headers anybody could have changed, so the
body must have its topic's shape and agree with its shop, and what an order is it says itself: one
order has the same bytes under `orders/create`, `orders/paid` and `orders/updated`.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import UNSET

from app.facts import PAID
from app.shopify import fields, order_codes, orders, people, shapes
from app.shopify.fields import BadPayloadError, Fact, Webhook
from app.shopify.shapes import Customer, Order, Refund

STATUS_LENGTH_MAX = 32
TOPICS_OF_ORDERS = {
    "orders/create": "order.created",
    "orders/updated": "order.updated",
    "orders/paid": "order.paid",
}
AHEAD = timedelta(days=1)
OLD = timedelta(days=60)  # how far back an app sees orders, unless it may see all of them
CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
SHOP_LENGTHS = {"name": people.NAME_LENGTH_MAX, "currency": 3, "timezone": 64}
Compliance = shapes.DataRequest | shapes.CustomerRedact | shapes.ShopRedact


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
    updated_at = fields.moment(webhook, "updated_at", order.updated_at)
    placed_at, is_imported = _placed(webhook, order)
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
        "customer": people.person(customer) if customer else None,
        **orders.origin(order),
        **orders.shipping(order),
    }
    if (outstanding := orders.outstanding(webhook, order)) != "0":
        data["outstanding"] = outstanding
    if order.refunds:
        data["refunds"] = [orders.refund(webhook, one) for one in order.refunds]
    if codes := order_codes.told(order):
        data["discount_codes"] = codes
    if not customer and (email := people.email_of(order.email)):
        data["email"] = email
    if address := people.address(order.shipping_address):
        data["address"] = address
    if is_imported or (topic != "order.paid" and _is_old(placed_at, updated_at)):
        data["is_old"] = True
    return Fact(topic, data, updated_at)


def _placed(webhook: Webhook, order: Order) -> tuple[str | None, bool]:
    """When an order was placed, and whether it was made only long after that. It can be made after
    it was placed, such as at a till without a network, but not before.
    """
    placed_at = fields.moment(webhook, "processed_at", order.processed_at or order.created_at)
    if not order.processed_at or not order.created_at or order.processed_at == order.created_at:
        return placed_at, False
    made_at = fields.moment(webhook, "created_at", order.created_at)
    if _is_old(made_at, placed_at, AHEAD):
        return made_at, False
    return placed_at, _is_old(placed_at, made_at)


def _is_old(placed_at: str | None, told_at: str | None, limit: timedelta = OLD) -> bool:
    """Staff who tag the orders of years ago tell of them, too, and who imports them makes them only
    now; nobody has paid them now.
    """
    if placed_at is None or told_at is None:
        return False
    return datetime.fromisoformat(told_at) - datetime.fromisoformat(placed_at) > limit


def _cancellation(webhook: Webhook, order: Order) -> Fact:
    cancelled_at = fields.moment(webhook, "cancelled_at", order.cancelled_at)
    data: dict[str, Any] = {"order_id": str(order.id), "cancelled_at": cancelled_at}
    if order.customer and order.customer.id and (codes := order_codes.told(order)):
        data |= {"customer_id": str(order.customer.id), "discount_codes": codes}
    return Fact("order.cancelled", data, cancelled_at)


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
    "customers/create": (_CUSTOMER, people.changed),
    "customers/update": (_CUSTOMER, people.changed),
    "customers/delete": (msgspec.json.Decoder(shapes.DeletedCustomer), people.deleted),
    "customers_email_marketing_consent/update": (
        msgspec.json.Decoder(shapes.ConsentedCustomer),
        people.consented,
    ),
    "customers/merge": (msgspec.json.Decoder(shapes.Merge), people.merged),
    **dict.fromkeys(
        ("customer.tags_added", "customer.tags_removed"),
        (msgspec.json.Decoder(shapes.Tags), people.tagged),
    ),
    "collections/update": (msgspec.json.Decoder(shapes.Collection), _collection_updated),
    "app/uninstalled": (_SHOP, _uninstalled),
    "shop/update": (_SHOP, _shop_updated),
    "customers/data_request": (msgspec.json.Decoder(shapes.DataRequest), _compliance),
    "customers/redact": (msgspec.json.Decoder(shapes.CustomerRedact), _compliance),
    "shop/redact": (msgspec.json.Decoder(shapes.ShopRedact), _compliance),
}
