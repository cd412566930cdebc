"""Control of single webhooks: listed, sent, forged, and many at once."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devstore.control.body import read
from devstore.errors import FormError
from devstore.shop import acts, money, things
from devstore.webhooks import forging
from devstore.webhooks.sending import RELEASES
from devstore.world import shop_of, world_of

DELIVERIES_SHOWN = 1000


class NewWebhook(forging.Forgery, kw_only=True):
    topic: str
    payload: dict[str, Any] | None = None
    customer_id: int | str | None = None


class Releasing(msgspec.Struct, forbid_unknown_fields=True):
    order: str = "first_first"


class NewBurst(msgspec.Struct):
    count: int
    price: str | float = "10.00"
    size_bytes: int = 0


async def list_deliveries(request: Request) -> Response:
    """Newest first, without bodies; `?topic=` and `?shop=` narrow it down."""
    wanted = {
        name: value for name, value in request.query_params.items() if name in {"topic", "shop"}
    }
    found = [
        {name: value for name, value in msgspec.to_builtins(one).items() if name != "body"}
        for one in reversed(world_of(request).state.tables["delivery"].values())
        if all(getattr(one, name) == value for name, value in wanted.items())
    ]
    return JSONResponse(found[:DELIVERIES_SHOWN])


async def send_webhook(request: Request) -> Response:
    """Any topic with any JSON object; those of the platform without one are made."""
    world, shop, asked = world_of(request), shop_of(request), await read(request, NewWebhook)
    if asked.payload is not None:
        plain = world.webhooks.make(shop.domain, asked.topic, asked.payload)
        return _accepted(forging.send(world.webhooks, plain, asked))
    if asked.topic == "app/uninstalled":
        acts.uninstall(world, shop)
    else:
        acts.ask_compliance(world, shop, asked.topic, str(asked.customer_id))
    return JSONResponse({"topic": asked.topic}, status_code=202)


async def forge_delivery(request: Request) -> Response:
    """The body of a delivery once more; what is not asked for stays: topic, shop, webhook id."""
    webhooks, asked = world_of(request).webhooks, await read(request, forging.Forgery)
    captured = world_of(request).state.tables["delivery"].get(request.path_params["id"])
    if captured is None:
        raise FormError("This delivery is not kept any more.")
    return _accepted(forging.send(webhooks, captured, asked))


async def send_delivery(request: Request) -> Response:
    """Send a delivery, lost or held back or not, and answer what came back: one after another,
    deliveries arrive in exactly the order asked for.
    """
    world = world_of(request)
    found = world.state.tables["delivery"].get(request.path_params["id"])
    if found is None:
        raise FormError("This delivery is not kept any more.")
    return JSONResponse(msgspec.to_builtins(await world.webhooks.send_now(found)))


async def release_deliveries(request: Request) -> Response:
    """Send all that is held back, in the order asked for as far as 16 at once keep one."""
    asked = await read(request, Releasing)
    if asked.order not in RELEASES:
        raise FormError(f"The order is {', '.join(RELEASES)}.")
    return JSONResponse({"released": world_of(request).webhooks.release(asked.order)})


async def send_burst(request: Request) -> Response:
    """Paid orders of guests, one webhook each; answers their ids."""
    world, shop, asked = world_of(request), shop_of(request), await read(request, NewBurst)
    forging.check_size(asked.size_bytes)
    item = things.Item("Mug", money.cents(asked.price, shop.currency), 1)
    ids = await acts.place_burst(world, shop, asked.count, item, size_bytes=asked.size_bytes)
    return JSONResponse({"orders": [str(one) for one in ids]}, status_code=202)


def _accepted(sent: things.Delivery) -> Response:
    answer = {
        "id": sent.id,
        "topic": sent.topic,
        "shop": sent.shop,
        "webhook_id": sent.webhook_id,
        "triggered_at": sent.triggered_at,
    }
    return JSONResponse(answer, status_code=202)


routes = [
    Route("/control/deliveries", list_deliveries),
    Route("/control/deliveries/{id}/forge", forge_delivery, methods=["POST"]),
    Route("/control/deliveries/{id}/send", send_delivery, methods=["POST"]),
    Route("/control/webhooks/release", release_deliveries, methods=["POST"]),
    Route("/control/shops/{shop}/webhooks", send_webhook, methods=["POST"]),
    Route("/control/shops/{shop}/burst", send_burst, methods=["POST"]),
]
