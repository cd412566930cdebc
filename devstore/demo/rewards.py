"""The merchant of the demo shop offers a reward of every kind, with the forms of the app."""

import logging
from datetime import UTC, datetime, timedelta

import httpx

from devstore import signing
from devstore.shop import things
from devstore.world import World

NEVER_ENDING = {"on_return": "whole", "on_unused": "keep", "grace_days": "30"}

log = logging.getLogger("devstore.demo")


async def offer(world: World, shop: things.Shop) -> None:
    """Each reward once: a form that is sent again makes the same one."""
    products = {one.title: str(one.id) for one in world.state.of_shop("product", shop.domain)}
    for index, fields in enumerate(_rewards(products)):
        if not await _send(world, shop, {**fields, "key": f"demo-reward-{index}"}):
            return
    shop.has_rewards = True
    world.state.put("shop", shop.domain, shop)


def _rewards(products: dict[str, str]) -> list[dict[str, str]]:
    soon = (datetime.now(UTC) + timedelta(days=14)).date().isoformat()
    tea, candle = products.get("Loose-leaf tea", ""), products.get("Beeswax candle", "")
    return [
        {
            **NEVER_ENDING,
            "kind": "percent_off",
            "title": "10% off your order",
            "percent": "10",
            "cost": "150",
            "minimum": "30",
            "code_days": "60",
            "icon": "✂️",
            "combines_with": "shipping",
        },
        {
            **NEVER_ENDING,
            "kind": "free_shipping",
            "title": "Free shipping",
            "cost": "60",
            "code_days": "30",
            "icon": "🚚",
            "combines_with": "order,product",
            "on_unused": "give_back",
        },
        {
            **NEVER_ENDING,
            "kind": "free_product",
            "title": "A free tea or candle",
            "amount_off": "24",
            "cost": "300",
            "products": f"{tea},{candle}",
            "per_customer": "2",
            "icon": "🎁",
            "text": "Put the one you like into your cart, then use the code.",
        },
        {
            **NEVER_ENDING,
            "kind": "store_credit",
            "costing": "choose",
            "title": "Store credit",
            "points_per_unit": "20",
            "unit": "1",
            "least": "40",
            "most": "1000",
            "step": "20",
            "code_days": "365",
            "icon": "👛",
            "text": "It waits in your account until you use it.",
        },
        {
            **NEVER_ENDING,
            "kind": "gift_card",
            "title": "Gift card of 10",
            "amount_off": "10",
            "cost": "250",
            "code_days": "365",
            "ends_on": soon,
            "icon": "💌",
            "text": "For you, or for somebody you like.",
        },
    ]


async def _send(world: World, shop: things.Shop, fields: dict[str, str]) -> bool:
    token = signing.id_token(world.settings, shop.domain)
    try:
        answer = await world.client.post(
            f"{world.settings.app_url}/rewards",
            data=fields,
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        )
    except httpx.HTTPError as error:
        log.warning("A reward of the demo shop was not made: %s.", type(error).__name__)
        return False
    if not answer.is_success:
        log.warning("A reward of the demo shop was refused: %s.", answer.status_code)
    return answer.is_success
