"""The "break it" page: stop what you like, and see beside it what the merchant and the shopper
see.
"""

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devstore import trouble
from devstore.control import Nuisance, apply_nuisance
from devstore.demo import history
from devstore.errors import FormError, RefusedError
from devstore.pages import processes
from devstore.pages.shared import form_of, go, render
from devstore.world import world_of


class Action(msgspec.Struct):
    name: str
    action: str


async def page(request: Request) -> Response:
    world = world_of(request)
    try:
        found, why = await processes.list_all(world.settings.supervisor_socket), ""
    except processes.ProcessError as error:
        found, why = [], str(error)
    context = {
        "processes": found,
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
        asked = Nuisance(
            duplicate_ratio=float(fields.get("duplicate_percent") or 0) / 100,
            shuffle=fields.get("shuffle") == "on",
            time_scale=float(fields.get("time_scale") or 1),
        )
        apply_nuisance(world_of(request), asked)
    except (ValueError, RefusedError) as error:
        return go("/break", str(error))
    return go("/break", "Webhooks are sent that way from now on.")


async def list_processes(request: Request) -> Response:
    try:
        found = await processes.list_all(world_of(request).settings.supervisor_socket)
    except processes.ProcessError as error:
        return JSONResponse({"error": str(error)}, status_code=503)
    return JSONResponse(found)


async def control_process(request: Request) -> Response:
    try:
        asked = msgspec.json.decode(await request.body(), type=Action)
    except msgspec.DecodeError as error:
        raise FormError(str(error)) from None
    try:
        await processes.act(world_of(request).settings.supervisor_socket, asked.name, asked.action)
    except processes.ProcessError as error:
        return JSONResponse({"error": str(error)}, status_code=409)
    return JSONResponse({"name": asked.name, "action": asked.action})


routes = [
    Route("/break", page),
    Route("/break/process", act, methods=["POST"]),
    Route("/break/shopify", change_shopify, methods=["POST"]),
    Route("/break/webhooks", change_webhooks, methods=["POST"]),
    Route("/control/processes", list_processes),
    Route("/control/processes", control_process, methods=["POST"]),
]
