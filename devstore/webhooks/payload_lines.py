"""The lines of an order as webhook bodies have them: what was bought, and its shipping."""

from typing import Any

from devstore.shop import money, things
from devstore.webhooks.payload_parts import money_set, pair, tax_lines

Json = dict[str, Any]


def line_item(it: things.Order, line: things.Line, current_quantity: int) -> Json:
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


def shipping_line(it: things.Order) -> Json:
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
