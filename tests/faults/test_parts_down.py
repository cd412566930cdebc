"""The degradation matrix: each test really stops a part, looks at what people see, and starts
it again.
"""

import pytest
import redis

from tests.faults.shoppers import bob_with, gauge, redeem
from tests.stack import SHOP, Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.long


def test_with_the_points_worker_stopped_balances_are_old_and_say_so_and_no_order_is_lost(
    whole_stack: Stack,
) -> None:
    stack = whole_stack
    bob = bob_with(stack, 40)
    stack.stop("points")
    wait_for("the balance is marked", lambda: stack.me(bob)["points"]["source"] == "cached", 20)
    stack.order(bob, "60.00")
    seen = stack.me(bob)
    assert seen["points"]["available"] == 40
    assert any("on their way" in notice for notice in seen["notices"])
    page = stack.open_admin("/")
    assert page.status_code == 200
    assert "on their way" in page.text
    stack.start("points")
    stack.wait_for_points(bob, 100, 20)
    wait_for("the mark goes", lambda: stack.me(bob)["points"]["source"] == "live", 20)


def test_with_redis_stopped_webhooks_are_kept_in_postgres_and_pages_still_open(
    whole_stack: Stack,
) -> None:
    stack = whole_stack
    bob = bob_with(stack, 40)
    stack.stop("redis")
    stack.order(bob, "60.00")
    wait_for(
        "Postgres keeps the webhooks", lambda: gauge(stack, "holdfast_spilled_webhooks") >= 2, 10
    )
    assert stack.me(bob)["points"]["available"] == 40
    assert stack.open_admin("/").status_code == 200
    # the board is asked at most once a second, so the page may know a moment later
    wait_for("the page is marked", lambda: "slower" in stack.open_admin("/").text, 10)
    assert stack.health()["status"] == "degraded"
    stack.start("redis")
    stack.wait_for_points(bob, 100, 40)
    wait_for("nothing is left spilled", lambda: gauge(stack, "holdfast_spilled_webhooks") == 0, 10)


def test_with_redis_hanging_people_wait_no_longer_than_the_deadline(whole_stack: Stack) -> None:
    stack = whole_stack
    bob = bob_with(stack, 40)
    stack.pause("redis")
    answer = stack.proxy("GET", "/storefront/me", bob)
    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() < 5
    assert answer.json()["points"]["available"] == 40
    stack.order(bob, "60.00")
    stack.resume("redis")
    stack.wait_for_points(bob, 100, 40)


def test_with_postgres_stopped_the_shopper_sees_the_last_balance_and_spends_nothing(
    whole_stack: Stack,
) -> None:
    stack = whole_stack
    bob = bob_with(stack, 140)
    assert stack.open_admin("/").status_code == 200
    stack.stop("postgres")
    stack.order(bob, "60.00")
    wait_for("the balance is marked", lambda: stack.me(bob)["points"]["source"] == "cached", 40)
    assert stack.me(bob)["points"]["available"] == 140
    refused = redeem(stack, bob)
    assert refused.status_code == 503
    assert refused.json()["error"]["message"]
    page = stack.open_admin("/")
    assert page.status_code == 200
    assert "as of" in page.text
    stack.start("postgres")
    stack.wait_for_points(bob, 200, 40)


def test_with_both_stores_stopped_shopify_is_asked_to_come_again(whole_stack: Stack) -> None:
    stack = whole_stack
    stack.control(
        "POST", "webhooks", {"time_scale": 0.005}
    )  # Shopify's first retries, seconds instead of minutes
    try:
        bob = bob_with(stack, 40)
        stack.stop("redis", "postgres")
        stack.order(bob, "60.00")
        wait_for("health says so", lambda: stack.health()["status"] == "down", 5)
        stack.start("postgres", "redis")
        stack.wait_for_points(bob, 100, 60)
    finally:
        stack.control("POST", "webhooks", {"time_scale": 1.0})


def test_with_shopify_gone_points_are_held_until_the_code_exists(whole_stack: Stack) -> None:
    stack = whole_stack
    bob = bob_with(stack, 140)
    stack.control("POST", "shopify", {"mode": "gone"})
    answer = redeem(stack, bob)
    assert answer.status_code == 202, answer.text
    points = stack.me(bob)["points"]
    assert (points["available"], points["held"]) == (40, 100)
    stack.control("POST", "shopify", {"mode": "normal"})

    def prepared() -> bool:
        redemptions = stack.me(bob)["redemptions"]
        return (
            bool(redemptions)
            and redemptions[0]["state"] == "captured"
            and bool(redemptions[0]["code"])
        )

    wait_for("the code is there", prepared, 60)
    assert stack.me(bob)["points"]["held"] == 0


def test_when_shopify_did_the_work_but_its_answer_was_lost_there_is_still_one_code(
    whole_stack: Stack,
) -> None:
    stack = whole_stack
    bob = bob_with(stack, 140)
    before = len(stack.control("GET", f"shops/{SHOP}/discounts"))
    stack.control("POST", "shopify", {"mode": "late", "seconds": 6})
    assert redeem(stack, bob).status_code == 202
    wait_for(
        "Shopify did the work",
        lambda: len(stack.control("GET", f"shops/{SHOP}/discounts")) > before,
        10,
    )
    stack.control("POST", "shopify", {"mode": "normal"})
    wait_for(
        "the code is found", lambda: stack.me(bob)["redemptions"][0]["state"] == "captured", 60
    )
    assert len(stack.control("GET", f"shops/{SHOP}/discounts")) == before + 1


def test_with_the_relay_stopped_points_go_on(whole_stack: Stack) -> None:
    stack = whole_stack
    bob = bob_with(stack, 40)
    stack.stop("relay")
    stack.order(bob, "60.00")
    stack.wait_for_points(bob, 100, 10)


def test_a_redis_that_loses_everything_costs_no_point_that_was_a_fact(whole_stack: Stack) -> None:
    stack = whole_stack
    bob = bob_with(stack, 40)
    stack.stop("points")
    stack.order(bob, "60.00")
    lag = 'holdfast_consumer_lag_events{service="points"}'
    wait_for("the facts wait in the log", lambda: gauge(stack, lag) >= 1, 10)
    with redis.Redis(port=stack.ports["redis"]) as client:
        client.flushall()
    stack.start("points")
    stack.wait_for_points(bob, 100, 20)
    stack.order(bob, "10.00")
    stack.wait_for_points(bob, 110, 20)


def test_a_killed_process_comes_back_to_exactly_one_effect(whole_stack: Stack) -> None:
    stack = whole_stack
    bob = stack.customer()
    for name in ("ingest", "relay", "points"):
        stack.order(bob, "10.00")
        stack.kill(name)
        stack.order(bob, "10.00")
        stack.start(name)
    stack.wait_for_points(bob, 60, 40)
    stack.verify()
