"""The shopper's API: what the widget and the extensions are told, and what they are refused."""

import asyncio
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx2
import jwt
import pytest
from starlette.applications import Starlette

from app import config as settings
from app import db, main, storefront
from app.points import actions, redemption
from app.resilience import breaker, cache, health, limits
from tests.conftest import SECRET
from tests.points.world import ALICE, BOB, handle, line, paid, program

CHARLIE = "7003"
KEYS = {"customer_id", "points", "tier", "rewards", "ways_to_earn", "referral", "notices", "redemptions"}


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    for one in (storefront, cache, health):
        one.forget()
    for one in (storefront.READS, storefront.HOLDS, storefront.COMPLETIONS, cache.CACHE, health.HEALTH, limits.LIMITS):
        one.breaker._move(breaker.State.CLOSED, "start of the test")


@pytest.fixture(scope="session")
def app(config: settings.Config) -> Starlette:
    return main.create_app(config)


def talking_to(app: Starlette, stores: db.Stores) -> httpx2.AsyncClient:
    state = {"config": stores.config, "stores": stores, "client": None}

    async def with_state(scope, receive, send) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=with_state), base_url="http://app")


@pytest.fixture
async def http(app: Starlette, stores: db.Stores) -> AsyncIterator[httpx2.AsyncClient]:
    await health.beat(stores.queue, "points", 0.0)
    async with talking_to(app, stores) as client:
        yield client


@pytest.fixture
async def rewards(stores: db.Stores) -> dict[int, str]:
    """The ids of Alice's rewards by what they cost."""
    await actions.ensure_program(ALICE, "USD", "UTC")
    return {reward.cost: reward.id for reward in await storefront.reads.rewards(ALICE)}


def proxied(path: str, customer: str | None = BOB, shop: str = ALICE, **more: Any) -> str:
    """A path as the app proxy signs it (platform.md §3.2)."""
    fields = {
        "shop": shop,
        "logged_in_customer_id": customer or "",
        "path_prefix": "/apps/holdfast",
        "timestamp": str(int(time.time())),
        **more,
    }
    message = "".join(sorted(f"{name}={value}" for name, value in fields.items()))
    signature = hmac.new(SECRET.encode(), message.encode(), hashlib.sha256).hexdigest()
    return f"{path}?{urlencode({**fields, 'signature': signature})}"


def bearer(customer: str | None = BOB, **more: Any) -> dict[str, str]:
    """The header of an extension (platform.md §9.3)."""
    now = int(time.time())
    claims = {"dest": ALICE, "aud": "dev-key", "exp": now + 300, "nbf": now, "iat": now, "jti": str(uuid.uuid4())}
    if customer:
        claims["sub"] = f"gid://shopify/Customer/{customer}"
    return {"Authorization": f"Bearer {jwt.encode({**claims, **more}, SECRET, 'HS256')}"}


def ask(reward_id: str, key: str = "bob-wants-it") -> dict[str, str]:
    return {"reward_id": reward_id, "idempotency_key": key}


async def earn(amount: str, customer: str = BOB, shop: str = ALICE) -> None:
    await handle(paid(uuid.uuid4().hex[:8], line(amount), customer=customer, shop=shop))


