"""Where an order comes from and what its shipping costs, tags of customers, and collections."""

import pytest

from tests.shopify.webhooks import fact, money, order, refusal


def told(**more):
    return fact("orders/paid", order(**more)).data


def test_the_source_the_tags_and_the_company_of_an_order_are_told():
    data = told(source_name="pos", tags="VIP, wholesale ,", company={"id": 7, "location_id": 9})
    assert (data["source"], data["tags"], data["is_b2b"]) == ("pos", ["VIP", "wholesale"], True)


@pytest.mark.parametrize("nothing", [None, 7, [], {}, "web"])
def test_what_makes_no_sense_of_an_origin_is_not_told(nothing):
    data = told(source_name=nothing, tags=None, company=nothing, shipping_lines=nothing)
    assert not data.keys() & {"source", "tags", "is_b2b", "shipping", "shipping_tax"}


def test_the_product_of_a_line_and_its_plan_are_told():
    data = told(line={"product_id": 632910392, "selling_plan_allocation": {"selling_plan": {}}})
    assert (data["lines"][0]["product_id"], data["lines"][0]["subscription"]) == ("632910392", True)
    assert "product_id" not in told(line={"product_id": None})["lines"][0]


def test_each_line_of_an_order_that_a_subscription_made_is_one_of_it():
    assert told(source_name="subscription_contract")["lines"][0]["subscription"] is True


def test_shipping_is_told_after_its_discounts_and_without_its_tax():
    line = {
        "price": "10.00",
        "price_set": money("12.00"),
        "discounted_price": "10.00",
        "discounted_price_set": money("12.00"),
        "discount_allocations": [{"amount": "1.00", "amount_set": money("2.00")}],
        "tax_lines": [{"price": "1.60", "price_set": money("1.60")}],
    }
    assert told(shipping_lines=[line])["shipping"] == "10.00"
    data = told(shipping_lines=[line], taxes_included=True)
    assert (data["shipping"], data["shipping_tax"]) == ("8.40", "1.60")
    assert "shipping" not in told(shipping_lines=[{**line, "is_removed": True}])


def test_shipping_given_back_is_told_once_whichever_way_shopify_writes_it():
    refund = {"id": 9, "order_id": 8, "refund_line_items": []}
    adjusted = {"kind": "shipping_refund", "amount": "-5.00", "tax_amount": "-0.40"}
    lines = [{"id": 1, "subtotal_amount_set": money("5.00"), "tax_amount_set": money("0.40")}]
    for more in ({"order_adjustments": [adjusted]}, {"refund_shipping_lines": lines}):
        assert fact("refunds/create", {**refund, **more}).data["shipping"] == "5.40"


def test_tags_a_customer_is_given_and_loses_are_told_with_their_moment():
    body = {
        "customerId": "gid://shopify/Customer/7",
        "tags": ["VIP", "Early"],
        "occurredAt": "2026-07-01T10:00:00.000Z",
    }
    added, removed = fact("customer.tags_added", body), fact("customer.tags_removed", body)
    assert (added.topic, added.data["added"]) == ("customer.tagged", ["VIP", "Early"])
    assert removed.data == {
        "customer_id": "7",
        "removed": ["VIP", "Early"],
        "at": "2026-07-01T10:00:00+00:00",
    }


def test_a_collection_that_changed_is_told_by_its_number():
    body = {
        "id": 482865238,
        "admin_graphql_api_id": "gid://shopify/Collection/482865238",
        "handle": "smart-ipods",
        "title": "Smart iPods",
        "updated_at": "2026-07-01T10:00:00-04:00",
        "body_html": "",
        "published_at": None,
        "sort_order": "manual",
        "template_suffix": None,
        "published_scope": "web",
    }
    found = fact("collections/update", body)
    assert (found.topic, found.data) == ("collection.updated", {"collection_id": "482865238"})
    refusal("collections/update", {**body, "admin_graphql_api_id": "gid://shopify/Product/1"})
    del body["sort_order"]
    refusal("collections/update", body)
