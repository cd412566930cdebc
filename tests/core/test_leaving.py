"""An uninstall is confirmed with the shop's own token before anything is given up."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from app import config as settings
from app import db
from app.core import leaving, tokens
from app.core.models import Shop
from app.resilience.breaker import State
from tests.core.shopify import ALICE, Shopify, has_tokens

pytestmark = pytest.mark.usefixtures("two_tries")


@pytest.fixture(autouse=True)
def _closed_circuit() -> None:
    leaving.admin_api.SHOPIFY.breaker._move(State.CLOSED, "start of the test")


async def said_to_leave(shop: str = ALICE) -> None:
    async with db.transaction() as connection:
        told = await leaving.told(connection, [(shop, datetime.now(UTC) + timedelta(hours=1))])
    assert told == [shop]
    await is_due()


async def is_due() -> None:
    await Shop.filter(leaving_at__not_isnull=True).update(
        leaving_ask_at=datetime.now(UTC) - timedelta(seconds=1)
    )


async def alice() -> Shop:
    return await Shop.get(domain=ALICE)


async def test_a_shop_whose_tokens_are_refused_is_given_up(
    stores: db.Stores, config: settings.Config, shopify: Shopify
) -> None:
    await has_tokens(config, shopify)
    await said_to_leave()
    said_at = (await alice()).leaving_at
    shopify.good_access.clear()
    shopify.good_refresh.clear()
    assert await leaving.confirm_due(shopify.client, config) == 1
    shop = await alice()
    assert (shop.status, shop.uninstalled_at, shop.leaving_at) == ("uninstalled", said_at, None)
    assert (shop.access_token, shop.refresh_token) == (None, None)
    assert await leaving.confirm_due(shopify.client, config) == 0


async def test_a_shop_that_shopify_still_answers_for_stays_and_that_is_recorded(
    stores: db.Stores, config: settings.Config, shopify: Shopify
) -> None:
    before = await has_tokens(config, shopify)
    await said_to_leave()
    await leaving.confirm_due(shopify.client, config)
    shop = await alice()
    assert (shop.status, shop.leaving_at, shop.uninstalled_at) == ("active", None, None)
    assert (shop.access_token, shop.token_version) == (before.access_token, before.token_version)
    assert shop.stayed_at is not None


async def test_a_token_that_only_ran_out_is_renewed_and_the_shop_stays(
    stores: db.Stores, config: settings.Config, shopify: Shopify
) -> None:
    await has_tokens(config, shopify, minutes_left=-60)
    await said_to_leave()
    await leaving.confirm_due(shopify.client, config)
    assert ((await alice()).status, (await alice()).leaving_at) == ("active", None)
    assert shopify.refreshes == ["shprt_0"]


@pytest.mark.parametrize("status", [500, 503, 402, 404, 423, None])
async def test_while_shopify_does_not_say_everything_stays_and_it_is_asked_again_later(
    stores: db.Stores, config: settings.Config, shopify: Shopify, status: int | None
) -> None:
    before = await has_tokens(config, shopify)
    await said_to_leave()

    def silent(_request: httpx.Request) -> httpx.Response:
        if status is None:
            raise httpx.ConnectError("nobody there")
        return httpx.Response(status, json={"errors": "not now"})

    shopify.trouble = silent
    waits = []
    for _ in range(3):
        await is_due()
        assert await leaving.confirm_due(shopify.client, config) == 1
        shop = await alice()
        assert (shop.status, shop.access_token) == ("active", before.access_token)
        assert shop.leaving_ask_at is not None
        waits.append(round((shop.leaving_ask_at - datetime.now(UTC)).total_seconds()))
        assert await leaving.confirm_due(shopify.client, config) == 0, "not before its time"
    assert waits == [5, 10, 20]
    await is_due()
    shopify.trouble = lambda _request: httpx.Response(403, json={"errors": "forbidden"})
    await leaving.confirm_due(shopify.client, config)
    assert (await alice()).status == "uninstalled"


async def test_the_longest_wait_is_an_hour(
    stores: db.Stores, config: settings.Config, shopify: Shopify
) -> None:
    await has_tokens(config, shopify)
    await said_to_leave()
    await Shop.all().update(leaving_tries=100)
    shopify.trouble = lambda _request: httpx.Response(500)
    await leaving.confirm_due(shopify.client, config)
    ask_at = (await alice()).leaving_ask_at
    assert ask_at is not None
    assert timedelta(minutes=59) < ask_at - datetime.now(UTC) < timedelta(minutes=61)


async def test_a_shop_without_any_token_is_given_up_for_there_is_nothing_to_lose(
    stores: db.Stores, config: settings.Config, shopify: Shopify
) -> None:
    await Shop.create(domain=ALICE, name="Alice's", status="needs_reopen")
    await said_to_leave()
    await leaving.confirm_due(shopify.client, config)
    assert (await alice()).status == "uninstalled"
    assert shopify.calls == 0


async def test_a_merchant_who_opens_the_app_while_shopify_is_asked_keeps_the_new_tokens(
    stores: db.Stores, config: settings.Config, shopify: Shopify
) -> None:
    await has_tokens(config, shopify)
    await said_to_leave()
    async with db.connection() as connection:
        (row,) = await connection.fetch(leaving.DUE, 1, 5.0, 3600.0)
    asked = leaving.Leaving(**dict(row))
    shopify.good_access.clear()
    found = await tokens.held(ALICE)
    assert found is not None
    assert await tokens.acquire(found, "an id token", shopify.client, config)
    await leaving._give_up(asked, "refused")
    shop = await alice()
    assert shop.status == "active"
    assert shop.access_token is not None
    await is_due()
    await leaving.confirm_due(shopify.client, config)
    assert ((await alice()).status, (await alice()).leaving_at) == ("active", None)
