"""What people do in a shop: each act changes the shop, and the app is told of it as one event."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol

from devstore.errors import RefusedError
from devstore.shop import orders, things
from devstore.shop.state import State

COMPLIANCE = ("customers/data_request", "customers/redact", "shop/redact")
NAMES = ("first_name", "last_name")
DETAILS = ("email", "phone", "note")
BURST_LIMIT = 5_000
BURST_PAUSE = 50


class World(Protocol):
    """The shops, and how the app is told what happens in them."""

    @property
    def state(self) -> State: ...
    def tell_order(
        self, order: things.Order, *topics: str, refunds: Iterable[things.Refund] = ()
    ) -> None: ...
    def tell_customer(self, customer: things.Customer, topic: str) -> None: ...
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
    is_test: bool = False,
    is_paid: bool = True,
    at: str | None = None,
    size_bytes: int = 0,
) -> things.Order:
    """`size_bytes`: its webhooks are padded to that size, like those of an endless order.

    Raises RefusedError when it cannot be bought, CodeRefusedError when a code may not be used.
    """
    order = orders.place(
        world.state,
        shop,
        basket,
        codes=codes,
        is_test=is_test,
        is_paid=is_paid,
        processed_at=at,
        size_bytes=size_bytes,
    )
    world.tell_order(order, "orders/create", *(["orders/paid"] if is_paid else []))
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
    for number in range(count):
        basket = things.Basket([item], email=f"guest{number}@example.com")
        order = orders.place(world.state, shop, basket, size_bytes=size_bytes)
        world.tell_order(order, "orders/paid")
        ids.append(order.id)
        if number % BURST_PAUSE == 0:
            await asyncio.sleep(0)  # the first are sent while the last are made
    return ids


def mark_paid(world: World, order: things.Order) -> None:
    """Raises RefusedError when it is paid or cancelled."""
    orders.pay(world.state, order)
    world.tell_order(order, "orders/paid", "orders/updated")


def refund(
    world: World,
    order: things.Order,
    lines: Sequence[tuple[int, int]] | None,
    *,
    note: str | None = None,
    at: str = "",
) -> things.Refund:
    """Lines as `(line id, quantity)`, or all that is left when `lines` is None.

    Raises RefusedError for more than what is left.
    """
    if lines is None:
        made = orders.refund_whole(world.state, order, note=note, at=at)
    else:
        made = orders.refund_lines(world.state, order, lines, note=note, at=at)
    world.tell_order(order, "orders/updated", refunds=[made])
    return made


def refund_amount(
    world: World, order: things.Order, amount_cents: int, *, note: str | None = None
) -> things.Refund:
    """Raises RefusedError for more than what is left."""
    made = orders.refund_amount(world.state, order, amount_cents, note=note)
    world.tell_order(order, "orders/updated", refunds=[made])
    return made


def cancel(world: World, order: things.Order, *, with_refund: bool, at: str = "") -> None:
    """Cancelling refunds what was paid, unless the merchant does that later.

    Raises RefusedError when it is cancelled already.
    """
    orders.cancel(world.state, order, at=at)
    refunds = []
    has_left = order.is_paid and any(orders.refundable(order, line) for line in order.lines)
    if with_refund and has_left:
        refunds.append(orders.refund_whole(world.state, order, note="Order cancelled", at=at))
    world.tell_order(order, "orders/cancelled", "orders/updated", refunds=refunds)


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
    customer.updated_at = things.now()
    world.state.put("customer", customer.id, customer)
    world.tell_customer(customer, "customers/update")


def delete_customer(world: World, customer: things.Customer) -> None:
    customer.is_deleted = True
    world.state.put("customer", customer.id, customer)
    world.tell_customer(customer, "customers/delete")


# the app in the shop


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
