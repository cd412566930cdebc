"""The shopper's API, for the widget (app proxy) and for checkout extensions: one body and one set
of addresses, put together from the services' parts.
"""

import time
from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from app.campaigns import panels as campaigns_panels
from app.errors import UnauthorizedError
from app.points.panels import shopper as points_shopper
from app.referrals.panels import shopper as referrals_shopper
from app.shopify import verify
from app.storefront import looks
from app.telemetry import product
from app.web import browser_errors, shopper
from app.web.api import Caller, Door, PageDoor
from app.web.shopper import Part

# Shopify puts such a page into the shop's own look
LIQUID = "application/liquid"
# one line a service that shoppers see something of
PARTS: tuple[Part, ...] = (points_shopper.PART, campaigns_panels.PART, referrals_shopper.PART)


def by_proxy(request: Request) -> Caller:
    """Proof of `/storefront/*`: the app proxy's signature over the raw query."""
    query: bytes = request.scope["query_string"]
    return verify.verify_proxy(query, request.state.stores.config.api_secrets, time.time())


def by_token(request: Request) -> Caller:
    """Proof of `/checkout/*`: the session token of the extension."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise UnauthorizedError("The session token is missing.")
    return verify.decode_extension_token(token, request.state.stores.config)


async def me(request: Request, caller: Caller) -> tuple[int, dict[str, Any]]:
    """What a shopper sees; somebody not signed in gets the offer only, never a balance. Each part
    fills in its own fields, and what a part cannot tell stays as it is here.
    """
    body: dict[str, Any] = {
        "customer_id": caller.customer_id,
        "points": None,
        "tier": None,
        "tiers": [],
        "rewards": [],
        "ways_to_earn": [],
        "birthday": None,
        "referral": {"url": None, "status": "unavailable"},
        "notices": [],
        "redemptions": [],
        "codes": None,
        "codes_next": "",
        "coming": None,
        "ending": None,
        "time_zone": "UTC",
    }
    # apart, for no list here names two services
    body |= {"campaigns": [], **looks.NOTHING}
    stores = request.state.stores
    if request.url.path.startswith("/checkout/"):
        if request.query_params.get("consent") == "1":  # as Shopify's privacy API says
            _tell_opened(request, caller)
    else:
        await looks.seen(caller.shop)
    language = request.query_params.get("lang", "en")
    body |= await looks.told(stores, caller.shop, language)
    return 200, await shopper.fill(body, PARTS, stores, caller)


def _tell_opened(request: Request, caller: Caller) -> None:
    opened = product.CheckoutOpened(is_signed_in=caller.customer_id is not None)
    product.track(opened, caller.shop, request.state.stores.config)


async def browser_error(request: Request, caller: Caller) -> tuple[int, dict[str, Any]]:
    """An error of the widget in a shopper's browser, who agreed that it is told."""
    outcome = await browser_errors.take(request, caller.shop, "widget")
    return 202, {"outcome": outcome}


def _addresses() -> list[BaseRoute]:
    """The same addresses for the widget and for the extensions."""
    found: list[BaseRoute] = []
    for name, methods in [("me", {"GET": me}), *(one for part in PARTS for one in part.addresses)]:
        found += [
            Route(f"/storefront/{name}", Door(by_proxy, methods), name=f"storefront_{name}"),
            Route(
                f"/checkout/{name}",
                Door(by_token, methods, is_open=True),
                name=f"checkout_{name}",
            ),
        ]
    return found


routes: list[BaseRoute] = [
    *_addresses(),
    *(
        Route(
            f"/storefront/{page.path}",
            PageDoor(by_proxy, page.handlers, page.refused, LIQUID),
            name=f"storefront_{page.name}",
        )
        for part in PARTS
        for page in part.pages
    ),
    Route(
        "/storefront/errors",
        Door(by_proxy, {"POST": browser_error}),
        name="storefront_errors",
    ),
]
