"""What changes an order has every key of Shopify's samples and none besides, whatever it tells."""

import pytest

from tests.devstore.conftest import SHOP, Store
from tests.devstore.webhooks.test_payloads import missing, needs_samples, sample

# a key of a few lines only, or one Shopify's sample leaves out where public ones have it
SOMETIMES = ("tip_payment_gateway", "tip_payment_method", "returns[]", "return_line_items[]")


def differences(topic: str, made: object) -> list[str]:
    """Keys and types that one of sample and body has and the other has not."""
    ours = [one for one in missing(made, sample(topic)) if not one.endswith(SOMETIMES)]
    return missing(sample(topic), made) + ours


async def changed_order(store: Store) -> dict[str, object]:
    """An order to which everything happened that an order can live through."""
    bob = await store.customer()
    path = f"shops/{SHOP}/orders"
    order = await store.order(bob, presentment_currency="EUR", exchange_rate=0.9)
    line, path = order["line_items"][0]["id"], f"{path}/{order['id']}"
    await store.control("POST", f"{path}/fulfill", {"lines": [{"line_id": line, "quantity": 1}]})
    await store.control("POST", f"{path}/edit", {"add": [{"price": "5.00", "tip": "gateway"}]})
    await store.control(
        "POST", f"{path}/edit", {"quantities": [{"line_id": line, "quantity": 2}], "note": "less"}
    )
    back = {"back": [{"line_id": line, "quantity": 1}], "lines": [{"price": "30.00"}]}
    await store.control("POST", f"{path}/exchange", back)
    await store.control("POST", f"{path}/pay")
    await store.control("POST", f"{path}/refund", {"amount": "3.00", "pending": True})
    return order


@needs_samples
async def test_every_body_of_an_order_that_changes_has_the_keys_of_shopifys_sample(
    store: Store,
) -> None:
    order = await changed_order(store)
    await store.control("DELETE", f"shops/{SHOP}/orders/{order['id']}")
    topics = {
        "orders/create",
        "orders/paid",
        "orders/updated",
        "orders/edited",
        "orders/partially_fulfilled",
        "orders/delete",
        "refunds/create",
        "returns/approve",
        "returns/close",
    }
    await store.until(lambda: not store.world.webhooks.waiting)
    found = {
        topic: [differences(topic, body) for body in store.app.payloads(topic)] for topic in topics
    }
    assert all(found.values())
    wrong = {topic: lists for topic, lists in found.items() if any(lists)}
    assert wrong == {}


@needs_samples
async def test_every_body_about_customers_and_the_shop_has_the_keys_of_shopifys_sample(
    store: Store,
) -> None:
    bob, bert = await store.customer("Bob"), await store.customer("Bert")
    await store.order(bob)
    await store.control("POST", f"shops/{SHOP}/customers/{bob}/purchases")
    await store.control("POST", f"shops/{SHOP}/customers/{bert}/merge", {"into": bob})
    failed = {"into": bob, "status": "failed"}
    charlie = await store.customer("Charlie")
    await store.control("POST", f"shops/{SHOP}/customers/{charlie}/merge", failed)
    await store.control("POST", f"shops/{SHOP}/settings", {"currency": "JPY"})
    await store.until(lambda: not store.world.webhooks.waiting)
    for topic in ("customers/merge", "customers/purchasing_summary", "shop/update"):
        bodies = store.app.payloads(topic)
        assert bodies
        assert [differences(topic, body) for body in bodies] == [[]] * len(bodies)


@needs_samples
async def test_a_refund_has_the_keys_of_shopifys_sample_alone_and_in_its_order(
    store: Store,
) -> None:
    await changed_order(store)
    await store.until(lambda: not store.world.webhooks.waiting)
    inside = store.app.payloads("orders/updated")[-1]["refunds"]
    assert len(inside) == 3
    assert [differences("refunds/create", one) for one in inside] == [[], [], []]


@pytest.mark.parametrize("topic", ["orders/partially_fulfilled", "customers/purchasing_summary"])
async def test_topics_with_a_long_second_part_are_sent(store: Store, topic: str) -> None:
    bob = await store.customer()
    order = await store.order(bob)
    line = {"line_id": order["line_items"][0]["id"], "quantity": 1}
    path = f"shops/{SHOP}/orders/{order['id']}/fulfill"
    shown = await store.control("POST", path, {"lines": [line]})
    assert (shown["fulfillment_status"], shown["line_items"][0]["fulfillment_status"]) == (
        "partial",
        "partial",
    )
    await store.control("POST", f"shops/{SHOP}/customers/{bob}/purchases")
    await store.until(lambda: store.app.payloads(topic))
    summary = {"numberOfOrders": 1, "lastOrderId": f"gid://shopify/Order/{order['id']}"}
    if topic.startswith("customers"):
        assert summary.items() <= store.app.payloads(topic)[0].items()
