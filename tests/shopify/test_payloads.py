"""Payloads become facts: ids as text, amounts exact, what Shopify really sends."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.shopify.fields import Fact
from tests.shopify.webhooks import (
    CUSTOMER,
    SAMPLED,
    SAMPLES,
    amount,
    fact,
    money,
    needs_samples,
    order,
    refusal,
)


def test_a_paid_order_becomes_a_fact_with_ids_as_text_and_exact_amounts():
    assert fact("orders/paid", order()) == Fact(
        "order.paid",
        {
            "order_id": "820982911946154508",
            "order_name": "#1001",
            "customer_id": "7",
            "test": False,
            "currency": "USD",
            "financial_status": "paid",
            "processed_at": "2026-07-01T14:00:00+00:00",
            "updated_at": "2026-07-01T15:00:00+00:00",
            "lines": [{"line_id": "55", "quantity": 2, "amount": "20.20", "gift_card": False}],
            "customer": {"id": "7", "name": "Bob Buyer", "email": "bob@example.com"},
        },
        "2026-07-01T15:00:00+00:00",
    )


def test_a_guest_order_has_no_customer_and_a_gift_card_is_told_as_one():
    data = fact("orders/paid", order(customer=None, line={"gift_card": True}, test=True)).data
    assert (data["customer_id"], data["customer"], data["test"]) == (None, None, True)
    assert data["lines"][0]["gift_card"] is True


def test_discounts_are_taken_off_their_line():
    allocations = [{"amount": "1.05"}, {"amount": "0.10", "amount_set": money("0.15")}]
    assert amount(discount_allocations=allocations) == "19.00"


def test_the_codes_an_order_was_placed_with_are_told():
    codes = [{"code": "HF-ONE", "amount": "5.00", "type": "fixed_amount"}, {"code": None}]
    assert fact("orders/paid", order(discount_codes=codes)).data["discount_codes"] == ["HF-ONE"]


def test_amounts_are_those_in_the_shops_money():
    assert amount(price="999", price_set=money("3.33")) == "6.66"


def test_json_numbers_are_read_exactly_as_text_is():
    body = (
        json.dumps(order(line={"price": "PRICE", "quantity": 3})).replace('"PRICE"', "0.1").encode()
    )
    assert fact("orders/paid", body).data["lines"][0]["amount"] == "0.3"


@given(
    st.integers(0, 1000),
    st.decimals(0, 100_000, places=2),
    st.lists(st.decimals(0, 100, places=2), max_size=4),
)
def test_a_net_amount_is_price_times_quantity_less_discounts_to_the_cent(
    quantity, price, discounts
):
    net = quantity * price - sum(discounts)
    changed = {
        "quantity": quantity,
        "price": str(price),
        "discount_allocations": [{"amount": str(d)} for d in discounts],
    }
    assert Decimal(amount(**changed)) == max(0, net), "parts of a discount are rounded"


def test_created_and_changed_orders_tell_their_state():
    changed = order(
        financial_status="partially_refunded", updated_at="2026-07-02T00:00:00Z", cancelled_at=None
    )
    found = fact("orders/updated", changed)
    assert (found.topic, found.occurred_at) == ("order.updated", "2026-07-02T00:00:00+00:00")
    assert found.data["financial_status"] == "partially_refunded"
    created = fact("orders/create", changed)
    assert (created.topic, created.data) == ("order.created", found.data)


def test_a_cancelled_order_tells_when():
    assert fact("orders/cancelled", order(cancelled_at="2026-07-02T00:00:00Z")) == Fact(
        "order.cancelled",
        {"order_id": "820982911946154508", "cancelled_at": "2026-07-02T00:00:00+00:00"},
        "2026-07-02T00:00:00+00:00",
    )


def test_customers_keep_quotes_scripts_and_every_script_of_the_world_in_their_names():
    name = "<script>'\"</script> مرحبا 𝄞"
    customer = {
        **CUSTOMER,
        "email": None,
        "first_name": name,
        "last_name": "\x00\ud83d",
        "updated_at": "2026-07-01T00:00:00Z",
    }
    body = json.dumps({**customer, "last_name": "X\x00"}).encode()
    assert fact("customers/update", body).data == {
        "customer_id": "7",
        "name": f"{name} X",
        "email": "",
        "updated_at": "2026-07-01T00:00:00+00:00",
    }


def test_personal_fields_may_be_missing_and_are_bounded():
    nobody = {name: CUSTOMER[name] for name in ("id", "state", "created_at")}
    assert fact("customers/create", nobody).data == {
        "customer_id": "7",
        "name": "",
        "email": "",
        "updated_at": "2026-07-01T00:00:00+00:00",
    }
    long = fact("customers/create", {**nobody, "first_name": "x" * 1000, "email": "y" * 1000}).data
    assert (len(long["name"]), long["email"]) == (255, "")


@needs_samples
@pytest.mark.parametrize("topic", SAMPLED)
def test_shopifys_own_example_of_every_topic_translates(topic):
    body = (SAMPLES / "fixtures-2026-07" / f"{topic.replace('/', '__')}.json").read_bytes()
    found = fact(topic, body)
    assert json.loads(json.dumps(found.data)) == found.data, "facts are plain JSON"
    if topic == "orders/paid":
        assert found.topic == "order.cancelled", "Shopify's example is a cancelled, voided test"
        bought = {**json.loads(body), "cancelled_at": None, "financial_status": "paid"}
        found = fact(topic, bought)
        assert sum(Decimal(line["amount"]) for line in found.data["lines"]) == Decimal("414.95")
        assert found.data["customer_id"] == "115310627314723954"
    if topic == "refunds/create":
        assert {line["line_id"] for line in found.data["lines"]} >= {
            "487817672276298554",
            "976318377106520349",
        }


@needs_samples
@pytest.mark.parametrize("name", ["2023-10_orders_1", "2024-01_orders_2", "2025-04_orders_1"])
def test_real_orders_translate_once_their_anonymised_amounts_and_times_are_filled_in(name):
    text = (SAMPLES / "exemplars" / f"{name}.json").read_text()
    payload = json.loads(text)
    for topic in ("orders/create", "orders/paid"):
        said = refusal(topic, payload)
        assert "amount" in said or "decimal" in said
    filled = json.loads(text.replace('"example string"', '"1.00"'))
    data = fact(
        "orders/paid",
        {
            **filled,
            "financial_status": "paid",
            "line_items": [
                {**line, "discount_allocations": [], "tax_lines": []}
                for line in filled["line_items"]
            ],
        },
    ).data
    assert data["order_id"] == str(payload["id"])
    assert all(Decimal(line["amount"]) == line["quantity"] for line in data["lines"])


@needs_samples
def test_a_real_refund_and_a_real_customer_translate():
    for topic, name in (
        ("refunds/create", "2025-04_refunds_1"),
        ("customers/update", "2025-04_customers_1"),
    ):
        assert fact(topic, (SAMPLES / "exemplars" / f"{name}.json").read_bytes())


def test_a_paid_order_is_as_old_as_it_says_and_does_not_guess():
    found = fact("orders/paid", order(updated_at=None))
    assert (found.occurred_at, found.data["updated_at"]) == (None, None)


CONSENT_TOPIC = "customers_email_marketing_consent/update"


@pytest.mark.parametrize(
    ("state", "is_subscribed"),
    [
        ("subscribed", True),
        ("SUBSCRIBED", True),
        ("unsubscribed", False),
        ("pending", False),
        ("not_subscribed", False),
        ("redacted", False),
    ],
)
def test_what_a_customer_says_to_e_mails_is_told_with_its_moment(state, is_subscribed):
    consent = {
        "state": state,
        "opt_in_level": "single_opt_in",
        "consent_updated_at": "2026-07-01T10:00:00-04:00",
    }
    body = {
        "customer_id": 7,
        "email_address": "bob@example.com",
        "email_marketing_consent": consent,
    }
    assert fact(CONSENT_TOPIC, body) == Fact(
        "customer.consented",
        {"customer_id": "7", "is_subscribed": is_subscribed, "at": "2026-07-01T14:00:00+00:00"},
        "2026-07-01T14:00:00+00:00",
    )


@needs_samples
def test_shopifys_own_sample_of_a_consent_is_understood():
    name = CONSENT_TOPIC.replace("/", "__")
    body = json.loads((SAMPLES / "fixtures-2026-07" / f"{name}.json").read_text())
    told = fact(CONSENT_TOPIC, body)
    assert told.data == {
        "customer_id": "706405506930370084",
        "is_subscribed": False,
        "at": None,
    }
    assert "shape" in refusal("customers/update", body)


@pytest.mark.parametrize(
    ("created_at", "processed_at", "is_old", "placed_at"),
    [
        ("2026-07-01T10:00:00-04:00", "2021-03-01T10:00:00-04:00", True, "2021-03-01T14:00"),
        ("2026-07-01T10:00:00-04:00", "2026-06-28T10:00:00+02:00", False, "2026-06-28T08:00"),
        ("2026-03-01T10:00:00-04:00", "2026-03-01T14:00:05Z", False, "2026-03-01T14:00"),
        ("2026-07-01T10:00:00-04:00", "2099-01-01T00:00:00Z", False, "2026-07-01T14:00"),
        ("2026-07-01T10:00:00-04:00", None, False, "2026-07-01T14:00"),
        (None, "2026-07-01T23:59:59+14:00", False, "2026-07-01T09:59"),
    ],
)
def test_an_order_that_was_imported_is_not_paid_now_and_none_is_placed_after_it_was_made(
    created_at, processed_at, is_old, placed_at
):
    """Also under `orders/paid`, which whoever imports years of orders makes Shopify send."""
    told = order(created_at=created_at, processed_at=processed_at)
    data = fact("orders/paid", told).data
    assert data.get("is_old", False) is is_old
    assert data["processed_at"].startswith(placed_at)


def test_what_each_code_takes_off_a_line_is_told_with_it():
    line = {
        "discount_allocations": [
            {"amount": "1.00", "discount_application_index": 1},
            {"amount": "0.50", "discount_application_index": 0},
            {"amount": "0.25", "discount_application_index": 1},
            {"amount": "0.10", "discount_application_index": 9},
            {"amount": "0.10", "discount_application_index": "1"},
        ]
    }
    applied = [{"type": "automatic"}, {"type": "discount_code", "code": "hf-one"}]
    codes = [{"code": "hf-one", "amount": "1.25"}]
    told = order(line=line, discount_codes=codes, discount_applications=applied)
    assert fact("orders/paid", told).data["lines"][0]["off"] == {"hf-one": "1.25"}
    for nonsense in (None, "x", [None, 7], [{}, {"code": 7}], {"code": "hf-one"}):
        told = order(line=line, discount_codes=codes, discount_applications=nonsense)
        assert "off" not in fact("orders/paid", told).data["lines"][0]


@pytest.mark.parametrize(
    ("current", "refunded", "kept"), [(None, 1, 1), (2, 1, 1), (1, 1, 1), (0, 1, 0), (2, 9, 0)]
)
def test_an_order_that_tells_of_a_refund_says_that_its_pieces_are_gone(current, refunded, kept):
    back = {"id": 9, "refund_line_items": [{"line_item_id": 55, "quantity": refunded}]}
    told = order(line={"current_quantity": current}, refunds=[back])
    assert fact("orders/updated", told).data["lines"][0]["kept"] == kept
