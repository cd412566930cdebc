"""The web process as a Starlette app: what it opens, what it mounts, and how it answers what
goes wrong.
"""

import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount
from starlette.types import Receive, Scope, Send

from app import db, operations, rotation, webhooks
from app.admin import appearance, home, operator, what_if
from app.admin import campaigns as campaigns_pages
from app.admin import flags as flags_page
from app.admin import health as health_page
from app.config import Config
from app.errors import HoldfastError
from app.flags import evaluation
from app.flow.bus.buses import open_bus
from app.flow.lanes import admission, backlog, durability, nodes
from app.operations.probes import Probes
from app.points.members import reads as points_reads
from app.points.pages import customers as points_pages
from app.referrals.pages import overview as referrals_pages
from app.referrals.panels import home as referrals_home
from app.resilience import health, levels, reach, watchdog
from app.shopify import admin_session
from app.shopify.client import outgoing
from app.storefront import routes as storefront
from app.web import middleware, panels
from app.web.files import Files

OUTGOING_CONNECTIONS_MAX = 64


class Holdfast(Starlette):
    """/webhooks is answered before all middleware: it takes thousands of requests a second, and
    does its own part.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/webhooks":
            await webhooks.endpoint(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(config: Config) -> Starlette:
    """The app for `config`; its lifespan opens the stores and yields what handlers find in
    `request.state`.
    """
    routes: list[BaseRoute] = [
        *storefront.routes,
        *operations.routes,
        *operator.routes,
        *flags_page.routes,
        Mount("/static", Files(), name="static"),
        *admin_session.routes,
        # these stand in the navigation in this order
        *home.routes,
        *points_pages.routes,
        *what_if.routes,
        *campaigns_pages.routes,
        *referrals_pages.routes(points_reads.rewards),
        *appearance.routes,
        *health_page.routes,
    ]
    panels.beside_customer[:] = [referrals_home.CUSTOMER]
    app = Holdfast(
        routes=routes,
        middleware=[Middleware(middleware.Edge), Middleware(middleware.Compress)],
        exception_handlers={
            HoldfastError: middleware.expected,
            HTTPException: middleware.http_error,
        },
        lifespan=functools.partial(lifespan, config),
    )
    # a redirect to the address without its slash would be made from the Host header, and lack the
    # checkout's CORS
    app.router.redirect_slashes = False
    return app


@asynccontextmanager
async def lifespan(config: Config, _app: Starlette) -> AsyncIterator[dict[str, Any]]:
    """Open what the process needs (nothing has to answer yet), beat while it lives, close it in
    reverse.
    """
    rotation.use(config)
    async with AsyncExitStack() as opened:
        stores = await opened.enter_async_context(db.open_stores(config))
        client = await opened.enter_async_context(outgoing(config, OUTGOING_CONNECTIONS_MAX))
        opened.enter_context(watchdog.watching())
        await evaluation.begin(stores)
        until_the_end = asyncio.Event()
        for lasting in (
            _beat(stores),
            reach.watch(until_the_end),
            *(_look_at_redis(one) for one in stores.nodes),
            nodes.follow(stores),
            evaluation.watch(stores, until_the_end),
            rotation.watch(config),
        ):
            opened.callback(asyncio.create_task(lasting).cancel)
        yield state(config, stores, client)


def state(config: Config, stores: db.Stores, client: httpx.AsyncClient) -> dict[str, Any]:
    """What handlers find in `request.state`."""

    async def overdue_seconds(queue: Redis) -> float:
        here = (await backlog.overdue(queue, config)).seconds
        return max(here, await backlog.overdue_besides(stores))

    health.witness("ingest", overdue_seconds)
    bus = open_bus(config)
    return {
        "config": config,
        "stores": stores,
        "client": client,
        "bus": bus,
        "admission": admission.of(stores),
        "probes": Probes(stores, bus),
    }


async def _beat(stores: db.Stores) -> None:
    while True:
        await health.beat(stores.queue, "web", 0.0, {"release": stores.config.release})
        levels.tell("web", stores)
        await asyncio.sleep(health.BEAT_EVERY_SECONDS)


async def _look_at_redis(stores: db.Stores) -> None:
    while True:
        await durability.look(stores.lane, stores.config)
        await asyncio.sleep(durability.LOOK_EVERY_SECONDS)
