"""Customers of the demo shop spend points: through the app proxy, some also at the checkout."""

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
# what is redeemed, and whether its code is used
WANTED = (
    ("amount_off", True),
    ("gift_card", False),
    ("percent_off", True),
    ("amount_off", False),
    ("store_credit", False),
    ("free_shipping", False),
)

log = logging.getLogger("devstore.demo")


async def spend(
    world: World, shop: things.Shop, people: Sequence[things.Customer], product: things.Product
) -> None:
    """Once the history has settled, for each reward somebody who can have it; some codes are
    used.
    """
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    before: list[int] = []
    while asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(POLL_SECONDS)
        offers = [await ask(world, shop, one, "GET", "/me") for one in people]
        points = [offer.get("points", {}).get("available", 0) for offer in offers]
        if world.webhooks.waiting or not any(points) or points != before:
            before = points  # orders and refunds are still on their way through the app
            continue
        by_kind = {str(one["kind"]): one for one in reversed(offers[0].get("rewards", []))}
        left = dict(zip((one.id for one in people), points, strict=True))
        for kind, is_ordered in WANTED:
            reward = by_kind.get(kind)
            cost = int(reward["cost"]) if reward else 0
            customer = next((one for one in people if left[one.id] >= cost), None)
            if reward is None or customer is None:
                continue
            left[customer.id] = 0  # one reward each
            code = await _redeem(world, shop, customer, reward)
            if code and is_ordered:
                _order(world, shop, customer, product, code)
        shop.has_spent = True
        world.state.put("shop", shop.domain, shop)
        return
    log.warning("Nobody in the demo shop spent points: they did not arrive in time.")


async def _redeem(
    world: World, shop: things.Shop, customer: things.Customer, reward: dict[str, Any]
) -> str:
    """The code, or nothing when the app cannot give it now; every try is the same redemption."""
    body = {"reward_id": reward["id"], "idempotency_key": f"demo-{customer.id}"}
    if reward["choose"]:
        body["points"] = reward["choose"]["least"]
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
