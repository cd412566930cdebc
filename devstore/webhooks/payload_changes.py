"""Webhook bodies that tell of a change by ids: edits, returns, deletions, merges, purchases."""

from collections.abc import Sequence
from typing import Any

from devstore.shop import money, sold, things, totals
from devstore.webhooks.payload_parts import rfc3339

Json = dict[str, Any]


def order_edited(it: sold.Order, one: sold.Edit) -> Json:
    """`orders/edited`: which lines, and how many pieces; not what they cost."""
    at = rfc3339(one.committed_at)
    return {
        "order_edit": {
            "id": one.id,
            "app_id": None,
            "created_at": at,
            "committed_at": at,
            "notify_customer": False,
            "order_id": it.id,
            "staff_note": one.note,
            "user_id": None,
            "line_items": {
                "additions": [{"id": line_id, "delta": pieces} for line_id, pieces in one.added],
                "removals": [{"id": line_id, "delta": pieces} for line_id, pieces in one.removed],
            },
            "discounts": {
                "line_item": {
                    "additions": [{"id": line_id} for line_id in one.discounted],
                    "removals": [],
                }
            },
            "shipping_lines": {"additions": [], "removals": []},
        }
    }


def order_deleted(it: sold.Order) -> Json:
    return {"id": it.id}


def return_told(topic: str, it: sold.Order, one: sold.Return) -> Json:
    """`returns/approve` with all of it, `returns/close` with its ids alone."""
    if topic == "returns/close":
        return {
            "id": one.id,
            "admin_graphql_api_id": f"gid://shopify/Return/{one.id}",
            "order_id": it.id,
            "status": "closed",
        }
    whose = {"id": it.id, "admin_graphql_api_id": f"gid://shopify/Order/{it.id}"}
    return {**goods_returned(one), "status": "open", "order": whose}


def goods_returned(one: sold.Return) -> Json:
    """A return inside its order."""
    return {
        "id": one.id,
        "admin_graphql_api_id": f"gid://shopify/Return/{one.id}",
        "status": one.status,
        "total_return_line_items": sum(pieces for _, pieces in one.back),
        "name": one.name,
        "return_line_items": [
            {
                "id": one.id + number,
                "admin_graphql_api_id": f"gid://shopify/ReturnLineItem/{one.id + number}",
                "fulfillment_line_item": {
                    "id": line_id,
                    "admin_graphql_api_id": f"gid://shopify/FulfillmentLineItem/{line_id}",
                    "line_item": {
                        "id": line_id,
                        "admin_graphql_api_id": f"gid://shopify/LineItem/{line_id}",
                    },
                },
                "quantity": pieces,
                "return_reason": "unwanted",
                "return_reason_note": "",
                "customer_note": None,
            }
            for number, (line_id, pieces) in enumerate(one.back, 1)
        ],
        "return_shipping_fees": [],
        "exchange_line_items": [
            {
                "id": exchange_id,
                "admin_graphql_api_id": f"gid://shopify/ExchangeLineItem/{exchange_id}",
                "line_item": None,
            }
            for exchange_id, _ in one.exchanged
        ],
        "total_exchange_line_items": len(one.exchanged),
    }


def merged(kept: things.Customer, gone: things.Customer, status: str) -> Json:
    """`customers/merge`, which only names the two."""
    message = f"{gone.name} is currently being merged."
    failed = {"customer_ids": [gone.id], "field": "merge_in_progress", "message": message}
    return {
        "admin_graphql_api_customer_kept_id": f"gid://shopify/Customer/{kept.id}",
        "admin_graphql_api_customer_deleted_id": f"gid://shopify/Customer/{gone.id}",
        "admin_graphql_api_job_id": None,
        "status": status,
        "errors": [failed] if status == "failed" else [],
    }


def purchases(it: things.Customer, currency: str, bought: Sequence[sold.Order], at: str) -> Json:
    """`customers/purchasing_summary`, one of the topics whose second part is long."""
    spent = sum(totals.refundable_cents(one) for one in bought)
    last = max(bought, key=lambda one: one.number, default=None)
    return {
        "customerId": f"gid://shopify/Customer/{it.id}",
        "numberOfOrders": len(bought),
        "amountSpent": {"amount": money.text(spent, currency), "currencyCode": currency},
        "lastOrderId": f"gid://shopify/Order/{last.id}" if last else None,
        "occurredAt": at,
    }
