"""What people do in a shop: each act changes the shop, and the app is told of it as one event."""

import asyncio
import re
import zoneinfo
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import msgspec

from devstore.errors import RefusedError
from devstore.shop import orders, refunds, sold, things, totals
from devstore.shop.state import State

COMPLIANCE = ("customers/data_request", "customers/redact", "shop/redact")
NAMES = ("first_name", "last_name")
DETAILS = ("email", "phone", "note")
MERGES = ("completed", "in_progress", "failed")
CURRENCY = re.compile("[A-Z]{3}")
BURST_LIMIT = 5_000
BURST_PAUSE = 50


class World(Protocol):
    """The shops, and how the app is told what happens in them."""

    @property
    def state(self) -> State: ...
    def tell_order(
        self,
        order: sold.Order,
        *topics: str,
        refunds: Iterable[sold.Refund] = (),
        edits: Iterable[sold.Edit] = (),
        returns: Iterable[tuple[str, sold.Return]] = (),
    ) -> None: ...
    def tell_order_deleted(self, order: sold.Order) -> None: ...
    def tell_customer(self, customer: things.Customer, topic: str) -> None: ...
    def tell_consent(self, customer: things.Customer) -> None: ...
    def tell_merge(self, kept: things.Customer, gone: things.Customer, status: str) -> None: ...
    def tell_purchases(self, customer: things.Customer) -> None: ...
    def tell_tags(self, customer: things.Customer, topic: str, tags: Sequence[str]) -> None: ...
    def tell_collection(self, collection: things.Collection, topic: str) -> None: ...
    def tell_shop(self, shop: things.Shop) -> None: ...
    def tell_uninstalled(self, shop: things.Shop) -> None: ...
    def tell_compliance(
        self,
        topic: str,
        shop: things.Shop,
        customer: things.Customer | None,
        order_ids: Sequence[int],
    ) -> None: ...


# orders


def place_order(
    world: World,
    shop: things.Shop,
    basket: things.Basket,
    *,
    codes: Sequence[str] = (),
    how: sold.Placing | None = None,
) -> sold.Order:
    """Raises RefusedError when it cannot be bought, CodeRefusedError for a code not to be used."""
    order = orders.place(world.state, shop, basket, codes=codes, how=how)
    world.tell_order(order, "orders/create", *(["orders/paid"] if order.is_paid else []))
    return order


async def place_burst(
    world: World, shop: things.Shop, count: int, item: things.Item, *, size_bytes: int = 0
) -> list[int]:
    """So many paid orders of guests at once, each one `orders/paid` webhook; gives their ids.

    Raises RefusedError unless there are 1 to 5,000.
    """
    if not 1 <= count <= BURST_LIMIT:
        raise RefusedError(f"A burst is between 1 and {BURST_LIMIT} orders.")
    ids = []
    how = sold.Placing(size_bytes=size_bytes)
    for number in range(count):
        basket = things.Basket([item], email=f"guest{number}@example.com")
        order = orders.place(world.state, shop, basket, how=how)
        world.tell_order(order, "orders/paid")
        ids.append(order.id)
        if number % BURST_PAUSE == 0:
            await asyncio.sleep(0)  # the first are sent while the last are made
    return ids


def cancel(world: World, order: sold.Order, *, with_refund: bool, at: str = "") -> None:
    """Cancelling refunds what was paid, unless the merchant does that later.

    Raises RefusedError when it is cancelled already.
    """
    orders.cancel(world.state, order, at=at)
    given_back = []
    has_left = order.is_paid and any(totals.pieces_left(order, line) for line in order.lines)
    if with_refund and has_left:
        given_back.append(refunds.refund_whole(world.state, order, note="Order cancelled", at=at))
    world.tell_order(order, "orders/cancelled", "orders/updated", refunds=given_back)


def delete_order(world: World, order: sold.Order) -> None:
    world.state.drop("order", order.id)
    world.tell_order_deleted(order)


# customers


def add_customer(
    world: World, shop: things.Shop, fields: dict[str, str], at: str = ""
) -> things.Customer:
    """Raises RefusedError without a name."""
    made = things.Customer(
        id=world.state.new_id(),
        shop=shop.domain,
        first_name=fields.get("first_name", ""),
        last_name=fields.get("last_name", ""),
        email=fields.get("email", ""),
        phone=fields.get("phone") or None,
        created_at=at or things.now(),
        updated_at=at or things.now(),
        has_half_emoji=fields.get("half_emoji") == "on",
    )
    if not made.name:
        raise RefusedError("A customer needs a name.")
    world.state.put("customer", made.id, made)
    world.tell_customer(made, "customers/create")
    return made


def change_customer(world: World, customer: things.Customer, fields: dict[str, str]) -> None:
    """Raises RefusedError when the name would be gone."""
    if not "".join(fields.get(name, getattr(customer, name)) for name in NAMES).strip():
        raise RefusedError("A customer needs a name.")
    for name in (*NAMES, *DETAILS):
        if name in fields:
            setattr(customer, name, fields[name])
    customer.has_half_emoji = fields.get("half_emoji") == "on"
    customer.updated_at = things.now()
    world.state.put("customer", customer.id, customer)
    world.tell_customer(customer, "customers/update")


