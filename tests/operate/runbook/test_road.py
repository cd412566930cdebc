"""Webhooks that are refused or slow, what is set aside, points that do not add up, Shopify away."""

import time
import uuid
from pathlib import Path

import httpx
import pytest
import redis

from tests.faults.changed_programs import customised
from tests.faults.shoppers import bob_with, gauge, redeem
from tests.operate.runbook.following import House, Stranger, makes
from tests.stack import SECRET, SHOP, Stack
from tests.waiting import wait_for
from tests.webhook import signed_headers

pytestmark = [pytest.mark.operate, pytest.mark.long]
DAY_MILLISECONDS = 86_400_000
UNREADABLE = """
from app.errors import HoldfastError
from app.points import handlers

made = handlers.handler

class Mistake(HoldfastError):
    status, permanent, code = 500, True, "mistake"

def handler(stores=None):
    handle = made(stores)

    async def mistaken(connection, events):
        if any(event.topic == "order.paid" for event in events):
            raise Mistake("a fault of ours: this release cannot read orders")
        return await handle(connection, events)

    return mistaken

handlers.handler = handler
"""
SPOIL = """
UPDATE lots SET remaining = 7 WHERE member_id = (SELECT id FROM members WHERE customer_id = $1)
"""


@makes("webhooks-refused")
def test_neither_store_takes_webhooks(house: House) -> None:
    stack = house.stack
    stack.stop("redis", "postgres")
    body = b'{"id": 1}'
    headers = signed_headers(body, "orders/paid", SHOP, SECRET)
    answer = httpx.post(f"{stack.app_url}/webhooks", content=body, headers=headers, timeout=20)
    assert answer.status_code == 503
    house.tells("webhooks-refused")
    stack.start("redis", "postgres")
    bob_with(stack, 10)
    house.is_over("webhooks-refused")


@makes("webhooks-slow")
def test_the_way_to_redis_is_slow(house: House) -> None:
    way = house.stack.between("web", "redis")
    bob = bob_with(house.stack, 10)
    way.delay(0.35)
    for _ in range(3):
        house.stack.order(bob, "10.00")
    house.tells("webhooks-slow")
    way.pass_on()
    house.stack.wait_for_points(bob, 40, 60)
    house.is_over("webhooks-slow")


@makes("letters-dead")
def test_a_release_that_cannot_read_orders_is_mended_and_they_are_tried_again(
    house: House, tmp_path: Path
) -> None:
    stack = house.stack
    bob = bob_with(stack, 10)
    with customised(stack, "points", tmp_path, UNREADABLE):
        stack.order(bob, "30.00")
        house.tells("letters-dead")
    house.does("letters-dead")
    stack.wait_for_points(bob, 40, 60)
    house.is_over("letters-dead")


@makes("members-frozen")
def test_points_that_do_not_add_up_are_frozen_and_repaired(
    house: House, stranger: Stranger
) -> None:
    bob = bob_with(house.stack, 150)
    stranger.execute(SPOIL, bob)
    assert redeem(house.stack, bob).status_code == 422, "their points do not move any more"
    house.tells("members-frozen")
    house.does("members-frozen", {"1001": bob})
    house.is_over("members-frozen")
    assert redeem(house.stack, bob).status_code in {200, 202}


@makes("verify-found")
def test_what_the_verification_found_is_over_once_it_is_repaired(
    house: House, stranger: Stranger
) -> None:
    bob = bob_with(house.stack, 150)
    stranger.execute(SPOIL, bob)
    house.tells("verify-found")
    house.does("verify-found", {"1001": bob})
    house.is_over("verify-found")


@makes("verify-old")
def test_nobody_verified_for_days(house: House, queue: "redis.Redis") -> None:
    house.is_over("verify-found")  # there is a result
    ended = int(time.time() * 1000) - 3 * DAY_MILLISECONDS
    queue.hset("verification", "ended", ended)
    house.tells("verify-old")
    house.does("verify-old")
    house.is_over("verify-old")


@makes("shopify-away", "points-held")
def test_shopify_answers_nobody(house: House) -> None:
    stack = house.stack
    bob = bob_with(stack, 150)
    stack.control("POST", "shopify", {"mode": "fail"})
    assert redeem(stack, bob, key=str(uuid.uuid4())).status_code in {200, 202}
    for page in ("shopify-away", "points-held"):
        house.tells(page)
        house.does(page)
    assert gauge(stack, "holdfast_held_redemptions") >= 1
    stack.control("POST", "shopify", {"mode": "normal"})
    for page in ("shopify-away", "points-held"):
        house.is_over(page, 120)
    wait_for("the code is there", lambda: _has_code(stack, bob), 60)


def _has_code(stack: Stack, bob: str) -> bool:
    return bool(stack.me(bob)["points"]["held"] == 0)
