"""How pages inside Shopify admin prove who is asking, and what to answer when they cannot, as
Shopify's App Bridge expects it.
"""

import base64
import html
import json
import re
from urllib.parse import quote, unquote_plus, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from app.config import Config
from app.errors import BadInputError, UnauthorizedError
from app.shopify.verify import SHOP, Staff, decode_id_token, shop_domain

__all__ = [
    "Staff",
    "ask_for_token",
    "authenticate",
    "document_headers",
    "id_token",
    "patch_page",
    "redirect",
    "routes",
]

PATCH_PATH = "/auth/patch-id-token"
ADMIN_HOST = "admin.shopify.com"
STORE_PATH = re.compile(r"admin\.shopify\.com/store/[a-z0-9][a-z0-9-]*")
RELOAD = re.compile(r"/(?![/\\])[!-~]*")  # a path of ours; //x and /\x would be another host
LENGTH_MAX = 8_192
RETRY = {"X-Shopify-Retry-Invalid-Session-Request": "1"}
NO_STORE = {"Cache-Control": "no-store"}
# what decides who asks and where the browser goes; of two, others could have read the other one
ONCE = ("id_token", "shop", "host", "embedded", "shopify-reload")
OPEN_IN_ADMIN = "Please open Holdfast from your Shopify admin."


async def authenticate(request: Request, config: Config) -> Staff | Response:
    """The member of staff who asks, or the answer to give instead.

    A document proves itself by `id_token` in its address; a fetch, and anything that is not a GET,
    by its Authorization header alone. The shop comes from the token, never from a parameter.
    Raises BadInputError when a parameter that decides comes several times.
    """
    _refuse_repeated(request)
    token = id_token(request)
    if not _is_fetch(request) and (address := _admin_address(request, config)):
        return redirect(request, address, config)
    try:
        return decode_id_token(token, config)
    except UnauthorizedError as error:
        request.state.refused = (
            error.code,
            error.message if token else "No id token came.",
        )  # for the request's line
    return ask_for_token(request)


def id_token(request: Request) -> str:
    """The id token a request brought, not checked; empty when there is none."""
    if _is_fetch(request):
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""
    return request.query_params.get("id_token", "")


def ask_for_token(request: Request) -> Response:
    """Make App Bridge come again with a fresh id token: documents by way of the patch page,
    fetches by a retry.
    """
    if _is_fetch(request):
        body = {
            "error": {
                "code": "unauthorized",
                "message": "Your session has run out. Please reload the page.",
            }
        }
        return JSONResponse(body, 401, {**RETRY, **NO_STORE})
    # cut from the raw query, so that everything else stays exactly as it came; names are compared
    # as they will be read, for `shopify%2Dreload` is one too
    query = "&".join(
        pair
        for pair in request.url.query.split("&")
        if pair and unquote_plus(pair.partition("=")[0]) not in {"id_token", "shopify-reload"}
    )
    path = quote(request.url.path)
    reload = "shopify-reload=" + quote(f"{path}?{query}" if query else path, safe="")
    return RedirectResponse(
        f"{PATCH_PATH}?{query}&{reload}" if query else f"{PATCH_PATH}?{reload}", 302, NO_STORE
    )


def redirect(request: Request, address: str, config: Config) -> Response:
    """Send the browser to `address`, which must be one of ours. App Bridge's own fetch cannot
    follow a 302 out of the frame: it gets a page that opens it. Raises BadInputError when it
    then names no shop.
    """
    if "x-shopify-bounce" not in request.headers:
        return RedirectResponse(address, 302, NO_STORE)
    target = json.dumps(address).replace("<", "\\u003c")
    return _app_bridge_page(
        request.query_params.get("shop", ""), config, f"<script>open({target}, '_top')</script>"
    )


def document_headers(shop: str, config: Config, *, has_polaris: bool = True) -> dict[str, str]:
    """Headers of every HTML document for this shop: who may frame it, and what the browser can
    fetch ahead.

    Raises BadInputError when `shop` is no shop: it goes into a Content-Security-Policy.
    """
    ancestors = dict.fromkeys(
        (f"https://{shop_domain(shop)}", f"https://{ADMIN_HOST}", *config.admin_origins)
    )
    polaris_url = config.polaris_url if has_polaris else ""
    scripts = [url for url in (config.app_bridge_url, polaris_url) if url]
    origins = dict.fromkeys("{0.scheme}://{0.netloc}".format(urlsplit(url)) for url in scripts)
    links = [f"<{origin}>; rel=preconnect" for origin in origins]
    links += [f"<{url}>; rel=preload; as=script" for url in scripts]
    return {
        "Content-Security-Policy": f"frame-ancestors {' '.join(ancestors)};",
        "Link": ", ".join(links),
    }


async def patch_page(request: Request) -> Response:
    """A page of nothing but App Bridge, which gets a fresh id token and loads `shopify-reload` with
    it.

    Raises BadInputError (400) when `shop` or `shopify-reload` is missing or not usable.
    """
    config: Config = request.state.config
    _refuse_repeated(request)
    try:
        shop = shop_domain(request.query_params.get("shop", ""))
    except BadInputError:
        raise BadInputError(OPEN_IN_ADMIN) from None
    reload = request.query_params.get("shopify-reload", "")
    if len(reload) > LENGTH_MAX or not RELOAD.fullmatch(reload):
        raise BadInputError(OPEN_IN_ADMIN)
    return _app_bridge_page(shop, config)


def _refuse_repeated(request: Request) -> None:
    for name in ONCE:
        if len(request.query_params.getlist(name)) > 1:
            raise BadInputError(f"The parameter {name} came several times. {OPEN_IN_ADMIN}")


def _app_bridge_page(shop: str, config: Config, script: str = "") -> HTMLResponse:
    key, source = html.escape(config.api_key), html.escape(config.app_bridge_url)
    page = f'<script data-api-key="{key}" src="{source}"></script>{script}'
    return HTMLResponse(page, headers={**document_headers(shop, config), **NO_STORE})


def _is_fetch(request: Request) -> bool:
    """Whether a script asks, who can be told to try again, and not the browser for a page to
    show.
    """
    headers = request.headers
    return (
        "authorization" in headers
        or request.method not in {"GET", "HEAD"}
        or "hx-request" in headers
        or headers.get("sec-fetch-dest") == "empty"
    )


def _admin_address(request: Request, config: Config) -> str | None:
    """Where in admin a document belongs that was opened outside its frame; None when it is
    inside, or nobody knows.
    """
    if request.query_params.get("embedded") == "1":
        return None
    host = _decoded_host(request.query_params.get("host", ""))
    return f"https://{host}/apps/{quote(config.api_key, safe='')}" if host else None


def _decoded_host(host: str) -> str | None:
    """`admin.shopify.com/store/name` or `name.myshopify.com/admin` from `host`, which is base64
    without its padding; None for any other place.
    """
    try:
        decoded = base64.b64decode(host + "=" * (-len(host) % 4), validate=True).decode("ascii")
    except ValueError:
        return None
    is_shop = decoded.endswith("/admin") and SHOP.fullmatch(decoded.removesuffix("/admin"))
    return decoded if is_shop or STORE_PATH.fullmatch(decoded) else None


routes: list[BaseRoute] = [Route(PATCH_PATH, patch_page)]
