"""What one shop has trouble with, and what all others see meanwhile: nothing of it."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import httpx2
import pytest

from app import config as settings
from app import db, rooms
from app.core import admin_api
from app.core import reads as core_reads
from app.errors import UnavailableError
from app.resilience.breaker import State
from app.resilience.guard import RefusedByCircuitError
from app.web import pages
from tests.admin.staff import Staff, buys, text
from tests.core.shopify import Shopify, has_tokens
from tests.points.world import ALICE
from tests.web_app import all_beat, fresh_process, install, open_app

pytestmark = pytest.mark.long

BIG, CHARLIE = "big.myshopify.com", "charlie.myshopify.com"
SLOW_SECONDS = rooms.PAGE_READ_SECONDS + 1  # nobody waits so long


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    fresh_process()


@pytest.fixture
async def http(stores: db.Stores, config: settings.Config) -> AsyncIterator[httpx2.AsyncClient]:
    await install(ALICE, BIG)
    await all_beat(stores)
    async with open_app(config, stores) as asking:
        yield asking


@pytest.fixture
def _a_search_in_the_big_shop_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    find = core_reads.find_customers

    async def slow(shop: str, *asked: Any) -> Any:
        if shop == BIG:
            async with db.connection() as connection:
                await connection.execute("SELECT pg_sleep($1)", SLOW_SECONDS)
        return await find(shop, *asked)

    monkeypatch.setattr(core_reads, "find_customers", slow)


@pytest.mark.hangs
@pytest.mark.usefixtures("_a_search_in_the_big_shop_is_slow")
async def test_a_slow_search_in_a_big_shop_leaves_the_pages_of_others_live(
    http, config, stores
) -> None:
    await buys()
    alice, big = Staff(http, config, ALICE), Staff(http, config, BIG)
    await alice.get("/")

    async def search(number: int) -> str:
        return text(await big.get("/customers", q=f"smith {number}"))

    searches = [asyncio.create_task(search(number)) for number in range(24)]
    slowest, looks = 0.0, 0
    while looks < 10 or not all(one.done() for one in searches):
        await all_beat(stores)  # as processes do: whoever is silent for seconds is away
        began = time.monotonic()
        for path in ("/", "/customers", "/program"):
            seen = text(await alice.get(path))
            assert "as of" not in seen, path
            assert "cannot be shown" not in seen, path
        slowest = max(slowest, time.monotonic() - began)
        looks += 1
    assert slowest < 3, "three pages, while the machine is busy with other tests"
    assert all("cannot be shown" in seen for seen in await asyncio.gather(*searches))
    assert pages.PAGES.breaker.state is State.CLOSED
    assert BIG in pages.PAGES.shops, "its failures were counted as its own"
    assert "cannot be shown" not in text(await alice.get("/customers"))


async def test_shopify_failing_for_one_shop_is_still_asked_for_the_others(config, stores) -> None:
    shopify = Shopify()
    await has_tokens(config, shopify, shop=ALICE)
    await has_tokens(config, shopify, shop=CHARLIE)

    def only_alice(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(503) if ALICE in str(request.url) else None

    shopify.trouble = only_alice
    async with shopify.client as client:

        async def ask(shop: str) -> dict:
            return await admin_api.call(client, config, shop, "shop", {})

        refused = 0
        for _ in range(30):
            try:
                await ask(ALICE)
            except RefusedByCircuitError:
                refused += 1
            except UnavailableError:
                pass
            assert (await ask(CHARLIE))["shop"]
        assert refused >= 20, "Shopify is not asked for what it does not answer"
        assert admin_api.SHOPIFY.breaker.state is State.CLOSED
