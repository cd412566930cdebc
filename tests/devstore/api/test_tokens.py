"""Tokens are given, refreshed and refused by Shopify's rules."""

import time
from typing import Any

import jwt

from devstore import signing
from devstore.api import tokens
from tests.devstore.conftest import SECRET, SHOP, Store

ADDRESS = f"/shops/{SHOP}/admin/oauth/access_token"
CLIENT = {"client_id": "dev-key", "client_secret": SECRET}


async def exchange(store: Store, **fields: Any) -> Any:
    body = {
        **CLIENT,
        "grant_type": tokens.EXCHANGE,
        "subject_token": signing.id_token(store.world.settings, SHOP),
        "subject_token_type": tokens.ID_TOKEN,
        "requested_token_type": tokens.OFFLINE,
        "expiring": "1",
        **fields,
    }
    return await store.http.post(ADDRESS, json=body)


async def refresh(store: Store, token: str) -> Any:
    return await store.http.post(
        ADDRESS, data={**CLIENT, "grant_type": "refresh_token", "refresh_token": token}
    )


async def test_an_id_token_becomes_an_expiring_token_with_a_refresh_token(store: Store) -> None:
    found = (await exchange(store)).json()
    assert found["access_token"].startswith("shpat_")
    assert found["refresh_token"].startswith("shprt_")
    assert (found["expires_in"], found["refresh_token_expires_in"]) == (3600, 7_776_000)
    assert tokens.is_valid(store.world.state, store.shop, found["access_token"])


async def test_without_expiring_the_token_never_ends_and_has_no_refresh_token(store: Store) -> None:
    assert (await exchange(store, expiring="0")).json().keys() == {"access_token", "scope"}


async def test_a_bad_subject_token_is_refused_by_name(store: Store) -> None:
    settings = store.world.settings
    now = int(time.time())
    bad = {
        "expired": signing.id_token(settings, SHOP, seconds=-30),
        "of another shop": signing.id_token(settings, "charlie.myshopify.com"),
        "of a checkout": signing.extension_token(settings, SHOP, 7),
        "by another secret": jwt.encode({"exp": now + 60}, "x" * 40, algorithm="HS256"),
        "garbage": "garbage",
    }
    for what, token in bad.items():
        answer = await exchange(store, subject_token=token)
        assert (answer.status_code, answer.json()) == (400, {"error": "invalid_subject_token"}), (
            what
        )


async def test_wrong_credentials_or_an_uninstalled_app_are_an_invalid_client(store: Store) -> None:
    assert (await exchange(store, client_secret="wrong")).json() == {"error": "invalid_client"}
    await store.control("POST", f"shops/{SHOP}/webhooks", {"topic": "app/uninstalled"})
    assert (await exchange(store)).json() == {"error": "invalid_client"}


async def test_a_refresh_leaves_the_old_token_alive_and_can_be_retried_until_its_successor_is_used(
    store: Store,
) -> None:
    first = (await exchange(store)).json()
    second = (await refresh(store, first["refresh_token"])).json()
    assert second["access_token"] != first["access_token"]
    assert tokens.is_valid(store.world.state, store.shop, first["access_token"])
    again = (await refresh(store, first["refresh_token"])).json()
    assert again["refresh_token"] == second["refresh_token"], "a lost answer is given again"
    assert (await refresh(store, second["refresh_token"])).status_code == 200
    late = await refresh(store, first["refresh_token"])
    assert (late.status_code, late.json()) == (400, {"error": "invalid_grant"})


async def test_a_new_exchange_ends_earlier_refresh_tokens(store: Store) -> None:
    first = (await exchange(store)).json()
    await exchange(store)
    assert (await refresh(store, first["refresh_token"])).json() == {"error": "invalid_grant"}


async def test_uninstalling_ends_every_token(store: Store) -> None:
    found = (await exchange(store)).json()
    await store.control("POST", f"shops/{SHOP}/webhooks", {"topic": "app/uninstalled"})
    assert not tokens.is_valid(store.world.state, store.shop, found["access_token"])