def consent(world: World, customer: things.Customer, *, is_subscribed: bool) -> None:
    """Subscribe to the shop's e-mails, or unsubscribe; said again it is said again."""
    customer.consent = "subscribed" if is_subscribed else "unsubscribed"
    customer.consented_at = customer.updated_at = things.now()
    world.state.put("customer", customer.id, customer)
    world.tell_consent(customer)


def delete_customer(world: World, customer: things.Customer) -> None:
    customer.is_deleted = True
    world.state.put("customer", customer.id, customer)
    world.tell_customer(customer, "customers/delete")


def merge_customers(
    world: World, kept: things.Customer, gone: things.Customer, *, status: str = "completed"
) -> None:
    """The orders of one become those of the other; when it failed, only that is told.

    Raises RefusedError for a customer and himself, or another status than Shopify's.
    """
    if kept.id == gone.id or status not in MERGES:
        raise RefusedError(f"Two customers are merged, and it is {', '.join(MERGES)}.")
    if status == "completed":
        for order in world.state.of_shop("order", kept.shop):
            if order.customer_id == gone.id:
                order.customer_id = kept.id
                world.state.put("order", order.id, order)
        kept.updated_at, gone.is_deleted = things.now(), True
        for one in (kept, gone):
            world.state.put("customer", one.id, one)
    world.tell_merge(kept, gone, status)


def tag(world: World, customer: things.Customer, add: Sequence[str], remove: Sequence[str]) -> None:
    """Give and take tags, whose capitals do not count; only what changes is told."""
    has = {one.lower(): one for one in customer.tags}
    added = [one for one in add if one.lower() not in has]
    removed = [has[one.lower()] for one in remove if one.lower() in has]
    customer.tags = [one for one in customer.tags if one not in removed] + added
    customer.updated_at = things.now()
    world.state.put("customer", customer.id, customer)
    for topic, tags in (("customer.tags_added", added), ("customer.tags_removed", removed)):
        if tags:
            world.tell_tags(customer, topic, tags)


# the shop, and the app in it


def put_collection(
    world: World,
    shop: things.Shop,
    title: str,
    product_ids: Sequence[int],
    collection_id: int | None = None,
) -> things.Collection:
    """Make a collection, or change one. Raises RefusedError for one that is not there."""
    found: things.Collection | None = world.state.find("collection", shop.domain, collection_id)
    if collection_id is not None and found is None:
        raise RefusedError("There is no such collection in this shop.")
    made = things.Collection(
        found.id if found else world.state.new_id(),
        shop.domain,
        title,
        things.now(),
        [*product_ids],
    )
    world.state.put("collection", made.id, made)
    world.tell_collection(made, "collections/update" if found else "collections/create")
    return made


def change_shop(world: World, shop: things.Shop, changes: dict[str, Any]) -> None:
    """Currency, time zone and taxes, by the names of `things.Shop`: of orders from now on.

    Raises RefusedError for what no shop can have.
    """
    changed = msgspec.structs.replace(shop, **changes)
    orders.check_terms(changed.tax_percent, changed.exchange_rate)
    for currency in (changed.currency, changed.presentment_currency or changed.currency):
        if not CURRENCY.fullmatch(currency):
            raise RefusedError("A currency has three capital letters, such as JPY.")
    try:
        zoneinfo.ZoneInfo(changed.timezone)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        raise RefusedError("A time zone is called as Europe/Berlin is.") from None
    for name, value in changes.items():
        setattr(shop, name, value)
    world.state.put("shop", shop.domain, shop)
    world.tell_shop(shop)


def install(world: World, shop: things.Shop) -> None:
    shop.is_installed = True
    world.state.put("shop", shop.domain, shop)


def uninstall(world: World, shop: things.Shop) -> None:
    """Tokens die first, and then the app is told, as Shopify does it."""
    for kind in ("access_token", "refresh_token"):
        for token in list(world.state.of_shop(kind, shop.domain)):
            world.state.drop(kind, token.token)
    shop.is_installed = False
    world.state.put("shop", shop.domain, shop)
    world.tell_uninstalled(shop)


def ask_compliance(world: World, shop: things.Shop, topic: str, customer_id: str | None) -> None:
    """Raises RefusedError for another topic, or without a customer where one is needed."""
    customer = world.state.find("customer", shop.domain, customer_id)
    if topic not in COMPLIANCE or (customer is None and topic != "shop/redact"):
        raise RefusedError("Choose one of the three topics, and a customer of this shop.")
    found = world.state.of_shop("order", shop.domain)
    ids = [one.id for one in found if customer and one.customer_id == customer.id]
    world.tell_compliance(topic, shop, customer, ids)
