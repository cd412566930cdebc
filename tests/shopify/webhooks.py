"""Webhooks as Shopify sends them, and what they are translated into."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.shopify import payloads
from app.shopify.fields import BadPayloadError

SAMPLES = Path(__file__).resolve().parents[3] / "shared/shopify/payloads"
needs_samples = pytest.mark.skipif(
    not SAMPLES.exists(), reason="the samples of Shopify's payloads are not beside this checkout"
)
# of whose topics Shopify's published samples have none
WITHOUT_SAMPLE = {"collections/update"}
SAMPLED = sorted(payloads.TRANSLATORS.keys() - WITHOUT_SAMPLE)
BOB = {"id": 7, "first_name": "Bob", "last_name": "Buyer", "email": "bob@example.com"}
CUSTOMER = {**BOB, "state": "enabled", "created_at": "2026-07-01T00:00:00Z"}
ALICE = "alice.myshopify.com"


@dataclass
class Webhook:
    topic: str
    body: bytes
    shop: str = ALICE


def facts(topic, payload):
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return payloads.translate(Webhook(topic, body))


def fact(topic, payload):
    (only,) = facts(topic, payload)
    return only


def money(amount):
    return {
        "shop_money": {"amount": amount, "currency_code": "USD"},
        "presentment_money": {"amount": "1", "currency_code": "JPY"},
    }


def order(**changes):
    line = {
        "id": 55,
        "quantity": 2,
        "price": "10.10",
        "gift_card": False,
        "discount_allocations": [],
    }
    return {
        "id": 820982911946154508,
        "name": "#1001",
        "currency": "USD",
        "financial_status": "paid",
        "test": False,
        "processed_at": "2026-07-01T10:00:00-04:00",
        "updated_at": "2026-07-01T11:00:00-04:00",
        "customer": BOB,
        "line_items": [{**line, **changes.pop("line", {})}],
        **changes,
    }


def amount(**line):
    return fact("orders/paid", order(line=line)).data["lines"][0]["amount"]


def refusal(topic, payload):
    with pytest.raises(BadPayloadError) as caught:
        facts(topic, payload)
    assert caught.value.permanent
    assert topic in caught.value.message
    return caught.value.message
