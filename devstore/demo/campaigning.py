"""The demo shop's merchant makes campaigns in the app's own forms, and customers order while they
run: what was ordered before a campaign was launched has nothing of it.
"""

import logging
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import httpx

from devstore import signing
from devstore.shop import acts, things
from devstore.world import World

PIECES = (2, 1, 3, 1, 2, 1)  # of today's orders
BUYERS = 4
_ID = re.compile(r"/campaigns/([0-9a-f-]{36})/")

log = logging.getLogger("devstore.demo")


def campaigns(today: date) -> list[tuple[dict[str, str], tuple[str, ...]]]:
    """The fields of each form, and the states its campaign goes through after it was made."""

    def day(ahead: int) -> str:
        return (today + timedelta(days=ahead)).isoformat()

    every_order = {"trigger": "order", "effect": "multiply", "value": "2"}
    adding = {"effect": "add", "scope": "all", "audience": "everyone"}
    return [
        (
            {
                **every_order,
                "name": "Double points month",
                "starts_day": day(-25),
                "ends_day": day(3),
                "cap": "500",
                "budget": "4000",
                "text": "Double points on everything until {ends}.",
            },
            ("live",),
        ),
        (
            {
                **adding,
                "name": "Second order bonus",
                "trigger": "nth_order",
                "nth": "2",
                "value": "150",
                "starts_day": day(-61),
            },
            ("live",),
        ),
        (
            {
                **adding,
                "name": "Big basket",
                "trigger": "goal_order",
                "goal": "100",
                "value": "100",
                "starts_day": day(-14),
                "ends_day": day(14),
            },
            ("live",),
        ),
        (
            {
                **adding,
                "name": "Birthday present",
                "trigger": "birthday",
                "value": "100",
                "starts_day": day(-61),
                "text": "A present from us on your birthday.",
            },
            ("live", "paused"),
        ),
        (
            {
                **every_order,
                "name": "Regulars first",
                "audience": "tags",
                "audience_names": "regular",
                "starts_day": day(5),
                "starts_time": "18:00",
                "ends_day": day(7),
            },
            ("live",),
        ),
        (
            {**every_order, "name": "Launch week", "starts_day": day(-61)},
            ("live", "ended"),
        ),
        (
            {
                **every_order,
                "value": "3",
                "name": "We miss you",
                "audience": "segments",
                "audience_names": "At risk",
                "starts_day": day(1),
                "ends_day": day(14),
                "cap": "1000",
            },
            (),
        ),
    ]


async def launch(world: World, shop: things.Shop) -> None:
    """Make them, each once; an app that does not take one goes on without it."""
    for number, (fields, states) in enumerate(campaigns(datetime.now(UTC).date())):
        made = await _post(world, shop, "/campaigns", {**fields, "key": f"demo-campaign-{number}"})
        found = _ID.search(made)
        if not found:
            log.warning("The app did not take the campaign %s.", fields["name"])
            continue
        for state in states:
            await _post(world, shop, f"/campaigns/{found[1]}/state", {"state": state})


def buy(
    world: World,
    shop: things.Shop,
    people: Sequence[things.Customer],
    products: Sequence[things.Product],
) -> None:
    """Orders of today: pieces of a product, by customers in turn."""
    for number, pieces in enumerate(PIECES):
        product = products[number % len(products)]
        buyer = people[number % BUYERS]
        acts.place_order(world, shop, things.Basket([product.item(pieces)], buyer))


async def _post(world: World, shop: things.Shop, path: str, fields: dict[str, str]) -> str:
    token = signing.id_token(world.settings, shop.domain)
    try:
        answer = await world.client.post(
            f"{world.settings.app_url}{path}",
            data=fields,
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        )
    except httpx.HTTPError as error:
        log.warning("The app did not answer the merchant: %s.", type(error).__name__)
        return ""
    return answer.text if answer.is_success else ""
