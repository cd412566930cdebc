"""The "break it" page: stop what you like, and see what the merchant and the shopper see."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from devstore import processes, trouble
from devstore.demo import history
from devstore.errors import RefusedError
from devstore.pages.shared import form_of, go, render, whole_number
from devstore.shop import acts, things
from devstore.webhooks import forging, nuisance
from devstore.webhooks.sending import RELEASES
from devstore.world import world_of

BURST_ITEM = things.Item("Notebook", 990, 1)


async def page(request: Request) -> Response:
    world = world_of(request)
    try:
        found, why = await processes.list_all(world.settings.supervisor_socket), ""
    except processes.ProcessError as error:
        found, why = [], str(error)
    context = {
        "processes": found,
        "does": world.settings.process_words,
        "why": why,
        "trouble": world.trouble,
        "modes": trouble.EXPLANATIONS,
        "webhooks": world.webhooks,
        "shop": history.SHOP,
        "handle": history.HANDLE,
    }
    return render(request, "break.html", context)


async def act(request: Request) -> Response:
    fields = await form_of(request)
    name, action = fields.get("name", ""), fields.get("action", "")
    try:
        await processes.act(world_of(request).settings.supervisor_socket, name, action)
    except processes.ProcessError as error:
        return go("/break", str(error))
    return go("/break", f"{name}: {action} was asked for.")


async def change_shopify(request: Request) -> Response:
    world, fields = world_of(request), await form_of(request)
    try:
        world.trouble.change(
            fields.get("mode", "normal"), float(fields.get("seconds") or world.trouble.seconds)
        )
    except (ValueError, RefusedError) as error:
        return go("/break", str(error))
    return go("/break", f"Shopify: {trouble.EXPLANATIONS[world.trouble.mode]}")


async def change_webhooks(request: Request) -> Response:
    fields = await form_of(request)
    try:
        asked = nuisance.Nuisance(
            duplicate_ratio=float(fields.get("duplicate_percent") or 0) / 100,
            shuffle=fields.get("shuffle") == "on",
            time_scale=float(fields.get("time_scale") or 1),
            clock_hours=float(fields.get("clock_hours") or 0),
            lose=_topics(fields, "lose"),
            double=_topics(fields, "double"),
            hold=_topics(fields, "hold"),
        )
        nuisance.change(world_of(request).webhooks, asked)
    except (ValueError, RefusedError) as error:
        return go("/break", str(error))
    return go("/break", "Webhooks are sent that way from now on.")


def _topics(fields: dict[str, str], name: str) -> list[str]:
    return [one for one in fields.get(name, "").replace(",", " ").split() if one]


async def release(request: Request) -> Response:
    fields = await form_of(request)
    order = fields.get("order", "first_first")
    if order not in RELEASES:
        return go("/break", f"The order is {', '.join(RELEASES)}.")
    count = world_of(request).webhooks.release(order)
    return go("/break", f"{count} webhooks that were held back are being sent.")


async def send_burst(request: Request) -> Response:
    """Paid orders of guests in the demo shop, as large as asked for."""
    world, fields = world_of(request), await form_of(request)
    try:
        count, size_bytes = whole_number(fields, "count"), whole_number(fields, "size_bytes")
        forging.check_size(size_bytes)
        shop = world.state.shop(history.SHOP)
        await acts.place_burst(world, shop, count, BURST_ITEM, size_bytes=size_bytes)
    except RefusedError as error:
        return go("/break", str(error))
    return go("/break", f"{count} paid orders are being sent.")


routes = [
    Route("/break", page),
    Route("/break/process", act, methods=["POST"]),
    Route("/break/shopify", change_shopify, methods=["POST"]),
    Route("/break/webhooks", change_webhooks, methods=["POST"]),
    Route("/break/release", release, methods=["POST"]),
    Route("/break/burst", send_burst, methods=["POST"]),
]
