"""What an order has become is told with it: pieces, taxes, refunds, customers."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.shopify.fields import Fact
from tests.shopify.webhooks import fact, money, order, refusal


def test_what_an_order_has_become_is_told_with_it():
    lines = {"current_quantity": 1, "title": "  Mug ", "tax_lines": [{"price": "1.01"}]}
    refund = {
        "id": 9,
        "refund_line_items": [{"line_item_id": 55, "quantity": 1, "line_item": {"title": "Mug"}}],
    }
    changed = order(
        line=lines, refunds=[refund], total_outstanding="3.00", financial_status="partially_paid"
    )
    data = fact("orders/updated", changed).data
    assert data["lines"] == [
        {
            "line_id": "55",
            "quantity": 2,
            "amount": "20.20",
            "gift_card": False,
            "kept": 1,
            "tax": "1.01",
            "title": "Mug",
        }
    ]
    assert data["outstanding"] == "3.00"
    assert data["refunds"] == [
        {
            "refund_id": "9",
            "lines": [{"line_id": "55", "quantity": 1, "title": "Mug"}],
            "adjustment": "0",
        }
    ]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.decimals(0, 500, places=2)), min_size=2, max_size=5),
    st.decimals(0, 100, places=2),
)
def test_a_tax_of_all_lines_on_the_first_is_spread_to_the_cent(lines, tax):
    items = [
        {"id": number, "quantity": quantity, "price": str(price), "tax_lines": []}
        for number, (quantity, price) in enumerate(lines, 1)
    ]
    items[0]["tax_lines"] = [{"price": str(tax), "rate": 0.0001}]
    data = fact("orders/paid", order(line_items=items, taxes_included=False)).data
    taxes = [Decimal(line.get("tax", "0")) for line in data["lines"]]
    assert sum(taxes) == tax
    whole = sum(quantity * price for quantity, price in lines)
    for found, (quantity, price) in zip(taxes[1:], lines[1:], strict=True):
        own = tax * quantity * price / whole if whole else 0
        assert abs(found - own) <= Decimal("0.01") or taxes[0] == tax


@pytest.mark.parametrize(
    ("currency", "tax", "parts"),
    [("JPY", "100", ["33", "34", "33"]), ("KWD", "0.100", ["0.033", "0.034", "0.033"])],
)
def test_a_tax_is_spread_in_the_decimals_of_the_currency(currency, tax, parts):
    items = [{"id": number, "quantity": 1, "price": "500", "tax_lines": []} for number in (1, 2, 3)]
    items[0]["tax_lines"] = [{"price": tax}]
    data = fact("orders/paid", order(line_items=items, currency=currency)).data
    assert [line["tax"] for line in data["lines"]] == parts


def test_customers_who_were_merged_are_told_once_it_is_done():
    body = {
        "admin_graphql_api_customer_kept_id": "gid://shopify/Customer/1",
        "admin_graphql_api_customer_deleted_id": "gid://shopify/Customer/2",
        "status": "completed",
    }
    data = {"customer_id": "2", "kept_id": "1"}
    assert fact("customers/merge", body) == Fact("customer.merged", data)
    for status in ("failed", "in_progress", None):
        told = fact("customers/merge", {**body, "status": status})
        assert told == Fact("customer.merge_reported", data)
    refusal("customers/merge", {**body, "admin_graphql_api_customer_kept_id": "gid://shopify/X/1"})
    refusal(
        "customers/merge",
        {**body, "admin_graphql_api_customer_deleted_id": "gid://shopify/Customer/1"},
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (rb"Bob \ud83d", "Bob \ufffd"),
        (rb"\ude00Bob", "\ufffdBob"),
        (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (rb"\\ud83d \ud83d", "\\ud83d \ufffd"),
        (b"Bob \xed\xa0\xbd", "Bob \ufffd\ufffd\ufffd"),
    ],
)
def test_half_a_character_is_mended(written, read):
    body = b'{"id":7,"state":"enabled","created_at":"","first_name":"%b"}' % written
    assert fact("customers/update", body).data["name"] == read


def test_a_refund_tells_its_lines_and_what_was_given_back_beyond_them():
    refund = {
        "id": 9,
        "order_id": 8,
        "refund_line_items": [{"line_item_id": 55, "quantity": 1, "subtotal": 10.1}],
        "order_adjustments": [
            {"kind": "refund_discrepancy", "amount": "-4.00", "amount_set": money("-5.00")},
            {"kind": "shipping_refund", "amount": "-3.00"},
        ],
        "created_at": "2026-07-02T00:00:00Z",
    }
    assert fact("refunds/create", refund) == Fact(
        "order.refunded",
        {
            "order_id": "8",
            "refund_id": "9",
            "lines": [{"line_id": "55", "quantity": 1}],
            "adjustment": "-5.00",
            "shipping": "3.00",
        },
        "2026-07-02T00:00:00+00:00",
    )


def test_a_refund_of_less_than_its_lines_says_so():
    refund = {
        "id": 9,
        "order_id": 8,
        "refund_line_items": [],
        "order_adjustments": [{"kind": "refund_discrepancy", "amount": "2.00"}],
    }
    assert fact("refunds/create", refund).data["adjustment"] == "2.00"


@pytest.mark.parametrize(("told", "currency"), [("7500.00", "JPY"), ("50.00", "USD")])
def test_a_pending_payment_in_the_customers_money_counts_by_what_it_is_in_the_shops(told, currency):
    """Of goods for 100 half is on its way: the other half was not given back."""

    def booked(amount):
        shown = {"amount": told if amount == "50.00" else "1.00", "currency_code": currency}
        both = {"shop_money": {"amount": amount}, "presentment_money": shown}
        return {"reason": "Refund discrepancy", "amount": amount, "amount_set": both}

    refund = {
        "id": 7,
        "order_id": 1,
        "refund_line_items": [{"line_item_id": 5, "quantity": 1}],
        "order_adjustments": [booked("50.00"), booked("50.00")],
        "transactions": [{"kind": "refund", "status": "pending", "amount": told}],
    }
    assert fact("refunds/create", refund).data["adjustment"] == "50.00"
