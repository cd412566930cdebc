"""The demo shop's ways to earn besides orders, and customers who use them: through the merchant's
pages, the app proxy and the server API, as everybody else.
"""

import asyncio
import logging
import re
import uuid
import zoneinfo
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx

from devstore import signing
from devstore.demo import spending
from devstore.shop import acts, things
from devstore.world import World

TRIES = 30
WAYS: tuple[dict[str, str], ...] = (
    {"kind": "newsletter", "title": "Subscribe to our e-mails", "points": "50"},
    {"kind": "birthday", "title": "Celebrate your birthday", "points": "100"},
    {
        "kind": "follow",
        "title": "Follow us on Instagram",
        "points": "20",
        "url": "https://www.instagram.com/holdfast.demo",
    },
    {
        "kind": "action",
        "title": "Write a review",
        "points": "30",
        "handle": "review",
        "per": "month",
        "times": "3",
    },
)
# on while these two come, and off again: new customers of the demo shop begin with nothing
ACCOUNT = {"kind": "account", "title": "Create an account", "points": "100"}
NEWCOMERS = (("Nora", "Berg"), ("Otto", "Lind"))
SUBSCRIBERS, BIRTHDAYS, FOLLOWERS, REVIEWERS = 5, 4, 4, 3
KEY = re.compile(r"hfk_[A-Za-z0-9_-]{20,}")

log = logging.getLogger("devstore.demo")


async def fill(world: World, shop: things.Shop, people: Sequence[things.Customer]) -> None:
    """Ways to earn, and what some of `people` do with them; once a shop."""
    for way in (*WAYS, ACCOUNT):
        key = f"demo-{way['kind']}"
        await _as_merchant(world, shop, "/ways", {**way, "key": key})
    offered = await _offered(world, shop, people[0])
    await _greet(world, shop, _way_id(offered, "account"))
    for customer in people[:SUBSCRIBERS]:
        acts.consent(world, customer, is_subscribed=True)
    today = datetime.now(zoneinfo.ZoneInfo(shop.timezone))
    for number, customer in enumerate(people[-BIRTHDAYS:]):
        day = today + timedelta(days=9 * number)
        said = {"month_day": f"{day:%m-%d}"}
        await spending.ask(world, shop, customer, "POST", "/birthday", json=said)
    follow = _way_id(offered, "follow")
    for customer in people[2 : 2 + FOLLOWERS]:
        await spending.ask(world, shop, customer, "POST", "/actions", json={"id": follow})
    await _review(world, shop, people[1 : 1 + REVIEWERS])
    shop.has_ways = True
    world.state.put("shop", shop.domain, shop)


async def _offered(world: World, shop: things.Shop, who: things.Customer) -> dict[str, Any]:
    """What a shopper sees once the ways are on the shelf, which is remembered for some seconds."""
    offered: dict[str, Any] = {}
    for _ in range(TRIES):
        offered = await spending.ask(world, shop, who, "GET", "/me")
        if _way_id(offered, "account") or not offered.get("ways_to_earn"):
            break
        await asyncio.sleep(spending.POLL_SECONDS)
    return offered


async def _greet(world: World, shop: things.Shop, way_id: str) -> None:
    """Two new accounts are welcomed, and then new ones get nothing."""
    made = []
    for first, last in NEWCOMERS:
        fields = {"first_name": first, "last_name": last, "email": f"{first.lower()}@example.com"}
        made.append(acts.add_customer(world, shop, fields))
    for _ in range(TRIES):
        offered = await spending.ask(world, shop, made[-1], "GET", "/me")
        if offered.get("points", {}).get("available"):
            break
        await asyncio.sleep(spending.POLL_SECONDS)
    if way_id:
        await _as_merchant(world, shop, f"/ways/{way_id}/switch", {"on": "0"})


async def _review(world: World, shop: things.Shop, people: Sequence[things.Customer]) -> None:
    """The shop's server tells of reviews, with a key that was made for it."""
    found = KEY.search(await _as_merchant(world, shop, "/ways/key", {}))
    for customer in people if found else ():
        headers = {"Authorization": f"Bearer {found[0]}"} if found else {}
        try:
            await world.client.post(
                f"{world.settings.app_url}/api/v1/actions",
                json={"action": "review", "customer_id": str(customer.id)},
                headers={**headers, "Idempotency-Key": str(uuid.uuid4())},
                timeout=10,
            )
        except httpx.HTTPError as error:
            log.warning("A review of the demo shop was not taken: %s.", type(error).__name__)


def _way_id(offered: dict[str, Any], kind: str) -> str:
    ways = offered.get("ways_to_earn", [])
    return next((str(one["id"]) for one in ways if one["kind"] == kind), "")


async def _as_merchant(world: World, shop: things.Shop, path: str, fields: dict[str, str]) -> str:
    """Send a form of the admin pages; the page that came back, empty where none did."""
    token = signing.id_token(world.settings, shop.domain)
    try:
        answer = await world.client.post(
            f"{world.settings.app_url}{path}",
            data=fields,
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        )
    except httpx.HTTPError as error:
        log.warning("A form of the demo shop was not taken: %s.", type(error).__name__)
        return ""
    return answer.text
