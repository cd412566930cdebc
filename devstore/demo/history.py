"""The demo shop: twelve customers and two months of orders, told to the app once it is up."""

import asyncio
import logging
import random
import unicodedata
from datetime import UTC, datetime, timedelta

import httpx

from devstore import signing
from devstore.demo import appearance, campaigning, earning, referring, rewards, spending, tiers
from devstore.shop import acts, changes, sold, things
from devstore.world import World

HANDLE = "holdfast-demo"
SHOP = f"{HANDLE}.myshopify.com"
ORDERS = 40
DAYS = 60
PATIENCE_SECONDS = 300
SEED = 20_261_124  # the same history on every machine

# which of the forty orders are special: (every how many, starting with which)
BY_A_GUEST = (13, 7)
WITH_A_GIFT_CARD = (11, 5)
REFUNDED_IN_PART = (10, 4)
REFUNDED = (17, 9)
CANCELLED = (19, 12)
THE_TEST_ORDER = 3

PRODUCTS = (
    ("Loose-leaf tea", 1450, "tea", "Forty cups of a smoky black tea."),
    ("Beeswax candle", 2400, "candle", "Burns for thirty hours and smells of honey."),
    ("Wool blanket", 8900, "blanket", "Warm, heavy, and woven to last."),
    ("Notebook", 990, "book", "A hundred and sixty pages that take ink well."),
)
WHAT_A_CODE_BUYS = "Wool blanket"
CUSTOMERS = (
    ("Bob", "Marsh"),
    ("Chidi", "Okafor"),
    ("Dora", "Lindqvist"),
    ("Emre", "Demir"),
    ("Fatima", "Haddad"),
    ("George", "O'Neill"),
    ("Hana", "Sato"),
    ("Inés", "García"),
    ("Jonas", "Weber"),
    ("Kavya", "Raman"),
    ("Lucía", "Fernández"),
    ("Mei", "Chen"),
)

log = logging.getLogger("devstore.demo")


async def run(world: World) -> None:
    """The history, the rewards, then some spending of what was earned, and friends its customers
    bring; each once, however often started.
    """
    await seed(world)
    shop = world.state.shop(SHOP)
    people = [one for one in world.state.of_shop("customer", SHOP) if not one.is_deleted]
    if not shop.has_rewards:
        await appearance.choose(world, shop)
        await rewards.offer(world, shop)
    if not shop.has_tiers:
        await tiers.arrange(world, shop)
    if not shop.has_spent:
        blanket = next(
            one for one in world.state.of_shop("product", SHOP) if one.title == WHAT_A_CODE_BUYS
        )
        await spending.spend(world, shop, people[: len(CUSTOMERS)], blanket)
    if not shop.has_ways:
        await earning.fill(world, shop, people[: len(CUSTOMERS)])
    if not shop.has_referred:
        named = [one for one in world.state.of_shop("customer", SHOP) if not one.is_deleted]
        teas = [one for one in world.state.of_shop("product", SHOP) if not one.is_gift_card]
        await referring.refer(world, shop, named[: len(CUSTOMERS)], teas)


async def seed(world: World) -> None:
    """Make the history unless there is one, after the app is up and was opened once."""
    shop = world.state.shop(SHOP)
    if shop.is_seeded:
        return
    await _wait_until_healthy(world)
    await _open_app_once(world, shop)
    await campaigning.launch(world, shop)
    shop.is_seeded = True
    world.state.put("shop", shop.domain, shop)
    make_history(world, shop)
    log.info("The demo shop has its history.")


async def _wait_until_healthy(world: World) -> None:
    while True:
        try:
            answer = await world.client.get(f"{world.settings.app_url}/healthz", timeout=3)
            if answer.status_code == 200:  # noqa: PLR2004
                return
        except httpx.HTTPError:
            log.debug("The app is not up yet.")
        await asyncio.sleep(0.5)


async def _open_app_once(world: World, shop: things.Shop) -> None:
    for _ in range(PATIENCE_SECONDS):
        try:
            answer = await world.client.get(
                f"{world.settings.app_url}/",
                params=dict(signing.launch_query(world.settings, shop.domain)),
                follow_redirects=False,
                timeout=10,
            )
            if answer.is_success:
                return
            log.warning("The app answered %s when the merchant opened it.", answer.status_code)
        except httpx.HTTPError as error:
            log.warning("The app could not be opened: %s.", type(error).__name__)
        await asyncio.sleep(1)


def make_history(world: World, shop: things.Shop) -> None:
    """Customers, orders, refunds and cancellations of two months, each told to the app."""
    dice = random.Random(SEED)  # noqa: S311 - a history, not a secret
    state, now = world.state, datetime.now(UTC)
    for title, price_cents, picture, description in PRODUCTS:
        state.add_product(shop.domain, title, price_cents, picture, description)
    joined = (now - timedelta(days=DAYS + 1)).isoformat(timespec="seconds")
    people = [_customer(world, shop, first, last, joined) for first, last in CUSTOMERS]
    products = [one for one in state.of_shop("product", shop.domain) if not one.is_gift_card]
    gift_card = next(one for one in state.of_shop("product", shop.domain) if one.is_gift_card)
    for index in range(ORDERS):
        # spread evenly and not to the minute, oldest first
        days_ago = DAYS * (ORDERS - index - 0.9 * dice.random()) / ORDERS
        buyer = None
        if not _is(index, BY_A_GUEST):  # a few regulars, many occasional buyers
            buyer = people[min(int(dice.expovariate(0.28)), len(people) - 1)]
        chosen = dice.sample(products, dice.choice((1, 1, 2, 3)))
        if _is(index, WITH_A_GIFT_CARD):
            chosen.append(gift_card)
        items = [one.item(dice.choice((1, 1, 1, 2))) for one in chosen]
        at = (now - timedelta(days=days_ago)).isoformat(timespec="seconds")
        basket = things.Basket(items, buyer, None if buyer else f"guest{index}@example.com")
        how = sold.Placing(at=at, is_test=index == THE_TEST_ORDER)
        order = acts.place_order(world, shop, basket, how=how)
        _afterwards(world, order, index, now - timedelta(days=days_ago * 0.8))
    campaigning.buy(world, shop, people, products)


def _is(index: int, which: tuple[int, int]) -> bool:
    every, first = which
    return index % every == first


def _customer(world: World, shop: things.Shop, first: str, last: str, at: str) -> things.Customer:
    plain = unicodedata.normalize("NFKD", first.lower()).encode("ascii", "ignore").decode()
    fields = {"first_name": first, "last_name": last, "email": f"{plain}@example.com"}
    return acts.add_customer(world, shop, fields, at)


def _afterwards(world: World, order: sold.Order, index: int, moment: datetime) -> None:
    """Some orders are refunded in part, wholly, or cancelled."""
    at = moment.isoformat(timespec="seconds")
    if _is(index, REFUNDED_IN_PART):
        one_piece = [(order.lines[0].id, 1)]
        changes.refund(world, order, one_piece, note="Arrived damaged", at=at)
    elif _is(index, REFUNDED):
        changes.refund(world, order, None, note="Changed their mind", at=at)
    elif _is(index, CANCELLED):
        acts.cancel(world, order, with_refund=True, at=at)
