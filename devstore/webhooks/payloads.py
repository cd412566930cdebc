"""Webhook bodies of orders as API version 2026-07 has them, with every key of real ones."""

from typing import Any

from devstore.shop import money, sold, totals
from devstore.shop.state import State
from devstore.webhooks.payload_changes import goods_returned
from devstore.webhooks.payload_lines import fulfillment, line_item, shipping_line
from devstore.webhooks.payload_parts import address, money_set, pair, rfc3339, tax_lines
from devstore.webhooks.payload_people import customer, nobody
from devstore.webhooks.payload_refunds import refund

Json = dict[str, Any]


def order(state: State, it: sold.Order) -> Json:
    """The order object of `orders/*`."""
    customer_ = state.tables["customer"].get(str(it.customer_id)) if it.customer_id else None
    is_pos = it.source == "pos"
    where = None if is_pos else address(customer_.id if customer_ else it.id, customer_)
    return {
        "id": it.id,
        "admin_graphql_api_id": f"gid://shopify/Order/{it.id}",
        "app_id": 129785 if is_pos else 580111,
        "browser_ip": None if is_pos else "127.0.0.1",
        "buyer_accepts_marketing": False,
        "cancel_reason": it.cancel_reason,
        "cancelled_at": rfc3339(it.cancelled_at),
        "cart_token": None if is_pos else it.token,
        "checkout_token": None if is_pos else it.token,
        "client_details": None,
        **_company(it),
        "closed_at": None,
        "confirmation_number": it.token[:9].upper(),
        "confirmed": True,
        "contact_email": it.email,
        "created_at": rfc3339(it.created_at),
        "currency": it.currency,
        **_amounts(it),
        "customer_locale": "en",
        "device_id": 1 if is_pos else None,
        "discount_codes": [
            {
                "code": use.code,
                "amount": money.text(use.amount_cents, it.currency),
                "type": "shipping" if use.is_shipping else use.value_type,
            }
            for use in it.codes
            if use.code
        ],
        "duties_included": False,
        "email": it.email,
        "estimated_taxes": False,
        "financial_status": totals.financial_status(it),
        "fulfillment_status": totals.fulfillment_status(it),
        "landing_site": None if is_pos else "/",
        "landing_site_ref": None,
        "location_id": 655441491 if is_pos else None,
        "merchant_business_entity_id": "MTU0ODM4MDAwOQ",
        "merchant_of_record_app_id": None,
        "name": f"#{it.number}",
        "note": None,
        "note_attributes": [],
        "number": it.number - 1000,
        "order_number": it.number,
        "order_status_url": f"https://{it.shop}/orders/{it.token}/authenticate?key={it.token[:8]}",
        "payment_gateway_names": _gateways(it),
        "phone": None,
        "po_number": None,
        "presentment_currency": it.prices.presentment,
        "processed_at": rfc3339(it.processed_at),
        "reference": None,
        "referring_site": "",
        "source_identifier": f"655441491-1-{it.number}" if is_pos else None,
        "source_name": it.source,
        "source_url": None,
        "tags": ", ".join(it.tags),
        "tax_exempt": False,
        "tax_lines": tax_lines(sum(line.tax_cents for line in it.lines), it),
        "taxes_included": it.taxes_included,
        "test": it.is_test,
        "token": it.token,
        "total_weight": 0,
        "updated_at": rfc3339(it.updated_at),
        "user_id": 548380009 if is_pos else None,
        "billing_address": where,
        "customer": customer(customer_, it.currency, with_addresses=False)
        if customer_
        else nobody(it.guest_as),
        "discount_applications": [_application(use, it.currency) for use in it.codes],
        "fulfillments": [fulfillment(it, *one) for one in enumerate(it.fulfillments)],
        "line_items": [line_item(it, line) for line in it.lines],
        "payment_terms": None,
        "refunds": [refund(it, one) for one in it.refunds],
        "shipping_address": where,
        "shipping_lines": [shipping_line(it)] if it.shipping_cents else [],
        "returns": [goods_returned(one) for one in it.returns],
        "line_item_groups": [],
    }


def _company(it: sold.Order) -> Json:
    """Only an order of a company names one."""
    if it.company_id is None:
        return {}
    return {"company": {"id": it.company_id, "location_id": it.company_id + 1}}


def _gateways(it: sold.Order) -> list[str]:
    if not it.is_paid:
        return ["manual"]
    ways = list(dict.fromkeys(one.way for one in it.paid_by))
    rest = totals.total_cents(it) - sum(one.amount_cents for one in it.paid_by)
    return [*ways, *(["cash" if it.source == "pos" else "bogus"] if rest or not ways else [])]


def _amounts(it: sold.Order) -> Json:
    """What the order was sold for, and what it is worth now, after edits, returns and refunds.

    Tips are in the total alone; taxes that prices include are in the subtotal.
    """
    goods = {line.id: line for line in it.lines if not line.tip}
    gross = sum(line.gross_cents for line in goods.values())
    off = sum(sum(line.allocations) for line in it.lines)
    tax = sum(line.tax_cents for line in it.lines)
    items = [item for one in it.refunds for item in one.items]
    net_back = sum(item.subtotal_cents for item in items if item.line_id in goods)
    tax_back = sum(item.tax_cents for item in items)
    shipping_back = sum(one.shipping_cents for one in it.refunds)
    gross_back = sum(
        goods[item.line_id].price_cents * item.quantity for item in items if item.line_id in goods
    )
    prices, outstanding = it.prices, totals.outstanding_cents(it)
    return {
        "current_shipping_price_set": money_set(it.shipping_cents - shipping_back, prices),
        **pair("current_subtotal_price", gross - off - net_back, prices),
        "current_total_additional_fees_set": None,
        **pair("current_total_discounts", off - (gross_back - net_back), prices),
        "current_total_duties_set": None,
        **pair("current_total_price", totals.current_cents(it), prices),
        **pair("current_total_tax", tax - tax_back, prices),
        "original_total_additional_fees_set": None,
        "original_total_duties_set": None,
        **pair("subtotal_price", gross - off, prices),
        "total_cash_rounding_payment_adjustment_set": money_set(0, prices),
        "total_cash_rounding_refund_adjustment_set": money_set(0, prices),
        **pair("total_discounts", off, prices),
        **pair("total_line_items_price", gross, prices),
        "total_outstanding": money.text(outstanding, it.currency),
        **pair("total_price", totals.total_cents(it), prices),
        "total_shipping_price_set": money_set(it.shipping_cents, prices),
        **pair("total_tax", tax, prices),
        "total_tip_received": money.text(totals.tip_cents(it), it.currency),
    }


def _application(use: sold.CodeUse, currency: str) -> Json:
    if not use.code:
        return {
            "target_type": "line_item",
            "type": "manual",
            "value": money.text(use.amount_cents, currency),
            "value_type": use.value_type,
            "allocation_method": "across",
            "target_selection": "explicit",
            "title": "By hand",
            "description": "By hand",
        }
    return {
        "target_type": "shipping_line" if use.is_shipping else "line_item",
        "type": "discount_code",
        "value": use.value,
        "value_type": use.value_type,
        "allocation_method": "across",
        "target_selection": "all",
        "code": use.code,
    }
