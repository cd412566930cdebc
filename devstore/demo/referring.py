"""Customers of the demo shop bring friends: some are rewarded, some wait, some look odd."""

import asyncio
import html
import logging
import re
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from devstore import signing
from devstore.errors import RefusedError
from devstore.shop import acts, changes, things
from devstore.world import World

POLL_SECONDS = 2.0
PATIENCE_SECONDS = 60.0
CODE = re.compile(r'id="holdfast-code">([^<]+)<')
OFFER = {
    "is_on": "1",
    "friend_kind": "percent",
    "friend_value": "15",
    "friend_minimum": "0",
    "code_days": "30",
    "advocate_kind": "points",
    "advocate_points": "250",
    "order_minimum": "10",
    "hold_days": "14",
    "window_days": "30",
    "day_max": "3",
    "month_max": "10",
    "all_max": "100",
}

log = logging.getLogger("devstore.demo")


class Friend(NamedTuple):
    """Who follows the link of the so-manieth customer, from where, and what they do then."""

    advocate: int
    first: str
    last: str
    email: str
    ip: str
    orders: bool = True
    is_sent_back: bool = False


# rewarded at once: the shop held nothing back when they claimed
EARLY = (
    Friend(0, "Nora", "Blake", "nora@example.org", "198.51.100.11"),
    Friend(1, "Omar", "Saleh", "omar@example.org", "198.51.100.12"),
    Friend(2, "Pia", "Lund", "pia@example.org", "198.51.100.13", is_sent_back=True),
)
LATER = (
    Friend(0, "Quinn", "Adams", "quinn@example.org", "198.51.100.21"),
    Friend(3, "Rosa", "Ibarra", "rosa@example.org", "198.51.100.22"),
    Friend(4, "Sami", "Nieminen", "sami@example.org", "198.51.100.23", orders=False),
    Friend(0, "Bob", "Marsh", "bob@example.com", "198.51.100.24", orders=False),
    Friend(1, "Chidi", "Okafor", "chidi1@example.com", "198.51.100.25", orders=False),
    Friend(5, "Tess", "Moreau", "tess@mailinator.com", "198.51.100.26", orders=False),
)


async def refer(
    world: World,
    shop: things.Shop,
    people: Sequence[things.Customer],
    products: Sequence[things.Product],
) -> None:
    """All of them ask for their link, and friends of the first ones claim and order."""
    await _offer(world, shop, {**OFFER, "hold_days": "0"})
    links = [await _link(world, shop, one) for one in people]
    early = [await _befriend(world, shop, links, one, products) for one in EARLY]
    if any(early):  # their orders go through the app, and are rewarded
        await asyncio.sleep(POLL_SECONDS * 6)
    for friend, order_id in zip(EARLY, early, strict=True):
        if friend.is_sent_back and order_id:
            order = world.state.find("order", shop.domain, order_id)
            if order is not None:
                changes.refund(world, order, None, note="Not what I thought")
    await _offer(world, shop, OFFER)
    for one in LATER:
        await _befriend(world, shop, links, one, products)
    shop.has_referred = True
    world.state.put("shop", shop.domain, shop)


async def _offer(world: World, shop: things.Shop, fields: dict[str, str]) -> None:
    """The merchant says what is offered, as admin would."""
    token = signing.id_token(world.settings, shop.domain)
    try:
        answer = await world.client.post(
            f"{world.settings.app_url}/referrals/settings",
            data=fields,
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        )
        if not answer.is_success:
            log.warning("The demo shop's offer was not saved: %s.", answer.status_code)
    except httpx.HTTPError as error:
        log.warning("The demo shop's offer was not saved: %s.", type(error).__name__)


async def _link(world: World, shop: things.Shop, customer: things.Customer) -> str:
    """The address of a customer's link; empty while it is on its way."""
    answer = await _ask(world, shop, customer.id, "POST", "/referral-link", json={})
    try:
        return str((answer.json().get("referral") or {}).get("url") or "") if answer else ""
    except ValueError:
        return ""


async def _befriend(
    world: World,
    shop: things.Shop,
    links: Sequence[str],
    friend: Friend,
    products: Sequence[things.Product],
) -> int | None:
    """A friend follows a link, claims, and orders with the code; gives the order."""
    link = links[friend.advocate] if friend.advocate < len(links) else ""
    if not link:
        return None
    path = "/r/" + urlsplit(link).path.rpartition("/")[2]
    browser = {"X-Forwarded-For": friend.ip, "User-Agent": "Mozilla/5.0 (demo shopper)"}
    await _ask(world, shop, None, "GET", path, headers=browser)
    code = ""
    for _ in range(int(PATIENCE_SECONDS / POLL_SECONDS)):
        claim = {"email": friend.email, "device": f"demo-{friend.email}"}
        answer = await _ask(world, shop, None, "POST", path, data=claim, headers=browser)
        found = CODE.search(answer.text) if answer else None
        code = html.unescape(found[1]) if found else ""
        if code or answer is None or not friend.orders:
            break
        await asyncio.sleep(POLL_SECONDS)
    if not code or not friend.orders:
        return None
    fields = {"first_name": friend.first, "last_name": friend.last, "email": friend.email}
    customer = acts.add_customer(world, shop, fields)
    product = products[len(friend.email) % len(products)]
    try:
        basket = things.Basket([product.item(2)], customer)
        return acts.place_order(world, shop, basket, codes=[code]).id
    except RefusedError as refused:
        log.warning("The code of a friend was not taken: %s", refused)
        return None


async def _ask(
    world: World,
    shop: things.Shop,
    customer_id: int | None,
    method: str,
    path: str,
    **options: Any,
) -> httpx.Response | None:
    """A request of a shopper, as the app proxy sends it on; None when the app is away."""
    url = signing.proxied_url(world.settings, shop.domain, path, customer_id)
    try:
        return await world.client.request(method, url, timeout=10, **options)
    except httpx.HTTPError as error:
        log.warning("The app did not answer a friend: %s.", type(error).__name__)
        return None
