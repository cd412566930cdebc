"""The web app as tests ask it: no network between, a process that has just started, shops that
have it, and every service alive.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from starlette.applications import Starlette

from app import config as settings
from app import db, main
from app.campaigns import panels as campaigns
from app.core.models import Shop
from app.flow.lanes import backlog
from app.points.earning import actions as earning
from app.points.panels import shopper
from app.referrals import keys
from app.referrals.panels import shopper as referrals_shopper
from app.resilience import breaker, cache, health, reach
from app.shopify.client import outgoing
from app.storefront import looks


def fresh_process() -> None:
    """Nothing is remembered, and every circuit is closed."""
    kept = (backlog, cache, campaigns, health, keys, looks, reach, referrals_shopper, shopper)
    for one in kept:
        one.forget()
    for known in breaker._known.values():
        known._move(breaker.State.CLOSED, "start of the test")


async def install(*shops: str) -> None:
    """They have opened the app, and Shopify has told their currency and zone."""
    for shop in shops:
        await Shop.create(
            domain=shop,
            name=shop,
            timezone="Europe/Berlin",
            currency="USD",
            access_token=b"never used here",
        )


async def all_beat(stores: db.Stores) -> None:
    for service in health.PROCESSES:
        await health.beat(stores.queue, service, 0.0)


@asynccontextmanager
async def open_app(config: settings.Config, stores: db.Stores) -> AsyncIterator[httpx2.AsyncClient]:
    """The web app on these stores, asked directly."""
    async with outgoing(config) as client:
        state = main.state(config, stores, client)
        async with talking_to(main.create_app(config), state) as asking:
            yield asking


@asynccontextmanager
async def running_programs(stores: db.Stores, *shops: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The same, with these shops installed, their rewards, and every service alive."""
    await install(*shops)
    for shop in shops:
        await earning.ensure_program(shop, "USD", "UTC")
    await all_beat(stores)
    async with open_app(stores.config, stores) as asking:
        yield asking


def talking_to(
    app: Starlette, state: dict[str, Any], host: str = "127.0.0.1"
) -> httpx2.AsyncClient:
    """A client of `app` at `host`; its own lifespan does not run."""

    async def with_state(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=with_state, client=(host, 123)), base_url="http://app"
    )
