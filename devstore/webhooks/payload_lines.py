"""The lines of an order as webhook bodies have them: goods, tips, shipping, and what was sent."""

from typing import Any

from devstore.shop import money, orders, sold, totals
from devstore.webhooks.payload_parts import money_set, pair, rfc3339, tax_lines

Json = dict[str, Any]
# what a line tells in its order, but not inside a refund
ONLY_IN_ORDERS = ("attributed_staffs", "current_quantity", "sales_line_item_group_id")


def line_item(it: sold.Order, line: sold.Line) -> Json:
    left, sent = totals.pieces_left(it, line), totals.pieces_sent(it, line)
    goods = orders.is_taxed(line)
    return {
        "id": line.id,
        "admin_graphql_api_id": f"gid://shopify/LineItem/{line.id}",
        "attributed_staffs": [],
        "current_quantity": left,
        "fulfillable_quantity": max(0, left - sent) if goods and not it.cancelled_at else 0,
        "fulfillment_service": "manual",
        "fulfillment_status": None if not sent else "partial" if sent < left else "fulfilled",
        "gift_card": line.is_gift_card,
        "grams": 0,
        "name": line.title,
        **pair("price", line.price_cents, it.prices),
        "product_exists": line.product_id is not None,
        "product_id": line.product_id,
        "properties": [],
        "quantity": line.quantity,
        "requires_shipping": goods,
        "sales_line_item_group_id": None,
        "sku": None,
        "taxable": goods,
        "title": line.title,
        # Shopify leaves this at 0 for codes; what they took off is in `discount_allocations` alone.
        **pair("total_discount", 0, it.prices),
        "variant_id": line.variant_id,
        "variant_inventory_management": None,
        "variant_title": None,
        "vendor": it.shop.removesuffix(".myshopify.com"),
        "tax_lines": tax_lines(told_tax_cents(it, line), it),
        "duties": [],
        "discount_allocations": [
            {
                "amount": money.text(off, it.currency),
                "amount_set": money_set(off, it.prices),
                "discount_application_index": index,
            }
            for index, off in enumerate(line.allocations)
            if off
        ],
        **_tip(it, line),
        **_plan(line),
    }


def refunded_line_item(it: sold.Order, line: sold.Line) -> Json:
    """The line as a refund holds it, which does not tell what is left of it."""
    return {
        name: value for name, value in line_item(it, line).items() if name not in ONLY_IN_ORDERS
    }


def told_tax_cents(it: sold.Order, line: sold.Line) -> int:
    if not it.is_tax_on_first_line:
        return line.tax_cents
    return sum(one.tax_cents for one in it.lines) if line.id == it.lines[0].id else 0


def _plan(line: sold.Line) -> Json:
    if not line.is_subscription:
        return {}
    return {"selling_plan_allocation": {"selling_plan": {"id": 1, "name": "Every month"}}}


def _tip(it: sold.Order, line: sold.Line) -> Json:
    """`tip_payment_gateway` is a key of tips alone, and may be null even there."""
    if not line.tip:
        return {}
    gateway, method = ("cash", "Cash") if it.source == "pos" else ("shopify_payments", "Visa")
    if line.tip == "null":
        return {"tip_payment_gateway": None, "tip_payment_method": None}
    if line.tip == "tip":
        return {"tip": {"payment_gateway": gateway, "payment_method": method}}
    return {"tip_payment_gateway": gateway, "tip_payment_method": method}


def shipping_line(it: sold.Order) -> Json:
    return {
        "id": it.shipping_line_id,
        "carrier_identifier": None,
        "code": "Standard",
        "current_discounted_price_set": money_set(it.shipping_cents, it.prices),
        **pair("discounted_price", it.shipping_cents, it.prices),
        "is_removed": False,
        "phone": None,
        **pair("price", it.shipping_cents, it.prices),
        "requested_fulfillment_service_id": None,
        "source": "shopify",
        "title": "Standard",
        "tax_lines": [],
        "discount_allocations": [],
    }


def fulfillment(it: sold.Order, index: int, one: sold.Fulfillment) -> Json:
    lines = {line.id: line for line in it.lines}
    return {
        "id": one.id,
        "admin_graphql_api_id": f"gid://shopify/Fulfillment/{one.id}",
        "created_at": rfc3339(one.created_at),
        "location_id": 655441491,
        "name": f"#{it.number}.{index + 1}",
        "order_id": it.id,
        "origin_address": {},
        "receipt": {},
        "service": "manual",
        "shipment_status": None,
        "status": "success",
        "tracking_company": None,
        "tracking_number": None,
        "tracking_numbers": [],
        "tracking_url": None,
        "tracking_urls": [],
        "updated_at": rfc3339(one.created_at),
        "line_items": [
            {**line_item(it, lines[line_id]), "quantity": quantity}
            for line_id, quantity in one.pieces
        ],
    }
