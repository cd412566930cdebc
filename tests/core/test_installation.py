"""Opening the app installs it, once, and works in every order of things being away."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest

from app import config as settings
from app.core import admin_api, installation, tokens
from app.core.models import Shop
from app.flow.event import Event
from app.shopify import graphql
from app.shopify.graphql import ShopifyRefusedError, ThrottledError
from app.shopify.tokens import GrantLostError
from app.shopify.verify import Staff
from tests.core.shopify import ALICE, DETAILS, Shopify, has_tokens, leaves
from tests.flow.helpers import written
from tests.web_app import fresh_process

pytestmark = pytest.mark.usefixtures("stores", "two_tries")
STAFF = Staff(ALICE, "42", "session")
AWAY = httpx.Response(503)


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    installation._failed_at.clear()
    graphql.budgets.__init__()
    fresh_process()


@pytest.fixture
def opens(config: settings.Config, shopify: Shopify):
    async def opening(staff: Staff = STAFF) -> bool:
        async with shopify.client as client:
            return await installation.opened(staff, str(uuid.uuid4()), client, config)

    return opening


async def stored() -> Shop:
    return await Shop.get(domain=ALICE)


async def facts() -> list[Event]:
    return await written()


async def test_the_first_opening_installs_the_shop_and_tells_the_services(opens, shopify):
    assert await opens()
    row = await stored()
    assert (row.status, row.name, row.currency, row.timezone) == ("active", *DETAILS.values())
    assert row.access_token is not None
    (fact,) = await facts()
    assert (fact.topic, fact.shop, fact.key) == ("shop.installed", ALICE, ALICE)
    assert msgspec.json.decode(fact.data) == {
        "currency": "EUR",
        "timezone": "Europe/Berlin",
        "name": "Alice's",
    }


async def test_later_openings_ask_shopify_nothing(opens, shopify):
    for _ in range(4):
        assert await opens()
    assert (shopify.exchanges, shopify.calls, shopify.refreshes) == (1, 1, [])
    assert len(await facts()) == 1


async def test_many_first_openings_at_once_are_one_installation(opens, shopify):
    shopify.pause_seconds = 0.1
    assert all(await asyncio.gather(*(opens() for _ in range(6))))
    assert shopify.exchanges == 1, (
        "a second exchange would make the first one's refresh token useless"
    )
    assert len(await facts()) == 1
    assert (await stored()).name == "Alice's"


async def test_with_shopify_away_the_page_opens_and_a_later_opening_brings_the_rest(opens, shopify):
    shopify.trouble = lambda _request: AWAY
    assert await opens()
    row = await stored()
    assert (row.status, row.name, row.access_token) == ("active", "", None)
    assert await facts() == []
    asked = shopify.exchanges
    assert await opens()
    assert shopify.exchanges == asked, "the next page must not wait for Shopify again"
    shopify.trouble = lambda _request: None
    installation._failed_at.clear()
    assert await opens()
    assert (await stored()).name == "Alice's"
    assert len(await facts()) == 1


async def test_when_only_the_details_did_not_come_a_later_opening_asks_for_those_alone(
    opens, shopify
):
    shopify.trouble = lambda request: None if request.url.path.endswith("access_token") else AWAY
    assert await opens()
    assert (await stored()).access_token is not None
    shopify.trouble = lambda _request: None
    installation._failed_at.clear()
    assert all(await asyncio.gather(*(opens() for _ in range(3))))
    assert shopify.exchanges == 1
    assert len(await facts()) == 1


async def test_with_shopify_slow_the_page_opens_all_the_same(opens, shopify, monkeypatch):
    monkeypatch.setattr(installation.OPENINGS, "deadline_seconds", 0.2)
    shopify.pause_seconds = 5
    began = asyncio.get_running_loop().time()
    assert await opens()
    assert asyncio.get_running_loop().time() - began < 1
    assert (await stored()).status == "active"
    await asyncio.gather(*installation.OPENINGS.under_way, return_exceptions=True)
    assert (await stored()).token_claimed_until is None


async def test_an_id_token_shopify_does_not_take_is_asked_for_anew_but_not_for_ever(opens, shopify):
    shopify.trouble = lambda _request: httpx.Response(400, json={"error": "invalid_subject_token"})
    assert not await opens()
    assert await opens()
    assert shopify.exchanges == 1


async def test_a_shop_that_uninstalled_is_installed_again_at_once(opens, shopify):
    await opens()
    await leaves(datetime.now(UTC))
    assert (await stored()).status == "uninstalled"
    assert await opens()
    row = await stored()
    assert (row.status, row.uninstalled_at, row.name) == ("active", None, "Alice's")
    assert shopify.exchanges == 2
    assert [fact.topic for fact in await facts()] == ["shop.installed"] * 2


async def test_an_uninstall_told_late_does_not_undo_a_newer_installation(opens):
    await opens()
    await leaves(datetime.now(UTC) - timedelta(hours=1))
    assert (await stored()).status == "active"


async def test_a_shop_that_needed_to_be_opened_is_back_with_new_tokens(opens, shopify, config):
    await has_tokens(config, shopify, minutes_left=-1)
    shopify.good_refresh.clear()
    async with shopify.client as client:
        with pytest.raises(GrantLostError):
            await admin_api.call(client, config, ALICE, "shop", {})
        assert await opens()
    async with shopify.client as client:
        assert await admin_api.call(client, config, ALICE, "shop", {}) == {"shop": DETAILS}
    assert (await stored()).status == "active"


async def test_with_the_database_away_the_page_opens(opens, monkeypatch):
    async def away(_shop: str) -> None:
        raise OSError

    monkeypatch.setattr(tokens, "held", away)
    assert await opens()


# the one way to call the Admin API


async def test_a_call_with_a_token_shopify_forgot_renews_it_once(config, shopify):
    await has_tokens(config, shopify)
    shopify.good_access.clear()
    async with shopify.client as client:
        assert await admin_api.call(client, config, ALICE, "shop", {}) == {"shop": DETAILS}
    assert (shopify.refreshes, shopify.calls) == (["shprt_0"], 2)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (httpx.Response(429, headers={"Retry-After": "60"}), ThrottledError),
        (httpx.Response(402), ShopifyRefusedError),
    ],
)
async def test_one_shops_budget_or_bill_does_not_open_the_circuit_for_the_others(
    config, shopify, reply, error
):
    await has_tokens(config, shopify)
    await has_tokens(config, shopify, shop="bob.myshopify.com")
    shopify.trouble = lambda request: reply if ALICE in request.url.path else None
    async with shopify.client as client:
        for _ in range(30):
            with pytest.raises(error):
                await admin_api.call(client, config, ALICE, "shop", {})
        assert await admin_api.call(client, config, "bob.myshopify.com", "shop", {}) == {
            "shop": DETAILS
        }
