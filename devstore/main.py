"""The stand-in Shopify as one Starlette app."""

import asyncio
import contextlib
import functools
import logging
import ssl
from collections.abc import AsyncIterator
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from devstore.api import graphql, tokens
from devstore.api.schema import Schemas
from devstore.control import faults, shops, webhooks
from devstore.control import orders as order_control
from devstore.demo import history
from devstore.errors import RefusedError
from devstore.pages import admin, breakit, checkout_block, deliveries, proxy, storefront
from devstore.pages import orders as order_pages
from devstore.pages.shared import HERE, render
from devstore.settings import Settings
from devstore.shop.state import State
from devstore.webhooks.sending import SENDING_AT_ONCE, Webhooks
from devstore.world import World, world_of

CONNECTIONS = SENDING_AT_ONCE + 100

log = logging.getLogger("devstore")


async def index(request: Request) -> Response:
    found = sorted(world_of(request).state.tables["shop"].values(), key=lambda one: one.domain)
    context = {"shops": found, "demo": history.SHOP, "handle": history.HANDLE}
    return render(request, "index.html", context)


async def app_bridge(_: Request) -> Response:
    return FileResponse(HERE / "static" / "app-bridge.js", headers={"Cache-Control": "no-cache"})


def refused(request: Request, error: Exception) -> Response:
    """A sentence, as JSON for the APIs and as a page for people."""
    status = error.status if isinstance(error, RefusedError) else 500
    if request.url.path.startswith("/control/") or "/admin/" in request.url.path:
        return JSONResponse({"error": str(error)}, status_code=status)
    return render(request, "sentence.html", {"sentence": str(error)}, status)


class Careful:
    """Answers to a change only once it is on disk, and takes forms only from pages of our own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        origin = request.headers.get("origin")
        if origin and origin.partition("://")[2] != request.headers.get("host"):
            await JSONResponse({"error": "Another site may not do this."}, status_code=403)(
                scope, receive, send
            )
            return

        async def send_when_saved(message: Message) -> None:
            if message["type"] == "http.response.start":
                await world_of(request).state.saved()
            await send(message)

        await self.app(scope, receive, send_when_saved)


@functools.cache
def authorities() -> ssl.SSLContext:
    """Whose certificates are believed, read once: there are so many that it takes 25 ms."""
    return httpx.create_ssl_context(trust_env=False)


def make_client() -> httpx.AsyncClient:
    """A client that keeps no cookies: one shopper's must never reach another's request."""
    return httpx.AsyncClient(
        verify=authorities(),
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
        trust_env=False,
    )


def make_app(settings: Settings) -> Starlette:
    """State is loaded, webhooks flow and the demo shop is seeded while the app runs."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        state = await asyncio.to_thread(State, settings.data / "devstore.sqlite3")
        async with make_client() as client:
            world = World(settings, state, client, Webhooks(settings, state, client))
            app.state.world, app.state.schemas = world, Schemas(settings.schema_directory)
            app.state.budgets = graphql.Budgets()
            tasks = [
                asyncio.create_task(world.webhooks.run()),
                asyncio.create_task(asyncio.to_thread(app.state.schemas.get, settings.api_version)),
            ]
            if settings.with_demo:
                tasks.append(asyncio.create_task(history.run(world)))
            for task in tasks:
                task.add_done_callback(_report)
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await state.saved()
                state.close()

    return Starlette(
        routes=[
            Route("/", index),
            Route("/app-bridge.js", app_bridge),
            *checkout_block.routes,
            Mount("/static", StaticFiles(directory=HERE / "static")),
            *admin.routes,
            *deliveries.routes,
            *breakit.routes,
            *shops.routes,
            *order_control.routes,
            *webhooks.routes,
            *faults.routes,
            Route("/shops/{shop}/admin/oauth/access_token", tokens.endpoint, methods=["POST"]),
            Route(
                "/shops/{shop}/admin/api/{version}/graphql.json", graphql.endpoint, methods=["POST"]
            ),
            *proxy.routes,
            *order_pages.routes,
            *storefront.routes,
        ],
        middleware=[Middleware(Careful)],
        exception_handlers={RefusedError: refused},
        lifespan=lifespan,
    )


def _report(task: asyncio.Task[object]) -> None:
    if not task.cancelled() and task.exception():
        log.error("A background task of the stand-in store ended.", exc_info=task.exception())
