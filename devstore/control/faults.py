"""Control of what goes wrong: Shopify's APIs, the way webhooks are sent, and local processes."""

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devstore import processes
from devstore.control.body import read
from devstore.webhooks import nuisance
from devstore.world import world_of


class Trouble(msgspec.Struct):
    mode: str = "normal"
    seconds: float | None = None
    shop: str = ""  # of that shop alone
    index_lag_seconds: float | None = None


class Action(msgspec.Struct):
    name: str
    action: str


async def change_shopify(request: Request) -> Response:
    world, asked = world_of(request), await read(request, Trouble)
    world.trouble.change(asked.mode, asked.seconds, asked.shop)
    if asked.index_lag_seconds is not None:
        world.index_lag_seconds = asked.index_lag_seconds
    return JSONResponse(
        {
            "mode": asked.mode,
            "seconds": world.trouble.seconds,
            "index_lag_seconds": world.index_lag_seconds,
        }
    )


async def change_webhooks(request: Request) -> Response:
    webhooks = world_of(request).webhooks
    nuisance.change(webhooks, await read(request, nuisance.Nuisance))
    return JSONResponse(
        {
            "duplicate_ratio": webhooks.duplicate_ratio,
            "shuffle": webhooks.shuffle,
            "time_scale": webhooks.time_scale,
            "clock_hours": webhooks.clock_hours,
            "lose": sorted(webhooks.lost),
            "double": sorted(webhooks.doubled),
            "hold": sorted(webhooks.held),
            "share_seconds": webhooks.state.shares_seconds,
            "waiting": webhooks.waiting,
        }
    )


async def list_processes(request: Request) -> Response:
    try:
        found = await processes.list_all(world_of(request).settings.supervisor_socket)
    except processes.ProcessError as error:
        return JSONResponse({"error": str(error)}, status_code=503)
    return JSONResponse(found)


async def control_process(request: Request) -> Response:
    asked = await read(request, Action)
    try:
        await processes.act(world_of(request).settings.supervisor_socket, asked.name, asked.action)
    except processes.ProcessError as error:
        return JSONResponse({"error": str(error)}, status_code=409)
    return JSONResponse({"name": asked.name, "action": asked.action})


routes = [
    Route("/control/shopify", change_shopify, methods=["POST"]),
    Route("/control/webhooks", change_webhooks, methods=["POST"]),
    Route("/control/processes", list_processes),
    Route("/control/processes", control_process, methods=["POST"]),
]
