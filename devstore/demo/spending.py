"""Two customers of the demo shop spend points: through the app proxy, one also at the checkout."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import httpx

from devstore import signing
from devstore.errors import RefusedError
from devstore.shop import acts, things
from devstore.world import World

PATIENCE_SECONDS = 180
POLL_SECONDS = 2.0
SPENDERS = 2

log = logging.getLogger("devstore.demo")


async def spend(
    world: World, shop: things.Shop, people: Sequence[things.Customer], product: things.Product
) -> None:
    """Once the history has settled, the first two who can redeem; the first uses the code."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    before: list[int] = []
    while asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(POLL_SECONDS)
        offers = [await ask(world, shop, one, "GET", "/me") for one in people]
        points = [offer.get("points", {}).get("available", 0) for offer in offers]
        if world.webhooks.waiting or not any(points) or points != before:
            before = points  # orders and refunds are still on their way through the app
            continue
        rewards = sorted(offers[0].get("rewards", []), key=lambda one: int(one["cost"]))
        able = [
            one
            for one, has in zip(people, points, strict=True)
            if rewards and has >= rewards[0]["cost"]
        ]
        for index, customer in enumerate(able[:SPENDERS]):
            code = await _redeem(world, shop, customer, rewards[0]["id"])
            if code and index == 0:
                _order(world, shop, customer, product, code)
        shop.has_spent = True
        world.state.put("shop", shop.domain, shop)
        return
    log.warning("Nobody in the demo shop spent points: they did not arrive in time.")


async def _redeem(
    world: World, shop: things.Shop, customer: things.Customer, reward_id: str
) -> str:
    """The code, or nothing when the app cannot give it now; every try is the same redemption."""
    body = {"reward_id": reward_id, "idempotency_key": f"demo-{customer.id}"}
    for _ in range(5):
        answer = await ask(world, shop, customer, "POST", "/redemptions", json=body)
        code = str((answer.get("redemption") or {}).get("code") or "")
        if code:
            return code
        await asyncio.sleep(POLL_SECONDS)
    return ""


def _order(
    world: World, shop: things.Shop, customer: things.Customer, product: things.Product, code: str
) -> None:
    basket = things.Basket([product.item(1)], customer)
    try:
        acts.place_order(world, shop, basket, codes=[code])
    except RefusedError as refused:
        log.warning("The code of a reward was not taken: %s", refused)


async def ask(
    world: World,
    shop: things.Shop,
    customer: things.Customer,
    method: str,
    path: str,
    **options: Any,
) -> dict[str, Any]:
    """What the app answers a shopper through its proxy; nothing when it does not."""
    url = signing.proxied_url(world.settings, shop.domain, path, customer.id)
    try:
        answer = await world.client.request(method, url, timeout=10, **options)
        found = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        log.warning("The app did not answer a shopper of the demo shop: %s.", type(error).__name__)
        return {}
    return found if isinstance(found, dict) else {}
