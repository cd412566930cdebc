"""A shop's token is always a good one, renewed by one process at a time, and lost only when
Shopify says so.
"""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography.fernet import Fernet

from app import config as settings
from app import db
from app.core import tokens
from app.core.models import Shop
from app.errors import NotFoundError, UnavailableError
from app.shopify.tokens import GrantLostError, GrantRefusedError
from tests.core.shopify import ALICE, Shopify, has_tokens, leaves

pytestmark = pytest.mark.usefixtures("stores", "two_tries")


@pytest.fixture
def token(config: settings.Config, shopify: Shopify):
    async def asking(shop: str = ALICE) -> str:
        async with shopify.client as client:
            return await tokens.access_token(shop, client, config)

    return asking


async def stored() -> Shop:
    return await Shop.get(domain=ALICE)


async def test_a_good_token_is_used_as_it_is(config, shopify, token):
    await has_tokens(config, shopify, minutes_left=6)
    assert await token() == "shpat_0"
    assert shopify.refreshes == []


@pytest.mark.parametrize("minutes_left", [4, 0, -60 * 24 * 30])
async def test_a_token_near_its_end_is_renewed_and_both_are_kept_encrypted(
    config, shopify, token, minutes_left
):
    await has_tokens(config, shopify, minutes_left=minutes_left)
    assert await token() == "shpat_1"
    assert await token() == "shpat_1"
    assert shopify.refreshes == ["shprt_0"]
    row = await stored()
    assert row.access_token is not None
    assert row.refresh_token is not None
    assert b"shpat_" not in bytes(row.access_token)
    assert b"shprt_" not in bytes(row.refresh_token)
    assert (row.status, row.token_version, row.scopes, row.token_claimed_until) == (
        "active",
        2,
        "read_orders",
        None,
    )
    assert row.access_expires_at is not None
    assert row.access_expires_at > datetime.now(UTC) + timedelta(minutes=59)


async def test_of_many_who_find_the_token_ended_one_renews_it(config, shopify, token):
    await has_tokens(config, shopify, minutes_left=-1)
    shopify.pause_seconds = 0.2
    assert set(await asyncio.gather(*(token() for _ in range(8)))) == {"shpat_1"}
    assert shopify.refreshes == ["shprt_0"]


async def test_while_one_renews_the_others_go_on_with_the_token_that_still_holds(
    config, shopify, token
):
    await has_tokens(config, shopify, minutes_left=3)
    shopify.pause_seconds = 0.2
    given = await asyncio.gather(*(token() for _ in range(5)))
    assert sorted(given) == ["shpat_0"] * 4 + ["shpat_1"]


async def test_no_transaction_is_open_while_shopify_is_asked(config, shopify):
    await has_tokens(config, shopify, minutes_left=-1)
    answer, open_at_the_call = shopify.__call__, []

    class Looking(Shopify):
        async def __call__(self, request: httpx.Request) -> httpx.Response:
            async with db.connection() as connection:
                open_at_the_call.append(await connection.fetchval(OPEN_TRANSACTIONS))
            return await answer(request)

    async with Looking().client as client:
        assert await tokens.access_token(ALICE, client, config) == "shpat_1"
    assert open_at_the_call == [0]


OPEN_TRANSACTIONS = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
   AND backend_type = 'client backend'
