"""What a call may cost: waited for within its deadline, and never spent twice."""

import asyncio
import time

import httpx
import pytest

from app.shopify import graphql
from app.shopify.budget import Budgets
from app.shopify.graphql import ThrottledError
from tests.shopify.answers import BOBS, DATA, Shopify, answer, throttled
from tests.shopify.signing import ALICE

# throttling


async def test_a_throttled_call_waits_for_the_points_it_lacks_and_goes_on(ask):
    shopify = Shopify(throttled(requested=30, available=5, rate=100), answer())
    began = time.monotonic()
    assert await ask(shopify) == DATA
    assert time.monotonic() - began >= 0.25
    assert len(shopify.asked) == 2


async def test_a_wait_that_does_not_fit_the_deadline_is_not_begun(ask):
    shopify = Shopify(throttled(requested=1000, available=0, rate=50))
    began = time.monotonic()
    with pytest.raises(ThrottledError):
        await ask(shopify)
    assert time.monotonic() - began < 3, "it would be twenty seconds"
    assert len(shopify.asked) == 1


async def test_a_call_that_is_throttled_again_and_again_ends(ask):
    shopify = Shopify(throttled(requested=1, available=0, rate=1000))
    with pytest.raises(ThrottledError):
        await ask(shopify)
    assert len(shopify.asked) == graphql.TRIES_MAX


async def test_a_shop_that_cannot_afford_a_call_is_not_asked(ask):
    assert await ask(Shopify(answer(cost=(50, 10, 1000, 1))))
    unasked, other = Shopify(answer()), Shopify(answer())
    with pytest.raises(ThrottledError):
        await ask(unasked)
    assert unasked.asked == []
    assert await ask(other, BOBS), "another shop's budget is its own"


async def test_calls_at_once_do_not_spend_the_same_points(ask):
    await ask(Shopify(answer(cost=(100, 250, 1000, 1))))
    shopify = Shopify(answer(cost=(100, 250, 1000, 1)))
    outcomes = await asyncio.gather(*(ask(shopify) for _ in range(5)), return_exceptions=True)
    assert outcomes.count(DATA) >= 2
    assert any(isinstance(one, ThrottledError) for one in outcomes)


async def test_a_429_waits_as_long_as_it_says(ask):
    shopify = Shopify(httpx.Response(429, headers={"Retry-After": "0.3"}), answer())
    began = time.monotonic()
    assert await ask(shopify) == DATA
    assert time.monotonic() - began >= 0.3
    with pytest.raises(ThrottledError):
        await ask(Shopify(httpx.Response(429, headers={"Retry-After": "60"})))


def test_a_budget_comes_back_with_time_and_never_exceeds_its_bucket():
    now = [0.0]
    budgets = Budgets(lambda: now[0])
    assert budgets.wait_seconds(ALICE, 10) == 0
    status = {"maximumAvailable": 100, "currentlyAvailable": 10, "restoreRate": 5}
    budgets.learn(ALICE, "shop", {"cost": {"requestedQueryCost": 20, "throttleStatus": status}})
    assert budgets.cost("shop") == 20
    assert budgets.wait_seconds(ALICE, 20) == 2
    now[0] = 1_000
    assert budgets.wait_seconds(ALICE, 100) == 0
    budgets.reserve(ALICE, 80)
    assert budgets.wait_seconds(ALICE, 30) == 2
    assert budgets.wait_seconds(ALICE, 5_000) == 16, (
        "what no bucket can hold is Shopify's to refuse"
    )
    budgets.settle(ALICE, 80)


@pytest.mark.parametrize(
    "extensions",
    [
        None,
        [],
        {"cost": 7},
        {"cost": {"throttleStatus": {"currentlyAvailable": "x"}}},
        {"cost": {"requestedQueryCost": None}},
    ],
)
def test_a_cost_of_another_shape_is_ignored(extensions):
    budgets = Budgets()
    budgets.learn(ALICE, "shop", extensions)
    assert budgets.wait_seconds(ALICE, 1_000) == 0
