"""The control API: what tests and scripts do to the stand-in store, as JSON."""

from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devstore import signing
from devstore.api import tokens
from devstore.errors import FormError
from devstore.pages import admin, proxy
from devstore.pages import orders as order_pages
from devstore.pages.shared import shop_of
from devstore.shop import money, orders, things
from devstore.webhooks import payload_people, payloads
from devstore.world import World, world_of

DELIVERIES_SHOWN = 1000
SCALE_LIMIT = 1000.0
Body = TypeVar("Body")


class Trouble(msgspec.Struct):
    mode: str = "normal"
    seconds: float | None = None


class Nuisance(msgspec.Struct):
    duplicate_ratio: float | None = None
    shuffle: bool | None = None
    time_scale: float | None = None


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


class NewWebhook(msgspec.Struct):
    topic: str
    payload: dict[str, Any] | None = None
    customer_id: int | str | None = None


async def _read(request: Request, type_: type[Body]) -> Body:
    """The JSON body; raises FormError when it has another shape."""
    try:
        return msgspec.json.decode(await request.body() or b"{}", type=type_)
    except msgspec.DecodeError as error:
        raise FormError(str(error)) from None


async def change_shopify(request: Request) -> Response:
    world, asked = world_of(request), await _read(request, Trouble)
    world.trouble.change(asked.mode, asked.seconds)
    return JSONResponse({"mode": world.trouble.mode, "seconds": world.trouble.seconds})


async def change_webhooks(request: Request) -> Response:
    webhooks, asked = world_of(request).webhooks, await _read(request, Nuisance)
    apply_nuisance(world_of(request), asked)
    return JSONResponse(
        {
            "duplicate_ratio": webhooks.duplicate_ratio,
            "shuffle": webhooks.shuffle,
            "time_scale": webhooks.time_scale,
            "waiting": webhooks.waiting,
        }
    )


def apply_nuisance(world: World, asked: Nuisance) -> None:
    """Raises FormError for a ratio outside 0 to 1 or a scale that is not positive."""
    webhooks = world.webhooks
    if asked.duplicate_ratio is not None:
        if not 0 <= asked.duplicate_ratio <= 1:
            raise FormError("The ratio of duplicates is between 0 and 1.")
        webhooks.duplicate_ratio = asked.duplicate_ratio
    if asked.shuffle is not None:
        webhooks.shuffle = asked.shuffle
    if asked.time_scale is not None:
        if not 0 < asked.time_scale <= SCALE_LIMIT:
            raise FormError(f"The time scale is above 0 and at most {SCALE_LIMIT:.0f}.")
        webhooks.change_time_scale(asked.time_scale)


def _customer(
    world: World, shop: things.Shop, customer_id: int | str | None
) -> things.Customer | None:
    if customer_id is None:
        return None
    found: things.Customer | None = world.state.find("customer", shop.domain, customer_id)
    if found is None or found.is_deleted:
        raise FormError("There is no such customer in this shop.")
    return found


def _order(request: Request) -> things.Order:
    found: things.Order | None = world_of(request).state.find(
        "order", shop_of(request).domain, request.path_params["id"]
    )
    if found is None:
        raise FormError("There is no such order in this shop.")
    return found


async def add_customer(request: Request) -> Response:
    fields = await _read(request, dict[str, str])
    made = admin.make_customer(world_of(request), shop_of(request), fields)
    return JSONResponse({**payload_people.customer(made, "USD"), "id": made.id}, status_code=201)


async def edit_customer(request: Request) -> Response:
    world, fields = world_of(request), await _read(request, dict[str, str])
    customer = _customer(world, shop_of(request), request.path_params["id"])
    assert customer is not None
    admin.change_customer(world, customer, fields)
    return JSONResponse(payload_people.customer(customer, "USD"))


async def delete_customer(request: Request) -> Response:
    world = world_of(request)
    customer = _customer(world, shop_of(request), request.path_params["id"])
    assert customer is not None
    customer.is_deleted = True
    world.state.put("customer", customer.id, customer)
    world.tell_customer(customer, "customers/delete")
    return JSONResponse({"id": customer.id})


def _item(world: World, shop: things.Shop, line: NewLine) -> things.Item:
    product: things.Product | None = world.state.find("product", shop.domain, line.product_id)
    if product:
        cents = product.price_cents if line.price is None else money.cents(line.price)
        return things.Item(
            product.title,
            cents,
            line.quantity,
            product.is_gift_card,
            product.id,
            product.variant_id,
        )
    return things.Item(line.title, money.cents(line.price), line.quantity, line.gift_card)


async def place_order(request: Request) -> Response:
    world, shop, asked = world_of(request), shop_of(request), await _read(request, NewOrder)
    customer = _customer(world, shop, asked.customer_id)
    basket = things.Basket(
        [_item(world, shop, line) for line in asked.lines],
        customer,
        asked.email or "guest@example.com",
    )
    order = orders.place(
        world.state,
        shop,
        basket,
        codes=asked.discount_codes,
        is_test=asked.test,
        is_paid=asked.paid,
    )
    world.tell_order(order, "orders/create", *(["orders/paid"] if asked.paid else []))
    return JSONResponse(payloads.order(world.state, order), status_code=201)


