"""A captured body is well signed, and its headers can be changed: what that can do on the whole
road.
"""

import asyncio
import uuid
from typing import Any

import asyncpg
import pytest

from tests.stack import SHOP, Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.long

OTHER = "charlie-forged.myshopify.com"
SHOP_OBJECT = {
    "id": 548380009,
    "name": "Alice's",
    "plan_name": "basic",
    "myshopify_domain": None,
    "currency": "USD",
}


def row(stack: Stack, statement: str, *arguments: Any) -> Any:
    async def ask() -> Any:
        connection = await asyncpg.connect(stack.environment["DATABASE_URL"])
        try:
            return await connection.fetchrow(statement, *arguments)
        finally:
            await connection.close()

    return asyncio.run(ask())


def forge(stack: Stack, captured_topic: str, **headers: str) -> str:
    """Send the newest delivery of Alice's shop of that topic again, as another one."""
    captured = stack.control("GET", f"deliveries?topic={captured_topic}&shop={SHOP}")[0]
    asked = {"webhook_id": str(uuid.uuid4()), **headers}
    sent = stack.control("POST", f"deliveries/{captured['id']}/forge", asked)
    return str(sent["webhook_id"])


def becomes(stack: Stack, webhook_id: str, outcome: str) -> None:
    def outcome_now() -> str:
        found = row(stack, "SELECT outcome FROM receipts WHERE webhook_id = $1", webhook_id)
        return found["outcome"] if found else ""

    wait_for(f"{outcome} for {webhook_id}", lambda: outcome_now() == outcome, 15, outcome_now)


def test_a_forged_uninstall_uninstalls_nobody_and_a_real_one_does(stack: Stack) -> None:
    body = {"topic": "app/uninstalled", "payload": SHOP_OBJECT}
    stack.control("POST", f"shops/{SHOP}/webhooks", body)
    asked = "SELECT status, stayed_at, access_token FROM shops WHERE domain = $1"
    wait_for("Shopify is asked", lambda: row(stack, asked, SHOP)["stayed_at"] is not None, 20)
    found = row(stack, asked, SHOP)
    assert found["status"] == "active"
    assert found["access_token"] is not None
    stack.install(OTHER)
    stack.control("POST", f"shops/{OTHER}/webhooks", {"topic": "app/uninstalled"})
    wait_for("the shop has left", lambda: row(stack, asked, OTHER)["status"] == "uninstalled", 20)
    assert row(stack, asked, OTHER)["access_token"] is None
    stack.install(OTHER)
    assert row(stack, asked, OTHER)["status"] == "active"


def test_a_captured_order_earns_in_no_other_shop_and_as_nothing_it_is_not(stack: Stack) -> None:
    stack.install(OTHER)
    bob = stack.customer()
    order = stack.order(bob, "30.00", paid=False)
    wait_for(
        "the order is told",
        lambda: len(stack.control("GET", f"deliveries?topic=orders/create&shop={SHOP}")) > 0,
        10,
    )
    for topic, outcome in {
        "orders/paid": "facts",  # it says itself that it is not paid: a change, and no points
        "orders/cancelled": "facts",
        "refunds/create": "dead",
        "customers/delete": "dead",
        "customers/redact": "dead",
        "app/uninstalled": "dead",
        "orders/partially_fulfilled": "unknown",
    }.items():
        becomes(stack, forge(stack, "orders/create", topic=topic), outcome)
    assert stack.me(bob)["points"]["available"] == 0
    stack.control("POST", f"shops/{SHOP}/orders/{order['id']}/pay", {})
    stack.wait_for_points(bob, 30)
    becomes(stack, forge(stack, "orders/paid", shop=OTHER), "dead")
    reason = row(stack, "SELECT reason FROM dead_letters WHERE shop = $1", OTHER)["reason"]
    assert reason == "The same body came for another shop before."
    assert row(stack, "SELECT count(*) AS found FROM members WHERE shop = $1", OTHER)["found"] == 0
    becomes(stack, forge(stack, "orders/paid"), "facts")
    stack.verify()
    assert stack.me(bob)["points"]["available"] == 30
