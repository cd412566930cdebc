"""Signed 2 kB `orders/paid` webhooks with distinct ids, spread over many shops."""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Iterator

SECRET = "bench-secret-bench-secret-bench-secret-1"
BODY_BYTES = 2048
CUSTOMERS_PER_SHOP = 20


def shop_name(number: int) -> str:
    return f"bench-{number}.myshopify.com"


def order_body(order_id: int, customer_id: int) -> bytes:
    """An order of 59.90 net in two lines, filled up to 2 kB as real orders are."""
    order = {
        "id": order_id,
        "admin_graphql_api_id": f"gid://shopify/Order/{order_id}",
        "name": f"#{order_id % 100000}",
        "currency": "USD",
        "financial_status": "paid",
        "test": False,
        "cancelled_at": None,
        "created_at": "2026-11-20T10:00:00-05:00",
        "processed_at": "2026-11-20T10:00:00-05:00",
        "updated_at": "2026-11-20T10:00:01-05:00",
        "subtotal_price": "59.90",
        "total_price": "69.90",
        "total_tax": "5.00",
        "total_discounts": "0.00",
        "customer": {
            "id": customer_id,
            "first_name": "Bob",
            "last_name": "Buyer",
            "email": f"b{customer_id}@example.com",
        },
        "line_items": [
            _line(order_id * 10 + 1, "Mug", "19.95", 2),
            _line(order_id * 10 + 2, "Tea", "20.00", 1),
        ],
        "refunds": [],
        "note": "",
    }
    short = BODY_BYTES - len(json.dumps(order, separators=(",", ":")))
    order["note"] = "x" * max(0, short)
    return json.dumps(order, separators=(",", ":")).encode()


def _line(line_id: int, title: str, price: str, quantity: int) -> dict[str, object]:
    money = {"amount": price, "currency_code": "USD"}
    return {
        "id": line_id,
        "title": title,
        "price": price,
        "price_set": {"shop_money": money, "presentment_money": money},
        "quantity": quantity,
        "current_quantity": quantity,
        "gift_card": False,
        "product_id": 632910392,
        "variant_id": 808950810,
        "total_discount": "0.00",
        "discount_allocations": [],
        "tax_lines": [],
    }


def request_bytes(shop: str, body: bytes, host: str) -> bytes:
    """A complete HTTP/1.1 request with every header Shopify sends, signed."""
    digest = base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha256).digest()).decode()
    head = (
        "POST /webhooks HTTP/1.1\r\n"
        f"Host: {host}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        "User-Agent: Shopify-Captain-Hook\r\n"
        "X-Shopify-Topic: orders/paid\r\n"
        f"X-Shopify-Hmac-Sha256: {digest}\r\n"
        f"X-Shopify-Shop-Domain: {shop}\r\n"
        "X-Shopify-API-Version: 2026-07\r\n"
        f"X-Shopify-Webhook-Id: {uuid.uuid4()}\r\n"
        f"X-Shopify-Event-Id: {uuid.uuid4()}\r\n"
        "X-Shopify-Triggered-At: 2026-11-20T15:00:01Z\r\n\r\n"
    )
    return head.encode() + body


def webhooks(count: int, shops: int, first_id: int, host: str) -> Iterator[bytes]:
    for number in range(count):
        shop = number % shops
        customer = shop * CUSTOMERS_PER_SHOP + number // shops % CUSTOMERS_PER_SHOP + 1
        yield request_bytes(shop_name(shop), order_body(first_id + number, customer), host)
