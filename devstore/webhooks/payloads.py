"""Webhook bodies in the shape of API version 2026-07: every key that real ones have, whether we
use it or not.
"""

from typing import Any

from devstore.shop import money, orders, things
from devstore.shop.state import State
from devstore.webhooks.payload_parts import address, money_set, pair, rfc3339, tax_lines
from devstore.webhooks.payload_people import customer

Json = dict[str, Any]


def order(state: State, it: things.Order) -> Json:
    """The order object of `orders/*` (platform.md §4.6)."""
    back: dict[int, int] = {}
    for refund_ in it.refunds:
        for item in refund_.items:
            back[item.line_id] = back.get(item.line_id, 0) + item.quantity
    line_items = [_line(it, line, line.quantity - back.get(line.id, 0)) for line in it.lines]
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
        "shipping_lines": [_shipping_line(it)] if it.shipping_cents else [],
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


def _line(it: things.Order, line: things.Line, current_quantity: int) -> Json:
    return {
        "id": line.id,
        "admin_graphql_api_id": f"gid://shopify/LineItem/{line.id}",
        "attributed_staffs": [],
        "current_quantity": current_quantity,
        "fulfillable_quantity": 0 if line.is_gift_card or it.cancelled_at else current_quantity,
        "fulfillment_service": "manual",
        "fulfillment_status": None,
        "gift_card": line.is_gift_card,
        "grams": 0,
        "name": line.title,
        **pair("price", line.price_cents, it.currency),
        "product_exists": line.product_id is not None,
        "product_id": line.product_id,
        "properties": [],
        "quantity": line.quantity,
        "requires_shipping": not line.is_gift_card,
        "sales_line_item_group_id": None,
        "sku": None,
        "taxable": not line.is_gift_card,
        "title": line.title,
        # Shopify leaves this at 0 for codes; what they took off is in `discount_allocations` alone.
        **pair("total_discount", 0, it.currency),
        "variant_id": line.variant_id,
        "variant_inventory_management": None,
        "variant_title": None,
        "vendor": it.shop.removesuffix(".myshopify.com"),
        "tax_lines": tax_lines(line.tax_cents, it.currency),
        "duties": [],
        "discount_allocations": [
            {
                "amount": money.text(off),
                "amount_set": money_set(off, it.currency),
                "discount_application_index": index,
            }
            for index, off in enumerate(line.allocations)
            if off
        ],
    }


def _shipping_line(it: things.Order) -> Json:
    return {
        "id": it.shipping_line_id,
        "carrier_identifier": None,
        "code": "Standard",
        "current_discounted_price_set": money_set(it.shipping_cents, it.currency),
        **pair("discounted_price", it.shipping_cents, it.currency),
        "is_removed": False,
        "phone": None,
        **pair("price", it.shipping_cents, it.currency),
        "requested_fulfillment_service_id": None,
        "source": "shopify",
        "title": "Standard",
        "tax_lines": [],
        "discount_allocations": [],
    }


def refund(it: things.Order, one: things.Refund) -> Json:
    """The refund object of `refunds/create` (platform.md §4.5), also held in `order.refunds`."""
    lines = {line.id: line for line in it.lines}
    at = rfc3339(one.created_at)
    return {
        "id": one.id,
        "order_id": it.id,
        "created_at": at,
        "note": one.note,
        "user_id": 548380009,
        "processed_at": at,
        "duties": [],
        "total_duties_set": money_set(0, it.currency),
        "return": None,
        "refund_shipping_lines": [
            {
                "id": one.id,
                "subtotal_amount_set": money_set(one.shipping_cents, it.currency),
                "tax_amount_set": money_set(0, it.currency),
                "shipping_line": _shipping_line(it),
            }
        ]
        if one.shipping_cents
        else [],
        "restock": False,
        "admin_graphql_api_id": f"gid://shopify/Refund/{one.id}",
        "order_adjustments": _adjustments(it, one),
        "refund_line_items": [_refund_line(it, lines[item.line_id], item) for item in one.items],
        "transactions": [_transaction(it, one)] if one.amount_cents else [],
    }


def _adjustments(it: things.Order, one: things.Refund) -> list[Json]:
    """Negative amounts go to the customer; "shipping_refund" is shipping, "refund_discrepancy"
    an amount as such.
    """
    kinds = (
        ("shipping_refund", "Shipping refund", one.shipping_cents, one.id),
        ("refund_discrepancy", "Refund discrepancy", one.adjustment_cents, one.adjustment_id),
    )
    return [
        {
            "id": id_,
            "order_id": it.id,
            "refund_id": one.id,
            "kind": kind,
            "reason": reason,
            **pair("amount", -amount, it.currency),
            **pair("tax_amount", 0, it.currency),
        }
        for kind, reason, amount, id_ in kinds
        if amount
    ]


def _refund_line(it: things.Order, line: things.Line, item: things.RefundItem) -> Json:
    # These two are JSON numbers, unlike nearly all other money (shared payload notes, trap 2).
    return {
        "id": item.id,
        "quantity": item.quantity,
        "line_item_id": item.line_id,
        "location_id": None,
        "restock_type": "no_restock",
        "subtotal": item.subtotal_cents / 100,
        "total_tax": item.tax_cents / 100,
        "subtotal_set": money_set(item.subtotal_cents, it.currency),
        "total_tax_set": money_set(item.tax_cents, it.currency),
        "line_item": _line(it, line, orders.refundable(it, line)),
    }


def _transaction(it: things.Order, one: things.Refund) -> Json:
    zero = {"amount": "0.0", "currency": it.currency}
    return {
        "id": one.transaction_id,
        "order_id": it.id,
        "kind": "refund",
        "gateway": "bogus",
        "status": "success",
        "message": "Bogus Gateway: Forced success",
        "created_at": rfc3339(one.created_at),
        "test": it.is_test,
        "authorization": None,
        "location_id": None,
        "user_id": None,
        "parent_id": it.transaction_id,
        "processed_at": rfc3339(one.created_at),
        "device_id": None,
        "error_code": None,
        "source_name": "web",
        "receipt": {},
        "amount": money.text(one.amount_cents),
        "currency": it.currency,
        "payment_id": f"#{it.number}.1",
        "total_unsettled_set": {"presentment_money": zero, "shop_money": zero},
        "manual_payment_gateway": False,
        "amount_rounding": None,
        "admin_graphql_api_id": f"gid://shopify/OrderTransaction/{one.transaction_id}",
    }
