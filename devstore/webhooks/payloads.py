"""Webhook bodies of orders as API version 2026-07 has them, with every key of real ones."""

from typing import Any

from devstore.shop import money, orders, things
from devstore.shop.state import State
from devstore.webhooks.payload_lines import line_item, shipping_line
from devstore.webhooks.payload_parts import address, money_set, pair, rfc3339, tax_lines
from devstore.webhooks.payload_people import customer
from devstore.webhooks.payload_refunds import refund

Json = dict[str, Any]


def order(state: State, it: things.Order) -> Json:
    """The order object of `orders/*`."""
    back: dict[int, int] = {}
    for refund_ in it.refunds:
        for item in refund_.items:
            back[item.line_id] = back.get(item.line_id, 0) + item.quantity
    line_items = [line_item(it, line, line.quantity - back.get(line.id, 0)) for line in it.lines]
    customer_ = state.tables["customer"].get(str(it.customer_id)) if it.customer_id else None
    where = address(it.id, customer_)
    return {
        "id": it.id,
        "admin_graphql_api_id": f"gid://shopify/Order/{it.id}",
        "app_id": 580111,
        "browser_ip": "127.0.0.1",
        "buyer_accepts_marketing": False,
        "cancel_reason": it.cancel_reason,
        "cancelled_at": rfc3339(it.cancelled_at),
        "cart_token": it.token,
        "checkout_token": it.token,
        "client_details": None,
        "closed_at": None,
        "confirmation_number": it.token[:9].upper(),
        "confirmed": True,
        "contact_email": it.email,
        "created_at": rfc3339(it.created_at),
        "currency": it.currency,
        **_amounts(it),
        "customer_locale": "en",
        "device_id": None,
        "discount_codes": [
            {"code": use.code, "amount": money.text(use.amount_cents), "type": use.value_type}
            for use in it.codes
        ],
        "duties_included": False,
        "email": it.email,
        "estimated_taxes": False,
        "financial_status": orders.financial_status(it),
        "fulfillment_status": None,
        "landing_site": "/",
        "landing_site_ref": None,
        "location_id": None,
        "merchant_business_entity_id": "MTU0ODM4MDAwOQ",
        "merchant_of_record_app_id": None,
        "name": f"#{it.number}",
        "note": None,
        "note_attributes": [],
        "number": it.number - 1000,
        "order_number": it.number,
        "order_status_url": f"https://{it.shop}/orders/{it.token}/authenticate?key={it.token[:8]}",
        "payment_gateway_names": ["bogus"] if it.is_paid else ["manual"],
        "phone": None,
        "po_number": None,
        "presentment_currency": it.currency,
        "processed_at": rfc3339(it.processed_at),
        "reference": None,
        "referring_site": "",
        "source_identifier": None,
        "source_name": "web",
        "source_url": None,
        "tags": "",
        "tax_exempt": False,
        "tax_lines": tax_lines(sum(line.tax_cents for line in it.lines), it.currency),
        "taxes_included": False,
        "test": it.is_test,
        "token": it.token,
        "total_weight": 0,
        "updated_at": rfc3339(it.updated_at),
        "user_id": None,
        "billing_address": where,
        "customer": customer(customer_, it.currency, with_addresses=False) if customer_ else None,
        "discount_applications": [_application(use) for use in it.codes],
        "fulfillments": [],
        "line_items": line_items,
        "payment_terms": None,
        "refunds": [refund(it, one) for one in it.refunds],
        "shipping_address": where,
        "shipping_lines": [shipping_line(it)] if it.shipping_cents else [],
        "returns": [],
        "line_item_groups": [],
    }


def _amounts(it: things.Order) -> Json:
    """What the order was sold for, and what it is worth now, after refunds."""
    gross = sum(line.gross_cents for line in it.lines)
    off = sum(sum(line.allocations) for line in it.lines)
    tax = sum(line.tax_cents for line in it.lines)
    items = [item for one in it.refunds for item in one.items]
    net_back = sum(item.subtotal_cents for item in items)
    tax_back = sum(item.tax_cents for item in items)
    shipping_back = sum(one.shipping_cents for one in it.refunds)
    by_id = {line.id: line for line in it.lines}
    gross_back = sum(by_id[item.line_id].price_cents * item.quantity for item in items)
    total = gross - off + tax + it.shipping_cents
    current_total = total - sum(one.amount_cents for one in it.refunds)
    code = it.currency
    return {
        "current_shipping_price_set": money_set(it.shipping_cents - shipping_back, code),
        **pair("current_subtotal_price", gross - off - net_back, code),
        "current_total_additional_fees_set": None,
        **pair("current_total_discounts", off - (gross_back - net_back), code),
        "current_total_duties_set": None,
        **pair(
            "current_total_price", 0 if it.cancelled_at and not it.is_paid else current_total, code
        ),
        **pair("current_total_tax", tax - tax_back, code),
        "original_total_additional_fees_set": None,
        "original_total_duties_set": None,
        **pair("subtotal_price", gross - off, code),
        "total_cash_rounding_payment_adjustment_set": money_set(0, code),
        "total_cash_rounding_refund_adjustment_set": money_set(0, code),
        **pair("total_discounts", off, code),
        **pair("total_line_items_price", gross, code),
        "total_outstanding": money.text(0 if it.is_paid or it.cancelled_at else total),
        **pair("total_price", total, code),
        "total_shipping_price_set": money_set(it.shipping_cents, code),
        **pair("total_tax", tax, code),
        "total_tip_received": "0.00",
    }


def _application(use: things.CodeUse) -> Json:
    return {
        "target_type": "line_item",
        "type": "discount_code",
        "value": use.value,
        "value_type": use.value_type,
        "allocation_method": "across",
        "target_selection": "all",
        "code": use.code,
    }
