"""Signed webhooks as Shopify would send them, for tests that talk to the app directly."""

import base64
import hashlib
import hmac
import uuid
from datetime import UTC, datetime
from typing import Any

# an order of 49.90 as Shopify tells it, as far as anybody here reads it
ORDER: dict[str, Any] = {
    "id": 1001,
    "name": "#1001",
    "currency": "USD",
    "financial_status": "paid",
    "processed_at": "2026-07-01T10:00:00Z",
    "customer": {
        "id": 7001,
        "first_name": "Bob",
        "last_name": "Buyer",
        "email": "bob@example.com",
    },
    "line_items": [{"id": 1, "quantity": 1, "price": "49.90"}],
}


def signed_headers(
    body: bytes, topic: str, shop: str, secret: str, webhook_id: str | None = None
) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "X-Shopify-Topic": topic,
        "X-Shopify-Hmac-Sha256": base64.b64encode(digest).decode(),
        "X-Shopify-Shop-Domain": shop,
        "X-Shopify-API-Version": "2026-07",
        "X-Shopify-Webhook-Id": webhook_id or str(uuid.uuid4()),
        "X-Shopify-Event-Id": str(uuid.uuid4()),
        "X-Shopify-Triggered-At": datetime.now(UTC).isoformat(),
    }