@pytest.fixture
def shopify(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What becomes of the second half of a redemption: `state` captured, held, released, slow or broken."""
    outcome = {"state": "captured"}

    async def complete(_stores: db.Stores, _client: object, redemption_id: str):
        state = outcome["state"]
        if state == "slow":
            await asyncio.sleep(5)
        if state == "broken":
            raise ConnectionResetError
        sql = "UPDATE redemptions SET state = $2, reason = 'It was refused.' WHERE id = $1"
        async with db.transaction() as conn:
            await conn.execute(sql, redemption_id, state)
        view = next(one for one in await storefront.reads.redemptions(ALICE, BOB) if one.id == redemption_id)
        return replace(view, message="A plain sentence.", code="" if state == "held" else view.code or "HF-1")

    monkeypatch.setattr(redemption, "complete", complete)
    return outcome


# what is told


async def test_a_customer_the_app_has_not_met_has_nothing_and_that_is_true(http, rewards) -> None:
    response = await http.get(proxied("/storefront/me"))
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert set(body) == KEYS
    assert body["customer_id"] == BOB
    assert {**body["points"], "as_of": None} == {
        "available": 0, "pending": 0, "held": 0, "as_of": None, "source": "live"
    }  # fmt: skip
    assert datetime.now(UTC) - datetime.fromisoformat(body["points"]["as_of"]) < timedelta(seconds=5)
    assert (body["tier"], body["notices"], body["redemptions"]) == (None, [], [])
    assert body["referral"] == {"url": None, "status": "unavailable"}


async def test_balance_rewards_and_ways_to_earn_are_those_of_the_shop(http, rewards) -> None:
    await program(rate="1.5", pending_days=3)
    await earn("100.00")
    body = (await http.get(proxied("/storefront/me"))).json()
    assert (body["points"]["available"], body["points"]["pending"]) == (0, 150)
    assert body["rewards"][0] == {
        "id": rewards[100], "title": "5.00 off", "cost": 100, "amount_off": "5.00", "currency": "USD"
    }  # fmt: skip
    assert body["ways_to_earn"] == [
        {"kind": "order", "points": "1.5", "per": "1", "currency": "USD", "pending_days": 3}
    ]


async def test_a_balance_is_seen_only_in_its_own_shop_and_by_its_own_customer(http, rewards) -> None:
    await earn("80.00")
    await earn("90.00", shop="charlie.myshopify.com")
    for customer, shop, points in (
        (BOB, ALICE, 80), (BOB, "charlie.myshopify.com", 90), (CHARLIE, ALICE, 0), (BOB, "new.myshopify.com", 0)
    ):  # fmt: skip
        body = (await http.get(proxied("/storefront/me", customer, shop))).json()
        assert body["points"]["available"] == points
    extension = (await http.get("/checkout/me", headers=bearer())).json()
    assert extension["points"]["available"] == 80


@pytest.mark.parametrize("door", ["/storefront/me", "/checkout/me"])
async def test_who_is_not_signed_in_sees_the_offer_and_never_a_balance(http, rewards, door) -> None:
    await earn("80.00")
    if door == "/checkout/me":
        response = await http.get(door, headers=bearer(None))
    else:
        response = await http.get(proxied(door, None))
    body = response.json()
    assert response.status_code == 200
    assert body["customer_id"] is None
    assert body["points"] == {"available": 0, "pending": 0, "held": 0, "as_of": None, "source": "unavailable"}
    assert len(body["rewards"]) == 2
    assert len(body["ways_to_earn"]) == 1


async def test_with_the_points_service_late_the_balance_is_marked_and_dated_by_when_it_had_caught_up(
    http, rewards, stores
) -> None:
    await earn("80.00")
    health.forget()
    await health.beat(stores.queue, "points", 0.0)
    caught_up = health._caught_up["points"]
    assert caught_up
    await health.beat(stores.queue, "points", 60.0)
    points, notices = await _points_and_notices(http)
    assert (points["available"], points["source"]) == (80, "cached")
    assert datetime.fromisoformat(points["as_of"]) == caught_up
    assert notices == ["Updates are on their way."]
    health.forget()
    await stores.queue.delete(health.KEY)  # dead since nobody knows when
    points, notices = await _points_and_notices(http)
    assert (points["source"], notices) == ("cached", ["Updates are on their way."])


async def test_with_postgres_away_the_last_balance_and_offer_stay_and_nothing_is_spent(
    http, rewards, stores, monkeypatch
) -> None:
    await earn("180.00")
    before = (await http.get(proxied("/storefront/me"))).json()
    storefront.forget()
    cache.forget()
    _take_postgres_away(monkeypatch)
    monkeypatch.setattr(cache, "FRESH_SECONDS", -1)
    for key in await stores.cache.keys("cache:*"):
        await stores.cache.hset(key, "t", int((time.time() - 3600) * 1000))
    body = (await http.get(proxied("/storefront/me"))).json()
    assert (body["points"]["available"], body["points"]["source"]) == (180, "cached")
    assert (body["rewards"], body["notices"]) == (before["rewards"], ["Updates are on their way."])
    refused = await http.post(proxied("/storefront/redemptions"), json=ask(rewards[100]))
    assert refused.status_code == 503
    assert refused.json()["error"] == {"code": "unavailable", "message": storefront.AWAY}


async def test_with_nothing_known_at_all_it_says_so(http, monkeypatch) -> None:
    _take_postgres_away(monkeypatch)
    body = (await http.get(proxied("/storefront/me"))).json()
    assert body["points"]["source"] == "unavailable"
    assert (body["rewards"], body["ways_to_earn"]) == ([], [])


# redeeming


async def test_a_redemption_gives_a_code_once_however_often_it_is_asked(http, rewards, shopify) -> None:
    await earn("250.00")
    assert (await http.get(proxied("/storefront/me"))).json()["points"]["available"] == 250  # warms the cache
    first = await http.post(proxied("/storefront/redemptions"), json=ask(rewards[100]))
    assert first.status_code == 200, first.text
    body = first.json()
    assert set(body) == {"redemption", "points"}
    assert set(body["redemption"]) == {"id", "state", "code", "title", "points", "message"}
    assert (body["redemption"]["state"], body["redemption"]["points"]) == ("captured", 100)
    assert body["redemption"]["code"]
    assert body["points"]["available"] == 150
    again = await http.post("/checkout/redemptions", json=ask(rewards[100]), headers=bearer())
    assert again.status_code == 200
    assert again.json()["redemption"]["id"] == body["redemption"]["id"]
    me = (await http.get(proxied("/storefront/me"))).json()
    assert me["points"]["available"] == 150
    assert [set(one) for one in me["redemptions"]] == [{"id", "state", "code", "title", "points"}]


async def test_a_key_used_for_another_reward_is_a_conflict(http, rewards, shopify) -> None:
    await earn("800.00")
    assert (await http.post(proxied("/storefront/redemptions"), json=ask(rewards[100]))).status_code == 200
    other = await http.post(proxied("/storefront/redemptions"), json=ask(rewards[500]))
    assert (other.status_code, other.json()["error"]["code"]) == (409, "conflict")
    assert (await http.get(proxied("/storefront/me"))).json()["points"]["available"] == 700


async def test_more_than_the_balance_is_refused_with_a_sentence(http, rewards, shopify) -> None:
    await earn("99.00")
    refused = await http.post(proxied("/storefront/redemptions"), json=ask(rewards[100]))
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "insufficient_points")
    assert refused.json()["error"]["message"].endswith(".")


@pytest.mark.parametrize("state", ["held", "broken"])
async def test_while_shopify_does_not_answer_the_code_is_being_prepared(http, rewards, shopify, state) -> None:
    shopify["state"] = state
    await earn("140.00")
    response = await http.post(proxied("/storefront/redemptions"), json=ask(rewards[100]))
    assert response.status_code == 202
    body = response.json()
    assert (body["redemption"]["state"], body["redemption"]["code"]) == ("held", "")
    assert body["redemption"]["message"]
    assert (body["points"]["available"], body["points"]["held"]) == (40, 100)


async def test_a_slow_shopify_is_not_waited_for(http, rewards, shopify, monkeypatch) -> None:
    monkeypatch.setattr(storefront.COMPLETIONS, "deadline_seconds", 0.1)
    shopify["state"] = "slow"
    await earn("140.00")
    response = await http.post(proxied("/storefront/redemptions"), json=ask(rewards[100]))
    assert response.status_code == 202


async def test_what_shopify_refuses_is_told_with_its_reason(http, rewards, shopify) -> None:
    shopify["state"] = "released"
    await earn("140.00")
    response = await http.post(proxied("/storefront/redemptions"), json=ask(rewards[100]))
    assert response.status_code == 422
    assert response.json()["error"] == {"code": "refused", "message": "A plain sentence."}


# what is refused


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
async def test_a_body_of_another_shape_is_refused_with_a_sentence(http, rewards, body, status) -> None:
    await earn("500.00")
    response = await http.post(proxied("/storefront/redemptions"), content=body)
    assert response.status_code == status, response.text
    assert response.json()["error"]["message"].endswith(".")
    assert (await http.get(proxied("/storefront/me"))).json()["points"]["available"] == 500


async def test_a_reward_of_another_shop_is_not_there(http, rewards) -> None:
    await actions.ensure_program("charlie.myshopify.com", "USD", "UTC")
    foreign = (await storefront.reads.rewards("charlie.myshopify.com"))[0].id
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
    "address",
    [
        "/storefront/me",
        proxied("/storefront/me") + "0",
        proxied("/storefront/me").replace(BOB, CHARLIE),
        proxied("/storefront/me") + "&shop=charlie.myshopify.com",
        proxied("/storefront/me", timestamp=str(int(time.time()) - 3600)),
        proxied("/storefront/me", shop="alice.example.com"),
    ],
)
async def test_a_forged_or_replayed_proxy_request_is_refused(http, address) -> None:
    response = await http.get(address)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthorized")
    assert "access-control-allow-origin" not in response.headers  # the proxy is of the shop's own origin


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic abc"},
        {"Authorization": "Bearer not.a.token"},
        bearer(exp=int(time.time()) - 60),
        bearer(aud="another-app"),
    ],
)
async def test_a_token_that_proves_nothing_is_refused_in_a_way_the_extension_can_read(http, headers) -> None:
    for response in (
        await http.get("/checkout/me", headers=headers),
        await http.post("/checkout/redemptions", json=ask("1"), headers=headers),
    ):
        assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthorized")
        assert response.headers["access-control-allow-origin"] == "*"


async def test_extensions_may_ask_from_any_origin(http, rewards) -> None:
    for path in ("/checkout/me", "/checkout/redemptions"):
        preflight = await http.options(path, headers={"Access-Control-Request-Method": "POST", "Origin": "null"})
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


async def test_referral_links_come_later_and_it_says_so(http) -> None:
    response = await http.post(proxied("/storefront/referral-link"))
    assert (response.status_code, response.json()["error"]["code"]) == (503, "unavailable")


async def test_a_loop_in_a_browser_is_slowed_down_and_nobody_else(http, rewards, monkeypatch) -> None:
    monkeypatch.setattr(storefront, "CUSTOMER_BURST", 3)
    monkeypatch.setattr(storefront, "CUSTOMER_PER_SECOND", 0.1)
    answers = [await http.post(proxied("/storefront/redemptions"), json=ask(rewards[500])) for _ in range(4)]
    assert [one.status_code for one in answers] == [422, 422, 422, 429]
    assert answers[-1].json()["error"]["code"] == "rate_limited"
    assert int(answers[-1].headers["retry-after"]) >= 1
    other = await http.post(proxied("/storefront/redemptions", CHARLIE), json=ask(rewards[500]))
    assert other.status_code == 422


# speed


async def test_a_warm_me_costs_one_question_to_redis_and_none_to_postgres(http, rewards, stores, monkeypatch) -> None:
    await earn("80.00")
    await http.get(proxied("/storefront/me"))
    asked: list[str] = []
    original = stores.cache.execute_command

    async def counting(*arguments: Any, **options: Any) -> Any:
        asked.append(str(arguments[0]))
        return await original(*arguments, **options)

    _take_postgres_away(monkeypatch)
    monkeypatch.setattr(stores.cache, "execute_command", counting)
    monkeypatch.setattr(stores.queue, "execute_command", counting)
    body = (await http.get(proxied("/storefront/me"))).json()
    assert (body["points"]["available"], body["points"]["source"]) == (80, "live")
    assert asked == ["HMGET"]


def _take_postgres_away(monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        async def __aenter__(self) -> None:
            raise ConnectionRefusedError("postgres is away")

        async def __aexit__(self, *_: object) -> None: ...

    monkeypatch.setattr(db, "connection", Away)
    monkeypatch.setattr(db, "transaction", Away)


async def _points_and_notices(http: httpx2.AsyncClient) -> tuple[dict[str, Any], list[str]]:
    body = json.loads((await http.get(proxied("/storefront/me"))).text)
    return body["points"], body["notices"]
