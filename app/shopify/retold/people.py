"""The bodies of customers, of what they say to e-mails, and of the shop."""

from app.shopify.retold import parts
from app.shopify.retold.parts import Answer, Json


def customer(told: Answer) -> Json:
    """The body of `customers/update`."""
    return {
        "id": parts.number(told["id"]),
        "admin_graphql_api_id": told["id"],
        "created_at": told["createdAt"],
        "updated_at": told["updatedAt"],
        "first_name": told["firstName"],
        "last_name": told["lastName"],
        "state": parts.lower(told["state"]) or "disabled",
        "email": parts.email(told),
    }


def consent(told: Answer) -> Json | None:
    """The body of `customers_email_marketing_consent/update`; None while nothing was said."""
    address = told.get("defaultEmailAddress") or {}
    if not address.get("marketingUpdatedAt"):
        return None
    return {
        "customer_id": parts.number(told["id"]),
        "email_address": address["emailAddress"],
        "email_marketing_consent": {
            "state": parts.lower(address["marketingState"]),
            "consent_updated_at": address["marketingUpdatedAt"],
        },
    }


def tags(told: Answer) -> Json | None:
    """The body of `customer.tags_added`, of all tags there are; None without any."""
    if not told["tags"]:
        return None
    return {"customerId": told["id"], "tags": [*told["tags"]], "occurredAt": told["updatedAt"]}


def shop(told: Answer) -> Json:
    """The body of `shop/update`."""
    return {
        "id": parts.number(told["id"]),
        "name": told["name"],
        "currency": told["currencyCode"],
        "iana_timezone": told["ianaTimezone"],
        "myshopify_domain": told["myshopifyDomain"],
        "plan_name": (told.get("plan") or {}).get("publicDisplayName"),
        "updated_at": told["updatedAt"],
    }
