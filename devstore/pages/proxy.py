"""The app proxy: storefront requests reach the app signed, without cookies either way."""

import httpx
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from devstore import signing
from devstore.pages import storefront
from devstore.pages.storefront import COOKIE
from devstore.shop import carts
from devstore.world import shop_of, world_of

TOTAL_SECONDS = 10.0
CONNECT_SECONDS = 2.0
BODY_LIMIT_BYTES = 5_000_000
# hop-by-hop, or Shopify's own business
DROPPED = frozenset(
    {
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "cookie",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-forwarded-for",
        "x-forwarded-host",
    }
)
LIQUID = "application/liquid"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


async def forward(request: Request) -> Response:
    """Any method and path below `/apps/holdfast`; 502 when the app is away, 504 when too slow."""
    world, shop = world_of(request), shop_of(request)
    session = world.state.find("session", shop.domain, request.cookies.get(COOKIE))
    customer = carts.signed_in(world.state, session) if session else None
    body = await request.body()
    if len(body) > BODY_LIMIT_BYTES:
        return _trouble(413, "The request is too large.")
    url = signing.proxied_url(
        world.settings,
        shop.domain,
        request.path_params["path"],
        customer.id if customer else None,
        request.url.query,
    )
    headers = {name: value for name, value in request.headers.items() if name not in DROPPED}
    headers["X-Forwarded-For"] = request.client.host if request.client else "127.0.0.1"
    headers["X-Forwarded-Host"] = shop.domain
    try:
        answer = await world.client.request(
            request.method,
            url,
            content=body,
            headers=headers,
            follow_redirects=True,
            timeout=httpx.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS),
        )
    except httpx.ConnectError:
        return _trouble(502, "There was an error in the third-party application.")
    except httpx.TimeoutException:
        return _trouble(504, "The third-party application took too long to answer.")
    except httpx.HTTPError:
        return _trouble(502, "There was an error in the third-party application.")
    if answer.headers.get("content-type", "").startswith(LIQUID):
        return _in_the_theme(request, answer)
    kept = {name: value for name, value in answer.headers.items() if name not in DROPPED}
    return Response(answer.content, status_code=answer.status_code, headers=kept)


def _in_the_theme(request: Request, answer: httpx.Response) -> Response:
    """What is Liquid stands in the theme's layout. The stand-in store reads none: whatever would be
    read as Liquid was meant as text by whoever wrote it, and is an error here.
    """
    if "{{" in answer.text or "{%" in answer.text:
        return _trouble(500, "Liquid error: the application's page has Liquid in it.")
    found = storefront.show(request, "shop_app.html", page=answer.text)
    found.status_code = answer.status_code
    return found


def _trouble(status: int, sentence: str) -> Response:
    return HTMLResponse(
        f"<!doctype html><title>{status}</title><p>{sentence}</p>", status_code=status
    )


routes = [Route("/shops/{shop}/apps/holdfast/{path:path}", forward, methods=METHODS)]
