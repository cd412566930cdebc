"""Tokens are asked for as Shopify wants it, asked again only when that helps, and never shown."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography.fernet import Fernet
from structlog.testing import capture_logs

from app.errors import BadInputError, UnavailableError
from app.shopify import tokens
from app.shopify.tokens import GrantLostError, GrantRefusedError, InvalidSubjectError
from tests.shopify.answers import Shopify
from tests.shopify.signing import ALICE, CLIENT_ID, SECRET

PAIR = {
    "access_token": "shpat_new",
    "expires_in": 3600,
    "refresh_token": "shprt_new",
    "refresh_token_expires_in": 7_776_000,
    "scope": "read_orders,write_discounts",
}
granted = httpx.Response(200, json=PAIR)


def refusal(name: str, status: int = 400) -> httpx.Response:
    return httpx.Response(status, json={"error": name})


async def exchange(config, shopify: Shopify, shop: str = ALICE) -> tokens.Grant:
    async with shopify.client as client:
        return await tokens.exchange(client, config, shop, "the.id.token")


async def refresh(config, shopify: Shopify) -> tokens.Grant:
    async with shopify.client as client:
        return await tokens.refresh(client, config, ALICE, "shprt_old")


async def test_an_id_token_is_exchanged_for_an_expiring_offline_token(config):
    shopify = Shopify(granted)
    before = datetime.now(UTC)
    grant = await exchange(config, shopify)
    (request,) = shopify.asked
    assert str(request.url) == f"https://{ALICE}/admin/oauth/access_token"
    assert json.loads(request.content) == {
        "client_id": CLIENT_ID,
        "client_secret": SECRET,
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": "the.id.token",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "requested_token_type": "urn:shopify:params:oauth:token-type:offline-access-token",
        "expiring": "1",
    }
    assert (grant.access_token, grant.refresh_token, grant.scopes) == (
        "shpat_new",
        "shprt_new",
        PAIR["scope"],
    )
    assert grant.access_expires_at is not None
    assert (
        timedelta(0) <= grant.access_expires_at - before - timedelta(hours=1) < timedelta(seconds=5)
    )
    assert grant.refresh_expires_at is not None
    assert grant.refresh_expires_at - before > timedelta(days=89)


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ConnectError("x"),
        httpx.ReadTimeout("x"),
        httpx.Response(500),
        httpx.Response(503),
        httpx.Response(429),
    ],
    ids=str,
)
async def test_the_same_refresh_token_is_sent_again_when_no_answer_came(config, trouble):
    shopify = Shopify(trouble, trouble, granted)
    grant = await refresh(config, shopify)
    assert grant.access_token == "shpat_new"
    assert len({request.content for request in shopify.asked}) == 1
    assert json.loads(shopify.asked[0].content) == {
        "client_id": CLIENT_ID,
        "client_secret": SECRET,
        "grant_type": "refresh_token",
        "refresh_token": "shprt_old",
    }


async def test_tries_are_bounded(config):
    shopify = Shopify(httpx.Response(500))
    with pytest.raises(UnavailableError):
        await refresh(config, shopify)
    assert len(shopify.asked) == tokens.TRIES


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (refusal("invalid_grant"), GrantLostError),
        (httpx.Response(401, text="This request requires an active refresh_token"), GrantLostError),
        (refusal("invalid_client"), GrantRefusedError),
        (refusal("shop_locked", 423), GrantRefusedError),
        (httpx.Response(404, text="<html>"), GrantRefusedError),
        (httpx.Response(400, json=["x"]), GrantRefusedError),
        (refusal("invalid_subject_token"), InvalidSubjectError),
    ],
)
async def test_what_shopify_says_no_to_is_not_asked_again(config, reply, error):
    shopify = Shopify(reply)
    with pytest.raises(error) as refused:
        await refresh(config, shopify)
    assert refused.value.permanent
    assert len(shopify.asked) == 1


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={}),
        httpx.Response(200, json={"access_token": 7}),
    ],
)
async def test_an_answer_without_a_token_is_no_grant(config, reply):
    with pytest.raises(UnavailableError):
        await exchange(config, Shopify(reply))


async def test_the_client_secret_never_goes_to_a_host_that_is_no_shop(config):
    shopify = Shopify(granted)
    with pytest.raises(BadInputError):
        await exchange(config, shopify, "evil.example")
    assert shopify.asked == []


async def test_tokens_are_in_no_repr_and_no_log_line(config):
    grant = await exchange(config, Shopify(granted))
    assert "shpat" not in repr(grant)
    assert "shprt" not in repr(grant)
    with capture_logs() as logs:
        for reply in (refusal("invalid_grant"), httpx.Response(500, text=f"{SECRET} shprt_old")):
            with pytest.raises((GrantLostError, UnavailableError)):
                await refresh(config, Shopify(reply))
    assert logs
    assert not any(secret in str(logs) for secret in (SECRET, "shprt_old"))


def test_stored_tokens_are_encrypted_and_survive_a_rotation_of_keys(config):
    from dataclasses import replace

    stored = tokens.encrypt(config, "shpat_1")
    assert b"shpat_1" not in stored
    assert stored != tokens.encrypt(config, "shpat_1")
    rotated = replace(config, token_keys=(Fernet.generate_key().decode(), *config.token_keys))
    assert tokens.decrypt(rotated, stored) == "shpat_1"
    with pytest.raises(GrantLostError):
        tokens.decrypt(config, tokens.encrypt(rotated, "shpat_1"))
