"""What a webhook's headers say is not signed: the body decides what it is, and of which shop."""

import json

import pytest

from tests.shopify.webhooks import ALICE, SAMPLED, SAMPLES, fact, needs_samples, order, refusal


def body_of(topic):
    return (SAMPLES / "fixtures-2026-07" / f"{topic.replace('/', '__')}.json").read_bytes()


def kinds():
    names = sorted(path.stem for path in (SAMPLES / "fixtures-2026-07").glob("*.json"))
    return [name.replace("__", "/") for name in names]


# the same bytes: what they do is decided by what the body says of itself, or by asking Shopify
ORDERS = {"orders/create", "orders/updated", "orders/paid", "orders/cancelled"}
SAME = (
    {*ORDERS, "orders/fulfilled", "orders/partially_fulfilled"},
    {"customers/create", "customers/update", "customers/enable", "customers/disable"},
    {"app/uninstalled", "shop/update"},
    {"customer.tags_added", "customer.tags_removed"},  # a tag that counts, or does not
    {"orders/delete", "segments/delete"},  # an id and nothing else: of no order of the shop
)


@needs_samples
@pytest.mark.parametrize("topic", SAMPLED)
def test_a_body_of_one_kind_is_refused_as_another(topic):
    alike = next((kinds for kinds in SAME if topic in kinds), {topic})
    for other in kinds():
        if other not in alike:
            refusal(topic, body_of(other))


@needs_samples
@pytest.mark.parametrize("topic", SAMPLED)
def test_a_body_named_as_something_else_is_refused(topic):
    payload = json.loads(body_of(topic))
    if "admin_graphql_api_id" in payload:
        for gid in ("gid://shopify/Product/1", payload["admin_graphql_api_id"] + "0"):
            refusal(topic, {**payload, "admin_graphql_api_id": gid})


@pytest.mark.parametrize(
    "status", ["pending", "authorized", "partially_paid", "voided", "expired", "PAID", "", None]
)
def test_an_order_that_does_not_say_it_is_paid_is_not_paid_whatever_its_topic(status):
    found = fact("orders/paid", order(financial_status=status))
    assert (found.topic, found.data["financial_status"]) == ("order.updated", status or "")


@pytest.mark.parametrize("status", ["paid", "partially_refunded", "refunded"])
def test_an_order_whose_money_was_there_is_paid(status):
    assert fact("orders/paid", order(financial_status=status)).topic == "order.paid"


def test_an_order_that_does_not_say_what_it_is_is_refused():
    silent = order()
    del silent["financial_status"]
    assert "financial_status" in refusal("orders/paid", silent)


def test_only_an_order_that_says_so_is_cancelled_and_it_says_so_under_orders_paid_too():
    at = "2026-07-02T00:00:00Z"
    assert fact("orders/cancelled", order(updated_at=at)).topic == "order.updated"
    for topic in ("orders/cancelled", "orders/paid"):
        assert fact(topic, order(cancelled_at=at)).topic == "order.cancelled"


def test_an_order_that_says_anything_of_itself_is_not_deleted():
    assert fact("orders/delete", {"id": 8}).data == {"order_id": "8"}
    for body in (order(), {"id": 8, "admin_graphql_api_id": "gid://shopify/Order/8"}):
        refusal("orders/delete", body)


def test_a_customer_who_is_still_there_is_not_deleted():
    gone = {"id": 7, "admin_graphql_api_id": "gid://shopify/Customer/7"}
    assert fact("customers/delete", gone).data == {"customer_id": "7"}
    for more in ({"state": "enabled"}, {"created_at": "2026-07-01T00:00:00Z"}):
        assert "still there" in refusal("customers/delete", {**gone, **more})


@pytest.mark.parametrize(
    ("topic", "field"),
    [
        ("app/uninstalled", "myshopify_domain"),
        ("shop/update", "myshopify_domain"),
        ("customers/data_request", "shop_domain"),
        ("customers/redact", "shop_domain"),
        ("shop/redact", "shop_domain"),
    ],
)
@needs_samples
def test_a_body_that_names_a_shop_counts_for_that_shop_alone(topic, field):
    payload = json.loads(body_of(topic))
    for ours in (ALICE, ALICE.upper()):
        assert fact(topic, {**payload, field: ours})
    assert "another shop" in refusal(topic, {**payload, field: "charlie.myshopify.com"})
