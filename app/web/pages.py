"""What all admin pages share: who asks, guarded reads, HTML."""

import asyncio
import functools
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

import jinja2
import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from app import cells, db, rooms
from app import config as settings
from app.core import installation
from app.core import reads as core_reads
from app.errors import HoldfastError
from app.resilience import cache, health, reading
from app.resilience.guard import Resource, guard, is_callers_fault, on_behalf_of
from app.resilience.reading import Reading
from app.shopify import admin_session
from app.shopify.admin_session import Staff
from app.web import banners, files, wording
from app.web.banners import Banner

T = TypeVar("T")
CARRIED = (
    "shop",
    "host",
    "embedded",
    "locale",
)  # without these Shopify cannot be asked for a new id token
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
            return staff
        cells.refuse_others(staff.shop, stores.config, "page")
        with on_behalf_of(staff.shop):
            token = admin_session.id_token(request)
            if not await installation.opened(staff, token, request.state.client, stores.config):
                return admin_session.ask_for_token(request)
            structlog.contextvars.bind_contextvars(shop=staff.shop)
            visit = await _visit(request, staff, stores)
            return await _handled(handler, visit)

    return answer


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


async def read(
    stores: db.Stores,
    key: str,
    load: Callable[[], Awaitable[T]],
    kind: Any,
    resource: Resource | None = None,
) -> Reading[T]:
    """Load what a page shows under the page deadline; when that fails, the last one this page
    showed.

    `key` must contain the shop. Never fresh from the cache: whoever saves a change sees it at once.
    """
    return await cache.read_through(
        stores.cache,
        f"cache:page:{key}",
        load,
        resource or PAGES,
        decode=lambda raw: msgspec.json.decode(raw, type=kind),
        fresh_seconds=0,
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


async def attempted(call: Callable[[], Awaitable[T]]) -> Reading[T]:
    """What `call` says now, or nothing: for what is not kept for bad days."""
    found = await attempt(call)
    return reading.unavailable() if found is None else reading.live(found)


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
) -> HTMLResponse:
    """The page as HTML with the headers of an embedded document; `notes` stand below the banners
    about its figures, and `toast` is said once, through App Bridge.
    """
    config = visit.stores.config
    carry = {
        name: visit.request.query_params[name]
        for name in CARRIED
        if name in visit.request.query_params
    }
    html = environment.get_template(template).render(
        heading=heading,
        banners=[*banners.above(visit.board, visit.timezone, readings), *notes],
        navigation=_navigation(visit.request),
        here="/" + visit.request.url.path.split("/")[1],
        link=functools.partial(link, carry),
        carry=carry,
        timezone=visit.timezone,
        currency=visit.currency,
        api_key=config.api_key,
        app_bridge_url=config.app_bridge_url,
        polaris_url=config.polaris_url,
        **context,
    )
    headers = {**admin_session.document_headers(visit.shop, config), "Cache-Control": "no-store"}
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
    html = environment.get_template("stranger.html").render(
        heading=TITLES.get(status, TITLES[500]), message=message
    )
    return HTMLResponse(html, status, {"Content-Security-Policy": "frame-ancestors 'none'"})


def link(carry: Mapping[str, str], path: str, **query: Any) -> str:
    """`path` with what Shopify needs to recognise the next document, and `query` without its
    empty values.
    """
    pairs = {**carry, **{name: value for name, value in query.items() if value not in {None, ""}}}
    return f"{path}?{urlencode(pairs)}" if pairs else path


def page_number(request: Request) -> int:
    """The `page` of the address, 1 for anything that is no page."""
    typed = request.query_params.get("page", "1")
    return int(typed) if re.fullmatch(r"[1-9][0-9]{0,5}", typed) else 1


environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(settings.ROOT / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
environment.globals.update(static=files.address, now=lambda: datetime.now(UTC))
environment.filters.update(
    short=wording.short,
    local=wording.local,
    age=wording.age,
    money=wording.money,
    number=lambda value: f"{value:,}",
)
