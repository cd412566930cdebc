"""A small Shopify for the tests of core: it gives tokens, knows which are good, and tells about
the shop.
"""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx

from app import config as settings
from app import db
from app.core import leaving
from app.core.models import Shop
from app.shopify import tokens

ALICE = "alice.myshopify.com"
DETAILS = {"name": "Alice's", "currencyCode": "EUR", "ianaTimezone": "Europe/Berlin"}


class Shopify:
    """`trouble(request)` may answer or raise instead; `pause_seconds` passes before each answer,
    and none is given before `may_answer` is set.
    """

    def __init__(self) -> None:
        self.exchanges = 0
        self.refreshes: list[str] = []
        self.calls = 0
        self.good_access: set[str] = set()
        self.good_refresh: set[str] = set()
        self.pause_seconds = 0.0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.trouble: Callable[[httpx.Request], httpx.Response | None] = lambda _request: None

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(self.pause_seconds)
        await self.may_answer.wait()
        asked = json.loads(request.content)
        if request.url.path.endswith("/access_token"):
            is_refresh = asked["grant_type"] == "refresh_token"
            if is_refresh:
                self.refreshes.append(asked["refresh_token"])
            else:
                self.exchanges += 1
            if (answer := self.trouble(request)) is not None:
                return answer
            if is_refresh and asked["refresh_token"] not in self.good_refresh:
                return httpx.Response(400, json={"error": "invalid_grant"})
            return self._pair()
        self.calls += 1
        if (answer := self.trouble(request)) is not None:
            return answer
        if request.headers["X-Shopify-Access-Token"] not in self.good_access:
            return httpx.Response(401, json={"errors": "Invalid API key or access token"})
        return httpx.Response(200, json={"data": {"shop": DETAILS}})

    def _pair(self) -> httpx.Response:
        number = self.exchanges + len(self.refreshes)
        access, refresh = f"shpat_{number}", f"shprt_{number}"
        self.good_access.add(access)
        self.good_refresh.add(refresh)
        return httpx.Response(
            200,
            json={
                "access_token": access,
                "expires_in": 3600,
                "refresh_token": refresh,
                "refresh_token_expires_in": 7_776_000,
                "scope": "read_orders",
            },
        )

    @property
    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self))


async def has_tokens(
    config: settings.Config,
    shopify: Shopify,
    *,
    minutes_left: float = 60,
    shop: str = ALICE,
    status: str = "active",
) -> Shop:
    """The shop's row with a pair Shopify knows, its access token good for `minutes_left` more."""
    shopify.good_access.add("shpat_0")
    shopify.good_refresh.add("shprt_0")
    now = datetime.now(UTC)
    return await Shop.create(
        domain=shop,
        name="Alice's",
        status=status,
        token_version=1,
        access_token=tokens.encrypt(config, "shpat_0"),
        access_expires_at=now + timedelta(minutes=minutes_left),
        refresh_token=tokens.encrypt(config, "shprt_0"),
        refresh_expires_at=now + timedelta(days=80),
    )


async def leaves(at: datetime, shop: str = ALICE) -> None:
    """The shop is said to have left at that moment, and Shopify has refused its tokens since."""
    async with db.transaction() as connection:
        await leaving.told(connection, [(shop, at)])
    row = await Shop.get(domain=shop)
    if row.leaving_at is not None:
        await leaving._give_up(leaving.Leaving(shop, row.leaving_at, row.token_version), "refused")
