"""Turns what Shopify says of customers into plain facts."""

from typing import Any

from msgspec import UNSET

from app.shopify import fields, shapes
from app.shopify.fields import BadPayloadError, Fact, Webhook
from app.shopify.shapes import Buyer, Customer

NAME_LENGTH_MAX = 255
EMAIL_LENGTH_MAX = 320  # a longer one is no address
ID_LENGTH_MAX = 20
TAG_LENGTH_MAX = 255
ADDRESS_LENGTH_MAX = 120
MERGED = frozenset({"completed", "success", "succeeded"})
SUBSCRIBED = "subscribed"  # and no other state, such as pending, unsubscribed, redacted


def changed(webhook: Webhook, customer: Customer) -> Fact:
    fields.check_name(webhook, "Customer", customer.id, customer.admin_graphql_api_id)
    topic = "customer.created" if webhook.topic == "customers/create" else "customer.updated"
    told = person(customer)
    updated_at = fields.moment(webhook, "updated_at", customer.updated_at or customer.created_at)
    data = {
        "customer_id": told["id"],
        "name": told["name"],
        "email": told["email"],
        "updated_at": updated_at,
    }
    return Fact(topic, data, updated_at)


def consented(webhook: Webhook, customer: shapes.ConsentedCustomer) -> Fact:
    consent = customer.email_marketing_consent
    at = fields.moment(webhook, "consent_updated_at", consent.consent_updated_at)
    is_subscribed = consent.state.lower() == SUBSCRIBED
    data = {"customer_id": str(customer.customer_id), "is_subscribed": is_subscribed, "at": at}
    return Fact("customer.consented", data, at)


def deleted(webhook: Webhook, customer: shapes.DeletedCustomer) -> Fact:
    fields.check_name(webhook, "Customer", customer.id, customer.admin_graphql_api_id)
    if customer.state is not UNSET or customer.created_at is not UNSET:
        raise BadPayloadError(f"The {webhook.topic} payload is a customer who is still there.")
    return Fact("customer.deleted", {"customer_id": str(customer.id)})


def merged(webhook: Webhook, merge: shapes.Merge) -> Fact:
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


def tagged(webhook: Webhook, told: shapes.Tags) -> Fact:
    is_added = webhook.topic == "customer.tags_added"
    at = fields.moment(webhook, "occurredAt", told.occurredAt)
    data = {
        "customer_id": _customer_id(webhook, told.customerId),
        "added" if is_added else "removed": [fields.text(tag, TAG_LENGTH_MAX) for tag in told.tags],
        "at": at,
    }
    return Fact("customer.tagged", data, at)


def person(customer: Customer | Buyer) -> dict[str, str]:
    return {
        "id": str(customer.id),
        "name": fields.text(
            " ".join(part for part in (customer.first_name, customer.last_name) if part),
            NAME_LENGTH_MAX,
        ),
        "email": email_of(customer.email),
    }


def email_of(said: Any) -> str:
    """An address; empty for what is none, by its kind or its length."""
    email = fields.text(said if isinstance(said, str) else "", EMAIL_LENGTH_MAX + 1)
    return email if len(email) <= EMAIL_LENGTH_MAX else ""


def address(said: Any) -> str:
    """Where an order goes to in one line; empty where that is not told."""
    if not isinstance(said, dict):
        return ""
    parts = (said.get(name) for name in ("address1", "address2", "zip", "country_code"))
    written = ", ".join(part.strip() for part in parts if isinstance(part, str) and part.strip())
    return fields.text(written, ADDRESS_LENGTH_MAX)
