"""What all admin pages share: who asks, guarded reads, HTML."""

import asyncio
import functools
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from app import cells, db, rooms
from app import config as settings
from app.core import installation
from app.core import reads as core_reads
from app.core import staff as core_staff
from app.errors import HoldfastError, NotFoundError
from app.resilience import cache, health, reading, replicas
from app.resilience.guard import Resource, guard, is_callers_fault, on_behalf_of
from app.resilience.reading import Reading
from app.shopify import admin_session
from app.shopify.admin_session import Staff
from app.web import banners, views
from app.web.banners import Banner

T = TypeVar("T")
ADDRESSES = {"/status": "/health"}  # of before, by what they are called now
PAGES = Resource("page reads", room=rooms.ADMIN, by_shop=True)


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a member of staff; `shop` comes from the id token alone, `timezone` is the
    shop's.
    """

    request: Request
    staff: Staff
    stores: db.Stores
    timezone: str
    currency: str
    is_described: bool  # whether Shopify has told us the shop's currency and zone yet
    board: health.Board

    @property
    def shop(self) -> str:
        return self.staff.shop

    @property
    def locale(self) -> str:
        """The language this member of staff has admin in, such as `de` or `pt-BR`; "" unknown."""
        return self.request.query_params.get("locale", "")[:35]


Handler = Callable[[Visit], Awaitable[Response]]


class Page(Route):
    """A route that stands in the navigation under its `title`, where its service's routes do."""

    def __init__(
        self, path: str, endpoint: Callable[[Request], Awaitable[Response]], title: str
    ) -> None:
        super().__init__(path, endpoint)
        self.title = title


