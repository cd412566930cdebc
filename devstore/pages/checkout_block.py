"""Where the checkout shows the app's extension: a frame that runs it as Shopify's own does, with
the parts of a checkout that an extension may reach.
"""

from pathlib import PurePosixPath

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from devstore import signing
from devstore.pages.shared import render
from devstore.pages.storefront import session_of
from devstore.settings import ROOT
from devstore.shop import carts
from devstore.world import shop_of, world_of

EXTENSIONS = ROOT / "extensions"
KINDS = {".js": "text/javascript", ".json": "application/json"}


async def frame(request: Request) -> Response:
    """The page whose body is the extension's; `lang` is the checkout's language."""
    shop = shop_of(request)
    context = {
        "shop": shop,
        "base": f"/shops/{shop.domain}",
        "language": request.query_params.get("lang", "en-US"),
    }
    return render(request, "shop_checkout_block.html", context)


async def session_token(request: Request) -> Response:
    """What `shopify.sessionToken.get()` answers; without a customer for a guest."""
    settings, shop = world_of(request).settings, shop_of(request)
    customer = session_of(request).customer_id
    return JSONResponse({"token": signing.extension_token(settings, shop.domain, customer)})


async def codes(request: Request) -> Response:
    """The codes and gift cards that this checkout accepts, and why it takes no other."""
    world, shop, session = world_of(request), shop_of(request), session_of(request)
    basket = carts.basket_of(world.state, session)
    usable, why = carts.usable_codes(world.state, shop, session.codes, basket)
    return JSONResponse({"codes": usable, "cards": session.cards, "why": why})


async def source(request: Request) -> Response:
    """A file of an extension, with what Shopify's build puts into it: the address of the app."""
    asked = PurePosixPath(request.path_params["path"])
    path = (EXTENSIONS / asked).resolve()
    if not path.is_relative_to(EXTENSIONS) or not path.is_file() or path.suffix not in KINDS:
        return PlainTextResponse("There is no such file.", 404)
    app_url = world_of(request).settings.app_url
    text = path.read_text("utf-8").replace("process.env.APP_URL", f'"{app_url}"')
    return Response(text, media_type=KINDS[path.suffix], headers={"Cache-Control": "no-cache"})


async def shared_source(request: Request) -> Response:
    """What the extension shares with the widget is the app's."""
    app_url = world_of(request).settings.app_url
    return RedirectResponse(f"{app_url}/static/widget/{request.path_params['path']}")


routes = [
    Route("/shops/{shop}/checkout/block", frame),
    Route("/shops/{shop}/checkout/session-token", session_token),
    Route("/shops/{shop}/checkout/codes", codes),
    Route("/extensions/{path:path}", source),
    Route("/static/widget/{path:path}", shared_source),
]
