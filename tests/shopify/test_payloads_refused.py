"""Payloads that are no facts: a sentence says why, and nothing crashes."""

import pytest

from tests.shopify.webhooks import facts, order, refusal


@pytest.mark.parametrize(
    "price",
    [
        "example string",
        "",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "1,50",
        None,
        [],
        True,
        10**13,
        "0.12345678",
    ],
)
def test_what_is_no_amount_is_refused(price):
    refusal("orders/paid", order(line={"price": price}))


@pytest.mark.parametrize("quantity", [-1, 1_000_001, 10**30, 1.5, "2", None])
def test_negative_huge_and_broken_quantities_are_refused(quantity):
    assert "quantity" in refusal("orders/paid", order(line={"quantity": quantity}))
    refusal(
        "refunds/create",
        {"id": 1, "order_id": 2, "refund_line_items": [{"line_item_id": 3, "quantity": quantity}]},
    )


@pytest.mark.parametrize(
    "broken",
    [{"price": "-1"}, {"discount_allocations": [{"amount": "-1"}]}, {"discount_allocations": [{}]}],
)
def test_negative_prices_and_discounts_are_refused(broken):
    refusal("orders/paid", order(line=broken))


@pytest.mark.parametrize(
    "body", [b"", b"nope", b"\xff\xfe", b'{"id":1', b"[]", b"null", b"42", b'"text"', b"{}"]
)
@pytest.mark.parametrize(
    "topic",
    [
        "orders/paid",
        "orders/create",
        "orders/cancelled",
        "refunds/create",
        "customers/update",
        "customers/delete",
    ],
)
def test_what_is_not_json_or_of_another_shape_gets_a_sentence(topic, body):
    refusal(topic, body)


def test_deep_nesting_is_refused_and_not_a_crash():
    refusal("orders/paid", b'{"junk":' + b"[" * 200_000 + b"]" * 200_000 + b"}")


@pytest.mark.parametrize(
    "value", ["yesterday", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00"]
)
def test_what_is_no_date_is_refused(value):
    assert "processed_at" in refusal("orders/paid", order(processed_at=value))


def test_an_unknown_topic_has_no_facts_whatever_its_body():
    assert facts("carts/update", b"nope") == []