"""


async def test_a_killed_renewer_blocks_nobody_for_long(config, shopify, token):
    await has_tokens(config, shopify, minutes_left=-1)
    await Shop.filter(domain=ALICE).update(
        token_claimed_until=datetime.now(UTC) + timedelta(seconds=0.5)
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tokens, "WAIT_SECONDS", 0.2)
        with pytest.raises(UnavailableError):
            await token()
    assert shopify.refreshes == []
    await asyncio.sleep(0.4)
    assert await token() == "shpat_1"


async def test_what_a_renewer_brings_too_late_is_thrown_away(config, shopify, token):
    await has_tokens(config, shopify, minutes_left=-1)
    shopify.may_answer.clear()
    renewing = asyncio.ensure_future(token())
    await asyncio.sleep(0.1)
    await leaves(datetime.now(UTC))
    shopify.may_answer.set()
    with pytest.raises(NotFoundError):
        await renewing
    row = await stored()
    assert (row.status, row.access_token, row.refresh_token) == ("uninstalled", None, None)


async def test_a_renewer_that_is_cancelled_gives_its_claim_back(config, shopify, token):
    await has_tokens(config, shopify, minutes_left=-1)
    shopify.pause_seconds = 5
    renewing = asyncio.ensure_future(token())
    await asyncio.sleep(0.2)
    assert (await stored()).token_claimed_until is not None
    renewing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await renewing
    assert (await stored()).token_claimed_until is None


async def test_with_shopify_away_the_token_that_still_holds_is_used(config, shopify, token):
    await has_tokens(config, shopify, minutes_left=3)
    shopify.trouble = lambda _request: httpx.Response(503)
    assert await token() == "shpat_0"
    assert set(shopify.refreshes) == {"shprt_0"}
    await Shop.filter(domain=ALICE).update(access_expires_at=datetime.now(UTC))
    with pytest.raises(UnavailableError):
        await token()
    assert (await stored()).status == "active"
    shopify.trouble = lambda _request: None
    assert (await token()).startswith("shpat_")


async def test_a_dead_grant_needs_the_merchant_and_shopify_is_not_asked_again(
    config, shopify, token
):
    await has_tokens(config, shopify, minutes_left=-1)
    shopify.good_refresh.clear()
    for _ in range(3):
        with pytest.raises(GrantLostError) as lost:
            await token()
        assert lost.value.permanent
    assert shopify.refreshes == ["shprt_0"]
    row = await stored()
    assert (row.status, row.access_token, row.refresh_token) == ("needs_reopen", None, None)


async def test_an_app_shopify_does_not_know_is_no_lost_grant(config, shopify, token):
    await has_tokens(config, shopify, minutes_left=-1)
    shopify.trouble = lambda _request: httpx.Response(400, json={"error": "invalid_client"})
    with pytest.raises(GrantRefusedError):
        await token()
    row = await stored()
    assert (row.status, row.token_claimed_until) == ("active", None)


async def test_tokens_no_key_opens_any_more_need_the_merchant(config, shopify):
    await has_tokens(config, shopify)
    other = replace(config, token_keys=(Fernet.generate_key().decode(),))
    async with shopify.client as client:
        with pytest.raises(GrantLostError):
            await tokens.access_token(ALICE, client, other)
    assert (await stored()).status == "needs_reopen"


@pytest.mark.parametrize("status", [None, "uninstalled"])
async def test_a_shop_without_the_app_has_no_token(config, shopify, token, status):
    if status:
        await has_tokens(config, shopify, status=status)
    with pytest.raises(NotFoundError):
        await token()


async def test_a_token_shopify_refused_is_renewed_though_it_should_still_hold(config, shopify):
    await has_tokens(config, shopify)
    async with shopify.client as client:
        assert await tokens.renew(ALICE, client, config, "shpat_0") == "shpat_1"
        assert await tokens.renew(ALICE, client, config, "shpat_0") == "shpat_1", (
            "that one was replaced already"
        )
    assert shopify.refreshes == ["shprt_0"]


async def test_grants_unused_for_a_week_are_renewed_so_that_they_do_not_end(config, shopify):
    await has_tokens(config, shopify, minutes_left=-60 * 24 * 8)
    await has_tokens(config, shopify, minutes_left=-60 * 24 * 6, shop="bob.myshopify.com")
    await has_tokens(
        config,
        shopify,
        minutes_left=-60 * 24 * 9,
        shop="charlie.myshopify.com",
        status="needs_reopen",
    )
    async with shopify.client as client:
        assert await tokens.renew_idle(client, config) == 1
        assert await tokens.renew_idle(client, config) == 0
    assert shopify.refreshes == ["shprt_0"]


async def test_one_shops_dead_grant_does_not_keep_the_others_from_being_renewed(config, shopify):
    await has_tokens(config, shopify, minutes_left=-60 * 24 * 9)
    await has_tokens(config, shopify, minutes_left=-60 * 24 * 8, shop="bob.myshopify.com")
    refuse = [True]

    def trouble(_request: httpx.Request) -> httpx.Response | None:
        return (
            httpx.Response(400, json={"error": "invalid_grant"})
            if refuse and refuse.pop()
            else None
        )

    shopify.trouble = trouble
    async with shopify.client as client:
        assert await tokens.renew_idle(client, config) == 1
