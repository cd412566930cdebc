"""The whole road with real processes: Shopify sends, the shopper and the merchant see."""

import json

from tests.stack import SECRET, SHOP, Stack
from tests.waiting import wait_for
from tests.webhook import signed_headers


def test_a_paid_order_becomes_points_that_shopper_and_merchant_see(stack: Stack) -> None:
    bob = stack.customer()
    stack.order(bob, "49.90")
    seen = stack.wait_for_points(bob, 49)
    assert seen["customer_id"] == bob
    assert seen["points"]["source"] == "live"
    assert seen["notices"] == []
    page = stack.open_admin(f"/customers/{bob}")
    assert page.status_code == 200
    assert "49" in page.text


def test_a_partial_refund_takes_the_right_part_and_says_why(stack: Stack) -> None:
    bob = stack.customer()
    lines = [
        {"title": "Mug", "price": "10.00", "quantity": 3},
        {"title": "Tea", "price": "20.00", "quantity": 1},
    ]
    order = stack.order(bob, lines=lines)
    stack.wait_for_points(bob, 50)
    mug = str(order["line_items"][0]["id"])
    stack.control(
        "POST",
        f"shops/{SHOP}/orders/{order['id']}/refund",
        {"lines": [{"line_id": mug, "quantity": 2}]},
    )
    stack.wait_for_points(bob, 30)
    assert "refund" in stack.open_admin(f"/customers/{bob}").text.lower()


def test_a_cancelled_order_takes_back_all_it_gave(stack: Stack) -> None:
    bob = stack.customer()
    order = stack.order(bob, "80.00")
    stack.wait_for_points(bob, 80)
    stack.control("POST", f"shops/{SHOP}/orders/{order['id']}/cancel", {})
    stack.wait_for_points(bob, 0)


def test_webhooks_sent_twice_and_out_of_order_count_once(stack: Stack) -> None:
    stack.control("POST", "webhooks", {"duplicate_ratio": 1.0, "shuffle": True})
    try:
        bob = stack.customer()
        for _ in range(5):
            stack.order(bob, "10.00")
        refunded = stack.order(bob, "10.00")
        stack.control("POST", f"shops/{SHOP}/orders/{refunded['id']}/refund", {"lines": "all"})
        stack.wait_for_points(bob, 50)
    finally:
        stack.control("POST", "webhooks", {"duplicate_ratio": 0, "shuffle": False})
    stack.verify()


def test_a_redemption_gives_a_code_that_the_checkout_accepts_once(stack: Stack) -> None:
    bob = stack.customer()
    stack.order(bob, "250.00")
    me = stack.wait_for_points(bob, 250)
    reward = next(one for one in me["rewards"] if one["cost"] == 100)
    body = {"reward_id": reward["id"], "idempotency_key": "bob-wants-five-off"}
    first = stack.proxy("POST", "/storefront/redemptions", bob, json=body)
    assert first.status_code == 200, first.text
    again = stack.proxy("POST", "/storefront/redemptions", bob, json=body)
    assert again.json()["redemption"]["code"] == first.json()["redemption"]["code"]
    stack.wait_for_points(bob, 150)
    discounts = stack.control("GET", f"shops/{SHOP}/discounts")
    assert [one["code"] for one in discounts].count(first.json()["redemption"]["code"]) == 1
    order = stack.order(bob, "20.00", discount_codes=[first.json()["redemption"]["code"]])
    assert order["total_discounts"] == "5.00"
    stack.wait_for_points(bob, 165)


def test_guests_and_test_orders_earn_nothing(stack: Stack) -> None:
    bob = stack.customer()
    stack.order(None, "100.00")
    stack.order(bob, "100.00", test=True)
    stack.order(bob, "7.00")
    stack.wait_for_points(bob, 7)


def test_the_request_id_goes_from_the_webhook_to_the_answer_and_the_log_of_the_service(
    stack: Stack,
) -> None:
    bob = stack.customer()
    order = stack.order(bob, "12.00", paid=False)
    body = json.dumps({**order, "financial_status": "paid"}).encode()
    headers = {
        **signed_headers(body, "orders/paid", SHOP, SECRET),
        "X-Request-Id": "follow-me-12345",
    }
    answer = stack.http.post(f"{stack.app_url}/webhooks", content=body, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["x-request-id"] == "follow-me-12345"
    stack.wait_for_points(bob, 12)
    for name in ("ingest", "points"):
        log = stack.directory / f"{name}.log"
        wait_for(f"{name} logs it", lambda log=log: "follow-me-12345" in log.read_text(), 5)