async def list_orders(request: Request) -> Response:
    state = world_of(request).state
    return JSONResponse(
        [payloads.order(state, one) for one in state.of_shop("order", shop_of(request).domain)]
    )


async def pay_order(request: Request) -> Response:
    order = _order(request)
    order_pages.mark_paid(world_of(request), order)
    return JSONResponse(payloads.order(world_of(request).state, order))


async def refund_order(request: Request) -> Response:
    """`{"lines": [{"line_id", "quantity"}]}`, `{"lines": "all"}`, or `{"amount": "5.00"}`;
    answers the last refund.
    """
    world, order, asked = world_of(request), _order(request), await _read(request, NewRefund)
    made: things.Refund | None = None
    if asked.lines == "all":
        made = order_pages.refund(world, order, None, note=asked.note)
    elif isinstance(asked.lines, list) and asked.lines:
        pairs = [(int(line.line_id), line.quantity) for line in asked.lines]
        made = order_pages.refund(world, order, pairs, note=asked.note)
    if asked.amount is not None:
        made = order_pages.refund_amount(world, order, money.cents(asked.amount), note=asked.note)
    if made is None:
        raise FormError("Say which lines, “all”, or an amount.")
    return JSONResponse(payloads.refund(order, made), status_code=201)


async def cancel_order(request: Request) -> Response:
    world, order, asked = world_of(request), _order(request), await _read(request, Cancelling)
    order_pages.cancel(world, order, with_refund=asked.refund)
    return JSONResponse(payloads.order(world.state, order))


async def list_discounts(request: Request) -> Response:
    found = world_of(request).state.of_shop("discount", shop_of(request).domain)
    return JSONResponse(msgspec.to_builtins(list(found)))


async def list_deliveries(request: Request) -> Response:
    """Newest first, without bodies; `?topic=` and `?shop=` narrow it down."""
    found = [
        {name: value for name, value in msgspec.to_builtins(one).items() if name != "body"}
        for one in reversed(world_of(request).state.tables["delivery"].values())
        if all(
            getattr(one, name) == wanted
            for name, wanted in request.query_params.items()
            if name in {"topic", "shop"}
        )
    ]
    return JSONResponse(found[:DELIVERIES_SHOWN])


async def send_webhook(request: Request) -> Response:
    """Any topic with any payload; those of the platform without one are made."""
    world, shop, asked = world_of(request), shop_of(request), await _read(request, NewWebhook)
    if asked.payload is not None:
        world.webhooks.send_anyway(shop.domain, [(asked.topic, asked.payload)])
    elif asked.topic == "app/uninstalled":
        admin.remove_app(world, shop)
    else:
        admin.send_compliance(world, shop, asked.topic, str(asked.customer_id))
    return JSONResponse({"topic": asked.topic}, status_code=202)


async def give_id_token(request: Request) -> Response:
    return JSONResponse(
        {"id_token": signing.id_token(world_of(request).settings, shop_of(request).domain)}
    )


async def give_extension_token(request: Request) -> Response:
    asked = await _read(request, Extension)
    token = signing.extension_token(
        world_of(request).settings, shop_of(request).domain, asked.customer_id
    )
    return JSONResponse({"token": token})


async def give_proxy_url(request: Request) -> Response:
    world, asked = world_of(request), await _read(request, Proxied)
    path, _, query = asked.path.removeprefix("/storefront").partition("?")
    url = proxy.proxied_url(world, shop_of(request).domain, path, asked.customer_id, query)
    return JSONResponse({"url": url})


async def expire_tokens(request: Request) -> Response:
    world = world_of(request)
    return JSONResponse({"expired": tokens.expire_access(world.state, shop_of(request))})


SHOP = "/control/shops/{shop}"
routes = [
    Route("/control/shopify", change_shopify, methods=["POST"]),
    Route("/control/webhooks", change_webhooks, methods=["POST"]),
    Route("/control/deliveries", list_deliveries),
    Route(SHOP + "/customers", add_customer, methods=["POST"]),
    Route(SHOP + "/customers/{id}", edit_customer, methods=["PATCH"]),
    Route(SHOP + "/customers/{id}", delete_customer, methods=["DELETE"]),
    Route(SHOP + "/orders", list_orders),
    Route(SHOP + "/orders", place_order, methods=["POST"]),
    Route(SHOP + "/orders/{id}/pay", pay_order, methods=["POST"]),
    Route(SHOP + "/orders/{id}/refund", refund_order, methods=["POST"]),
    Route(SHOP + "/orders/{id}/cancel", cancel_order, methods=["POST"]),
    Route(SHOP + "/discounts", list_discounts),
    Route(SHOP + "/webhooks", send_webhook, methods=["POST"]),
    Route(SHOP + "/id-token", give_id_token),
    Route(SHOP + "/extension-token", give_extension_token, methods=["POST"]),
    Route(SHOP + "/proxy-url", give_proxy_url, methods=["POST"]),
    Route(SHOP + "/expire-tokens", expire_tokens, methods=["POST"]),
]