def admin_page(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Let `handler` answer only requests with a valid id token of Shopify admin, and its errors as
    pages.

    A change (anything but GET) must bring the token as Bearer: a token in the address could come
    from a link. The first valid token of a shop installs the app.
    """

    @functools.wraps(handler)
    async def answer(request: Request) -> Response:
        stores: db.Stores = request.state.stores
        staff = await admin_session.authenticate(request, stores.config)
        if isinstance(staff, Response):
            return _unsaved(request, stores.config) if _is_plain_form(request) else staff
        cells.refuse_others(staff.shop, stores.config, "page")
        with on_behalf_of(staff.shop):
            token = admin_session.id_token(request)
            if not await installation.opened(staff, token, request.state.client, stores.config):
                return admin_session.ask_for_token(request)
            structlog.contextvars.bind_contextvars(shop=staff.shop)
            visit = await _visit(request, staff, stores)
            is_change = request.method not in {"GET", "HEAD"}
            async with replicas.visited(stores.cache, staff.shop, is_change=is_change):
                return await _handled(handler, visit)

    return answer


def _is_plain_form(request: Request) -> bool:
    """Whether a browser sent a form by itself, without the scripts that prove who asks."""
    headers = request.headers
    is_scripted = "authorization" in headers or "hx-request" in headers
    return request.method == "POST" and not is_scripted and "text/html" in headers.get("accept", "")


def _unsaved(request: Request, config: settings.Config) -> Response:
    """What is said to whoever pressed Save before the page's scripts were there."""
    html = views.environment.get_template("stranger.html").render(
        heading="Nothing was saved",
        message="A script of the page had not loaded, so Holdfast could not tell that it was you. "
        "Go back, where what you typed still is, reload the page, and save again.",
        home=views.link(views.carried(request), "/"),
    )
    policy = " ".join(("frame-ancestors", *config.admin_origins))
    return HTMLResponse(html, 401, {"Content-Security-Policy": policy, "Cache-Control": "no-store"})


async def _handled(handler: Handler, visit: Visit) -> Response:
    try:
        return await handler(visit)
    except HoldfastError as error:
        # the edge's line of the request says why
        visit.request.state.refused = (error.code, error.message)
        return render(
            visit,
            "error.html",
            heading=TITLES.get(error.status, TITLES[500]),
            message=error.message,
            status=error.status,
        )


@admin_page
async def _nowhere(_visit: Visit) -> Response:
    raise NotFoundError("There is nothing at this address. It may have been moved.")


TITLES = {
    404: "Not found",
    400: "That did not work",
    503: "Not available just now",
    500: "Something went wrong",
}


async def _visit(request: Request, staff: Staff, stores: db.Stores) -> Visit:
    shop, board = await asyncio.gather(
        read(
            stores,
            f"shop:{staff.shop}",
            lambda: core_reads.shop(staff.shop),
            core_reads.ShopInfo | None,
        ),
        health.board(stores.queue),
    )
    if shop.value is None:
        return Visit(request, staff, stores, "UTC", "USD", is_described=False, board=board)
    known = shop.value
    return Visit(
        request,
        staff,
        stores,
        known.timezone,
        known.currency,
        is_described=known.name != "",
        board=board,
    )


async def name_of(visit: Visit) -> str:
    """What to call who asks: a name, or `Staff 42` while Shopify does not tell it."""
    request, config = visit.request, visit.stores.config
    token = admin_session.id_token(request)
    return await core_staff.name(visit.staff, token, request.state.client, config)


async def lost(request: Request) -> Response:
    """The answer to an address in the app where nothing is: with its menu, and a way back."""
    return await _nowhere(request)


async def read(
    stores: db.Stores,
    key: str,
    load: Callable[[], Awaitable[T]],
    kind: Any,
    resource: Resource | None = None,
    *,
    may_be_old: bool = False,
) -> Reading[T]:
    """Load what a page shows under the page deadline; when that fails, the last one this page
    showed.

    `key` must contain the shop. Never fresh from the cache: whoever saves a change sees it at once,
    also what `may_be_old`: a few seconds, by the replica.
    """
    return await cache.read_through(
        stores.cache,
        f"cache:page:{key}",
        load,
        resource or PAGES,
        decode=lambda raw: msgspec.json.decode(raw, type=kind),
        fresh_seconds=0,
        may_be_old=may_be_old,
    )


async def attempt(call: Callable[[], Awaitable[T]], resource: Resource | None = None) -> T | None:
    """What `call` says, or None when it cannot say it in time and the rest of the page does not
    depend on it.

    Errors that are the caller's fault (no such customer) are raised.
    """
    try:
        return await guard(resource or PAGES, call)
    except Exception as error:
        if is_callers_fault(error):
            raise
        return None  # the guard has logged and counted it


async def attempted(call: Callable[[], Awaitable[T]], *, may_be_old: bool = False) -> Reading[T]:
    """What `call` says now, or nothing: for what is not kept for bad days."""
    found = await attempt(lambda: replicas.read(call, may_be_old=may_be_old))
    return reading.unavailable() if found is None else reading.live(*found)


def render(
    visit: Visit,
    template: str,
    *,
    heading: str,
    readings: Sequence[Reading[Any]] = (),
    notes: Sequence[Banner] = (),
    status: int = 200,
    toast: str = "",
    **context: Any,
) -> Response:
    """The page as HTML with the headers of an embedded document; `notes` stand below the banners
    about its figures, and `toast` is said once, through App Bridge and above the page.

    Who has this very page already (If-None-Match) gets 304 without it.
    """
    config = visit.stores.config
    carry = views.carried(visit.request)
    rendering = views.rendering(visit.request, config, visit.shop)
    html = views.environment.get_template(template).render(
        heading=heading,
        banners=[*banners.above(visit.board, visit.timezone, readings), *notes],
        navigation=_navigation(visit.request),
        here=ADDRESSES.get(here := "/" + visit.request.url.path.split("/")[1], here),
        link=functools.partial(views.link, carry),
        carry=carry,
        timezone=visit.timezone,
        currency=visit.currency,
        api_key=config.api_key,
        app_bridge_url=config.app_bridge_url,
        polaris_url=config.polaris_url,
        rendering=rendering,
        said=toast,
        is_refused=status >= HTTP_ERROR,
        **context,
    )
    headers = admin_session.document_headers(visit.shop, config, has_polaris=rendering == "polaris")
    headers["Cache-Control"] = "no-store"
    if status == HTTPStatus.OK and visit.request.method == "GET":
        headers["ETag"] = tag = f'W/"{hashlib.sha256(html.encode()).hexdigest()[:32]}"'
        if visit.request.headers.get("if-none-match") == tag:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if toast:
        headers["HX-Toast"] = json.dumps(
            {"message": toast, "isError": status >= HTTP_ERROR}
        )  # JSON keeps it ASCII
    return HTMLResponse(html, status, headers)


HTTP_ERROR = 400


def _navigation(request: Request) -> list[tuple[str, str]]:
    return [(one.path, one.title) for one in request.app.routes if isinstance(one, Page)]


def error_page(status: int, message: str) -> HTMLResponse:
    """A page for whoever could not even be recognised: no shop, no navigation, no scripts."""
    html = views.environment.get_template("stranger.html").render(
        heading=TITLES.get(status, TITLES[500]), message=message, home=""
    )
    return HTMLResponse(html, status, {"Content-Security-Policy": "frame-ancestors 'none'"})


def page_number(request: Request) -> int:
    """The `page` of the address, 1 for anything that is no page."""
    typed = request.query_params.get("page", "1")
    return int(typed) if re.fullmatch(r"[1-9][0-9]{0,5}", typed) else 1
