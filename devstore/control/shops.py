"""Control of what happens in a shop: customers, orders, discounts, and the tokens it gives."""

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devstore import signing
from devstore.api import tokens
from devstore.control.body import read
from devstore.errors import FormError
from devstore.shop import acts, carts, money, things
from devstore.webhooks import forging, payload_people, payload_refunds, payloads
from devstore.world import World, shop_of, world_of


class NewLine(msgspec.Struct):
    price: str | float | None = None
    quantity: int = 1
    title: str = "Mug"
    product_id: int | str | None = None
    gift_card: bool = False


class NewOrder(msgspec.Struct):
    lines: list[NewLine]
    customer_id: int | str | None = None
    discount_codes: list[str] = []
    test: bool = False
    paid: bool = True
    email: str | None = None
    size_bytes: int = 0  # its webhooks are padded to that size


class RefundedLine(msgspec.Struct):
    line_id: int | str
    quantity: int


class NewRefund(msgspec.Struct):
    lines: list[RefundedLine] | str | None = None
    amount: str | float | None = None
    note: str | None = None


class Cancelling(msgspec.Struct):
    refund: bool = True


class Proxied(msgspec.Struct):
    path: str
    customer_id: int | str | None = None


class Extension(msgspec.Struct):
    customer_id: int | str | None = None


# customers


def _customer(
    world: World, shop: things.Shop, customer_id: int | str | None
) -> things.Customer | None:
    if customer_id is None:
        return None
    found: things.Customer | None = world.state.find("customer", shop.domain, customer_id)
    if found is None or found.is_deleted:
        raise FormError("There is no such customer in this shop.")
    return found


async def add_customer(request: Request) -> Response:
    fields = await read(request, dict[str, str])
    made = acts.add_customer(world_of(request), shop_of(request), fields)
    return JSONResponse({**payload_people.customer(made, "USD"), "id": made.id}, status_code=201)


async def edit_customer(request: Request) -> Response:
    world, fields = world_of(request), await read(request, dict[str, str])
    customer = _customer(world, shop_of(request), request.path_params["id"])
    assert customer is not None
    acts.change_customer(world, customer, fields)
    return JSONResponse(payload_people.customer(customer, "USD"))


async def delete_customer(request: Request) -> Response:
    world = world_of(request)
    customer = _customer(world, shop_of(request), request.path_params["id"])
    assert customer is not None
    acts.delete_customer(world, customer)
    return JSONResponse({"id": customer.id})


# orders


def _order(request: Request) -> things.Order:
    found: things.Order | None = world_of(request).state.find(
        "order", shop_of(request).domain, request.path_params["id"]
    )
    if found is None:
        raise FormError("There is no such order in this shop.")
    return found


def _item(world: World, shop: things.Shop, line: NewLine) -> things.Item:
    product: things.Product | None = world.state.find("product", shop.domain, line.product_id)
    if product is None:
        return things.Item(line.title, money.cents(line.price), line.quantity, line.gift_card)
    item = product.item(line.quantity)
    if line.price is None:
        return item
    return msgspec.structs.replace(item, price_cents=money.cents(line.price))


async def place_order(request: Request) -> Response:
    world, shop, asked = world_of(request), shop_of(request), await read(request, NewOrder)
    forging.check_size(asked.size_bytes)
    basket = things.Basket(
        [_item(world, shop, line) for line in asked.lines],
        _customer(world, shop, asked.customer_id),
        asked.email or carts.GUEST,
    )
    order = acts.place_order(
        world,
        shop,
        basket,
        codes=asked.discount_codes,
        is_test=asked.test,
        is_paid=asked.paid,
        size_bytes=asked.size_bytes,
    )
    return JSONResponse(payloads.order(world.state, order), status_code=201)


async def list_orders(request: Request) -> Response:
    state = world_of(request).state
    return JSONResponse(
        [payloads.order(state, one) for one in state.of_shop("order", shop_of(request).domain)]
    )


async def pay_order(request: Request) -> Response:
    order = _order(request)
    acts.mark_paid(world_of(request), order)
    return JSONResponse(payloads.order(world_of(request).state, order))


async def refund_order(request: Request) -> Response:
    """By lines, by all of them ("all"), or by an amount; answers the last refund."""
    world, order, asked = world_of(request), _order(request), await read(request, NewRefund)
    made: things.Refund | None = None
    if asked.lines == "all":
        made = acts.refund(world, order, None, note=asked.note)
    elif isinstance(asked.lines, list) and asked.lines:
        pairs = [(int(line.line_id), line.quantity) for line in asked.lines]
        made = acts.refund(world, order, pairs, note=asked.note)
    if asked.amount is not None:
        made = acts.refund_amount(world, order, money.cents(asked.amount), note=asked.note)
    if made is None:
        raise FormError("Say which lines, “all”, or an amount.")
    return JSONResponse(payload_refunds.refund(order, made), status_code=201)


async def cancel_order(request: Request) -> Response:
    world, order, asked = world_of(request), _order(request), await read(request, Cancelling)
    acts.cancel(world, order, with_refund=asked.refund)
    return JSONResponse(payloads.order(world.state, order))


# discounts and tokens


async def list_discounts(request: Request) -> Response:
    found = world_of(request).state.of_shop("discount", shop_of(request).domain)
    return JSONResponse(msgspec.to_builtins(list(found)))


async def give_id_token(request: Request) -> Response:
    token = signing.id_token(world_of(request).settings, shop_of(request).domain)
    return JSONResponse({"id_token": token})


async def give_extension_token(request: Request) -> Response:
    asked = await read(request, Extension)
    token = signing.extension_token(
        world_of(request).settings, shop_of(request).domain, asked.customer_id
    )
    return JSONResponse({"token": token})


async def give_proxy_url(request: Request) -> Response:
    world, asked = world_of(request), await read(request, Proxied)
    path, _, query = asked.path.removeprefix("/storefront").partition("?")
    domain = shop_of(request).domain
    url = signing.proxied_url(world.settings, domain, path, asked.customer_id, query)
    return JSONResponse({"url": url})


async def expire_tokens(request: Request) -> Response:
    world = world_of(request)
    return JSONResponse({"expired": tokens.expire_access(world.state, shop_of(request))})


SHOP = "/control/shops/{shop}"
routes = [
    Route(SHOP + "/customers", add_customer, methods=["POST"]),
    Route(SHOP + "/customers/{id}", edit_customer, methods=["PATCH"]),
    Route(SHOP + "/customers/{id}", delete_customer, methods=["DELETE"]),
    Route(SHOP + "/orders", list_orders),
    Route(SHOP + "/orders", place_order, methods=["POST"]),
    Route(SHOP + "/orders/{id}/pay", pay_order, methods=["POST"]),
    Route(SHOP + "/orders/{id}/refund", refund_order, methods=["POST"]),
    Route(SHOP + "/orders/{id}/cancel", cancel_order, methods=["POST"]),
    Route(SHOP + "/discounts", list_discounts),
    Route(SHOP + "/id-token", give_id_token),
    Route(SHOP + "/extension-token", give_extension_token, methods=["POST"]),
    Route(SHOP + "/proxy-url", give_proxy_url, methods=["POST"]),
    Route(SHOP + "/expire-tokens", expire_tokens, methods=["POST"]),
]
