"""Webhook bodies have every key of Shopify's own samples, and values of the same types."""

import json
from typing import Any

import pytest

from tests.devstore.conftest import SHARED, SHOP, Store

FIXTURES = SHARED / "payloads" / "fixtures-2026-07"
needs_samples = pytest.mark.skipif(
    not FIXTURES.is_dir(), reason="Shopify's samples are not beside this checkout"
)
OPTIONAL = {"sku", "vendor"}


def missing(sample: Any, made: Any, path: str = "") -> list[str]:
    """Keys of the sample that `made` lacks or has as another type (null matches any)."""
    if sample is None or made is None:
        return []
    if isinstance(sample, dict) and isinstance(made, dict):
        found = [f"{path}.{key}" for key in sample if key not in made]
        for key in sample.keys() & made.keys():
            found += missing(sample[key], made[key], f"{path}.{key}")
        return found
    if isinstance(sample, list) and isinstance(made, list):
        return missing(sample[0], made[0], f"{path}[]") if sample and made else []
    same = type(sample) is type(made) or {type(sample), type(made)} == {int, float}
    return [] if same else [f"{path}: {type(made).__name__} instead of {type(sample).__name__}"]


def sample(topic: str) -> Any:
    return json.loads((FIXTURES / f"{topic.replace('/', '__')}.json").read_text())


@needs_samples
async def test_every_topic_has_the_shape_of_shopifys_sample(store: Store) -> None:
    bob = await store.customer()
    order = await store.order(bob)
    line = {"line_id": order["line_items"][0]["id"], "quantity": 1}
    await store.control("POST", f"shops/{SHOP}/orders/{order['id']}/refund", {"lines": [line]})
    await store.control("POST", f"shops/{SHOP}/orders/{order['id']}/cancel")
    await store.control("PATCH", f"shops/{SHOP}/customers/{bob}", {"first_name": "Robert"})
    await store.control("POST", f"shops/{SHOP}/customers/{bob}/consent", {"subscribed": True})
    for topic in ("customers/data_request", "customers/redact", "shop/redact"):
        await store.control("POST", f"shops/{SHOP}/webhooks", {"topic": topic, "customer_id": bob})
    await store.control("DELETE", f"shops/{SHOP}/customers/{bob}")
    await store.control("POST", f"shops/{SHOP}/webhooks", {"topic": "app/uninstalled"})
    topics = {
        "orders/create",
        "orders/paid",
        "orders/updated",
        "orders/cancelled",
        "refunds/create",
        "customers/create",
        "customers/update",
        "customers_email_marketing_consent/update",
        "customers/delete",
        "customers/data_request",
        "customers/redact",
        "shop/redact",
        "app/uninstalled",
    }
    await store.until(
        lambda: (
            topics <= {request.headers["x-shopify-topic"] for request, _ in store.app.webhooks()}
        )
    )
    problems = {topic: missing(sample(topic), store.app.payloads(topic)[0]) for topic in topics}
    assert {topic: found for topic, found in problems.items() if found} == {}


async def test_refunded_lines_have_their_money_as_json_numbers(store: Store) -> None:
    order = await store.order(lines=[{"title": "Mug", "price": "89.99", "quantity": 2}])
    line = {"line_id": order["line_items"][0]["id"], "quantity": 1}
    refund = await store.control(
        "POST", f"shops/{SHOP}/orders/{order['id']}/refund", {"lines": [line]}
    )
    item = refund["refund_line_items"][0]
    assert (item["subtotal"], item["total_tax"]) == (89.99, 7.2)
    assert item["subtotal_set"]["shop_money"]["amount"] == "89.99"
    assert refund["transactions"][0]["amount"] == "97.19"
    assert refund["order_adjustments"] == []


async def test_an_amount_refund_names_no_lines(store: Store) -> None:
    order = await store.order()
    refund = await store.control(
        "POST", f"shops/{SHOP}/orders/{order['id']}/refund", {"amount": "5.00"}
    )
    assert refund["refund_line_items"] == []
    adjustment = refund["order_adjustments"][0]
    assert (adjustment["kind"], adjustment["amount"]) == ("refund_discrepancy", "-5.00")


async def test_a_guests_order_has_no_customer_and_ids_are_too_large_for_javascript(
    store: Store,
) -> None:
    order = await store.order(None, test=True)
    assert order["customer"] is None
    assert order["test"] is True
    assert order["id"] > 2**53


async def test_a_cancelled_order_is_refunded_unless_the_merchant_says_otherwise(
    store: Store,
) -> None:
    first, second = await store.order(), await store.order()
    await store.control("POST", f"shops/{SHOP}/orders/{first['id']}/cancel")
    kept = await store.control(
        "POST", f"shops/{SHOP}/orders/{second['id']}/cancel", {"refund": False}
    )
    assert kept["financial_status"] == "paid"
    await store.until(lambda: len(store.app.payloads("orders/cancelled")) == 2)
    await store.until(lambda: store.app.payloads("refunds/create"))
    assert [one["order_id"] for one in store.app.payloads("refunds/create")] == [first["id"]]
