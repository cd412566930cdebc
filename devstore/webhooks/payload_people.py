"""Webhook bodies about customers and the shop, and those of the compliance topics."""

import zoneinfo
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from devstore.shop import money, things
from devstore.webhooks.payload_parts import address, first_name, rfc3339

Json = dict[str, Any]
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}


def customer(it: things.Customer, currency: str, *, with_addresses: bool = True) -> Json:
    """`customers/create` and `customers/update`; inside an order without `addresses`."""
    home = {
        "id": it.id,
        "customer_id": it.id,
        **{
            name: value
            for name, value in address(it.id, it).items()
            if name not in {"latitude", "longitude"}
        },
        "country_name": "United States",
        "default": True,
    }
    return {
        "id": it.id,
        "created_at": rfc3339(it.created_at),
        "updated_at": rfc3339(it.updated_at),
        "first_name": first_name(it),
        "last_name": it.last_name,
        "state": "enabled",
        "note": it.note,
        "verified_email": True,
        "multipass_identifier": None,
        "tax_exempt": False,
        "email": it.email,
        "phone": it.phone,
        "currency": currency,
        **({"addresses": [home]} if with_addresses else {}),
        "tax_exemptions": [],
        "admin_graphql_api_id": f"gid://shopify/Customer/{it.id}",
        "default_address": home,
    }


def nobody(guest_as: str) -> Json | None:
    """What stands in the place of the customer of a guest's order."""
    if guest_as == "empty":
        return {}
    if guest_as == "id_null":
        names = ("id", "email", "first_name", "last_name", "admin_graphql_api_id")
        return dict.fromkeys(names)
    return None


def tags(it: things.Customer, names: Sequence[str], at: str) -> Json:
    """`customer.tags_added` and `customer.tags_removed`."""
    return {
        "customerId": f"gid://shopify/Customer/{it.id}",
        "tags": [*names],
        "occurredAt": at.replace("+00:00", "Z"),
    }


def collection(it: things.Collection) -> Json:
    """`collections/update`; which products are in it is not told."""
    return {
        "id": it.id,
        "handle": it.title.lower().replace(" ", "-"),
        "title": it.title,
        "updated_at": rfc3339(it.updated_at),
        "body_html": "",
        "published_at": rfc3339(it.updated_at),
        "sort_order": "manual",
        "template_suffix": None,
        "published_scope": "web",
        "admin_graphql_api_id": f"gid://shopify/Collection/{it.id}",
    }


def customer_deleted(it: things.Customer) -> Json:
    return {
        "id": it.id,
        "tax_exemptions": [],
        "admin_graphql_api_id": f"gid://shopify/Customer/{it.id}",
    }


def consent(it: things.Customer) -> Json:
    """`customers_email_marketing_consent/update`."""
    return {
        "customer_id": it.id,
        "email_address": it.email,
        "email_marketing_consent": {
            "state": it.consent,
            "opt_in_level": "single_opt_in" if it.consented_at else None,
            "consent_updated_at": rfc3339(it.consented_at) if it.consented_at else None,
        },
    }


def compliance(
    topic: str,
    shop: things.Shop,
    it: things.Customer | None,
    order_ids: Sequence[int],
    request_id: int,
) -> Json:
    """`customers/data_request`, `customers/redact` or `shop/redact`."""
    found: Json = {"shop_id": shop.id, "shop_domain": shop.domain}
    if topic == "shop/redact" or it is None:
        return found
    found["customer"] = {"id": it.id, "email": it.email, "phone": it.phone}
    if topic == "customers/redact":
        return {**found, "orders_to_redact": list(order_ids)}
    return {**found, "orders_requested": list(order_ids), "data_request": {"id": request_id}}


def shop(it: things.Shop) -> Json:
    """`app/uninstalled` and `shop/update`: no domain in them, as in Shopify's own sample."""
    decimals = "" if money.decimals(it.currency) else "_no_decimals"
    plain = f"{SYMBOLS.get(it.currency, '')}{{{{amount{decimals}}}}}"
    empty = dict.fromkeys(
        (
            "domain",
            "source",
            "latitude",
            "longitude",
            "address2",
            "auto_configure_tax_inclusivity",
            "tax_shipping",
            "county_taxes",
            "myshopify_domain",
            "google_apps_domain",
            "google_apps_login_enabled",
            "password_enabled",
        )
    )
    return {
        "id": it.id,
        "name": it.name,
        "email": f"owner@{it.handle}.example",
        "province": "Kentucky",
        "country": "US",
        "address1": "1 Main Street",
        "zip": "40202",
        "city": "Louisville",
        "phone": "",
        "primary_locale": "en",
        "created_at": rfc3339(it.created_at),
        "updated_at": rfc3339(things.now()),
        "country_code": "US",
        "country_name": "United States",
        "currency": it.currency,
        "customer_email": f"owner@{it.handle}.example",
        "taxes_included": it.taxes_included,
        "timezone": f"({_offset(it.timezone)}) {it.timezone.rpartition('/')[2].replace('_', ' ')}",
        "iana_timezone": it.timezone,
        "shop_owner": "Alice Owner",
        "money_format": plain,
        "money_with_currency_format": f"{plain} {it.currency}",
        "weight_unit": "kg",
        "province_code": "KY",
        "plan_display_name": "Basic",
        "plan_name": "basic",
        "has_discounts": True,
        "has_gift_cards": True,
        "money_in_emails_format": plain,
        "money_with_currency_in_emails_format": f"{plain} {it.currency}",
        "eligible_for_payments": True,
        "requires_extra_payments_agreement": False,
        "has_storefront": True,
        "finances": True,
        "primary_location_id": 655441491,
        "checkout_api_supported": True,
        "multi_location_enabled": False,
        "setup_required": False,
        "pre_launch_enabled": False,
        "enabled_presentment_currencies": sorted(
            {it.currency, it.presentment_currency or it.currency}
        ),
        "marketing_sms_consent_enabled_at_checkout": False,
        "transactional_sms_disabled": False,
        **empty,
    }


def _offset(timezone: str) -> str:
    """ "GMT-05:00" """
    offset = datetime.now(zoneinfo.ZoneInfo(timezone)).strftime("%z")
    return f"GMT{offset[:3]}:{offset[3:]}"
