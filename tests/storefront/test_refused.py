"""What the shopper's API refuses: bad input, forged proofs, too much of it; each with a status
and a sentence.
"""

import json
import time

import pytest

from app.points.earning import actions as earning
from app.points.members import reads
from app.points.panels import redeeming
from tests.points.world import BOB
from tests.storefront.callers import CHARLIE, ask, bearer, earn, proxied

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"not json", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"reward_id": 1, "idempotency_key": "long-enough"}', 400),
        (b'{"reward_id": "1", "idempotency_key": "short"}', 400),
        (b'{"reward_id": "1", "idempotency_key": "' + b"k" * 129 + b'"}', 400),
        (b'{"reward_id": "1", "idempotency_key": "with\\u0000nul"}', 400),
        (b'{"reward_id": "-1", "idempotency_key": "long-enough"}', 400),
        (b'{"reward_id": "1", "idempotency_key": "long-enough", "customer_id": "7"}', 400),
        (b'{"reward_id": "987654", "idempotency_key": "long-enough"}', 404),
        (b" " * 10_001, 413),
    ],
)
async def test_a_body_of_another_shape_is_refused_with_a_sentence(
    http, rewards, body, status
) -> None:
    await earn("500.00")
    response = await http.post(proxied("/storefront/redemptions"), content=body, headers=JSON)
    assert response.status_code == status, response.text
    assert response.json()["error"]["message"].endswith(".")
    assert (await http.get(proxied("/storefront/me"))).json()["points"]["available"] == 500


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
async def test_what_another_sites_page_can_make_a_browser_post_redeems_nothing(
    http, rewards, kind
) -> None:
    await earn("500.00")
    headers = {"Content-Type": kind} if kind else {}
    body = json.dumps(ask(rewards[100])).encode()
    response = await http.post(proxied("/storefront/redemptions"), content=body, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_input")
    assert (await http.get(proxied("/storefront/me"))).json()["points"]["available"] == 500


async def test_a_reward_of_another_shop_is_not_there(http, rewards) -> None:
    await earning.ensure_program("charlie.myshopify.com", "USD", "UTC")
    foreign = (await reads.rewards("charlie.myshopify.com"))[0].id
    await earn("500.00")
    response = await http.post(proxied("/storefront/redemptions"), json=ask(foreign))
    assert (response.status_code, response.json()["error"]["code"]) == (404, "unknown_reward")


async def test_somebody_who_is_not_signed_in_redeems_nothing(http, rewards) -> None:
    for response in (
        await http.post(proxied("/storefront/redemptions", None), json=ask(rewards[100])),
        await http.post("/checkout/redemptions", json=ask(rewards[100]), headers=bearer(None)),
    ):
        assert (response.status_code, response.json()["error"]["code"]) == (401, "sign_in")


@pytest.mark.parametrize(
    # when the test runs, or it would be too old for another reason than the one it is about
    "made",
    [
        lambda: "/storefront/me",
        lambda: proxied("/storefront/me") + "0",
        lambda: proxied("/storefront/me").replace(BOB, CHARLIE),
        lambda: proxied("/storefront/me") + "&shop=charlie.myshopify.com",
        lambda: proxied("/storefront/me", timestamp=str(int(time.time()) - 91)),
        lambda: proxied("/storefront/me", timestamp=str(int(time.time()) + 95)),
        lambda: proxied("/storefront/me", shop="alice.example.com"),
    ],
)
async def test_a_forged_or_replayed_proxy_request_is_refused(http, made) -> None:
    assert (await http.get(proxied("/storefront/me"))).status_code == 200
    response = await http.get(made())
    assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthorized")
    assert (
        "access-control-allow-origin" not in response.headers
    )  # the proxy is of the shop's own origin


@pytest.mark.parametrize(
    "made",
    [
        dict,
        lambda: {"Authorization": "Bearer"},
        lambda: {"Authorization": "Basic abc"},
        lambda: {"Authorization": "Bearer not.a.token"},
        lambda: bearer(exp=int(time.time()) - 60),
        lambda: bearer(aud="another-app"),
    ],
)
async def test_a_token_that_proves_nothing_is_refused_in_a_way_the_extension_can_read(
    http, made
) -> None:
    headers = made()
    for response in (
        await http.get("/checkout/me", headers=headers),
        await http.post("/checkout/redemptions", json=ask("1"), headers=headers),
    ):
        assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthorized")
        assert response.headers["access-control-allow-origin"] == "*"


async def test_extensions_may_ask_from_any_origin(http, rewards) -> None:
    for path in ("/checkout/me", "/checkout/redemptions"):
        preflight = await http.options(
            path, headers={"Access-Control-Request-Method": "POST", "Origin": "null"}
        )
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == "*"
        assert preflight.headers["access-control-allow-headers"] == "Authorization, Content-Type"
        assert preflight.headers["access-control-max-age"] == "7200"
    for response in (
        await http.get("/checkout/me", headers=bearer()),
        await http.put("/checkout/me", headers=bearer()),
        await http.get("/checkout/nothing-here", headers=bearer()),
        await http.post("/checkout/redemptions", content=b"x" * 20_000, headers=bearer()),
        await http.post("/checkout/redemptions", content=b"x" * 6_000_000, headers=bearer()),
    ):
        assert response.headers["access-control-allow-origin"] == "*", response.text


async def test_nothing_changes_by_get(http, rewards) -> None:
    for path in ("/storefront/redemptions", "/storefront/referral-link"):
        response = await http.get(proxied(path))
        assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_nobody_gets_a_link_without_signing_in(http) -> None:
    response = await http.post(proxied("/storefront/referral-link", None))
    assert (response.status_code, response.json()["error"]["code"]) == (401, "sign_in")


async def test_a_loop_in_a_browser_is_slowed_down_and_nobody_else(
    http, rewards, monkeypatch
) -> None:
    monkeypatch.setattr(redeeming, "CUSTOMER_BURST", 3)
    monkeypatch.setattr(redeeming, "CUSTOMER_PER_SECOND", 0.1)
    answers = [
        await http.post(proxied("/storefront/redemptions"), json=ask(rewards[500]))
        for _ in range(4)
    ]
    assert [one.status_code for one in answers] == [422, 422, 422, 429]
    assert answers[-1].json()["error"]["code"] == "rate_limited"
    assert int(answers[-1].headers["retry-after"]) >= 1
    other = await http.post(proxied("/storefront/redemptions", CHARLIE), json=ask(rewards[500]))
    assert other.status_code == 422
