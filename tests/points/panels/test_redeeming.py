"""Redeeming through the storefront: one code, however it is asked for and whatever Shopify does
meanwhile.
"""

import asyncio
import time
from unittest.mock import AsyncMock

import asyncpg
import pytest
from asyncpg.exceptions import InternalClientError

from app.points.ledger import balances
from app.points.panels import redeeming
from tests.points.world import ALICE, BOB, one
from tests.storefront.callers import ask, bearer, earn, proxied


async def test_a_redemption_gives_a_code_once_however_often_it_is_asked(
    http, rewards, shopify
) -> None:
    await earn("250.00")
    assert (await http.get(proxied("/storefront/me"))).json()["points"][
        "available"
    ] == 250  # warms the cache
    first = await http.post(proxied("/storefront/redemptions"), json=ask(rewards[100]))
    assert first.status_code == 200, first.text
    body = first.json()
    assert set(body) == {"redemption", "points"}
    told = {"id", "state", "code", "title", "points"}
    told |= {"kind", "amount_off", "percent_off", "currency", "ends_at", "conditions"}
    told |= {"returned_points"}
    assert set(body["redemption"]) == told | {"message"}
    assert (body["redemption"]["state"], body["redemption"]["points"]) == ("captured", 100)
    assert body["redemption"]["code"]
    assert body["points"]["available"] == 150
    again = await http.post("/checkout/redemptions", json=ask(rewards[100]), headers=bearer())
    assert again.status_code == 200
    assert again.json()["redemption"]["id"] == body["redemption"]["id"]
    me = (await http.get(proxied("/storefront/me"))).json()
    assert me["points"]["available"] == 150
    assert [set(one) for one in me["redemptions"]] == [told]


async def test_the_balance_after_a_redemption_is_right_even_when_the_cache_missed_it(
    http, rewards, shopify, monkeypatch
) -> None:
    async def missed(*_: object) -> None: ...

    await earn("250.00")
    assert (await http.get(proxied("/storefront/me"))).json()["points"]["available"] == 250
    monkeypatch.setattr(balances, "publish", missed)
    body = (await http.post(proxied("/storefront/redemptions"), json=ask(rewards[100]))).json()
    assert body["points"]["available"] == 150


async def test_a_key_used_for_another_reward_is_a_conflict(http, rewards, shopify) -> None:
    await earn("800.00")
    assert (
        await http.post(proxied("/storefront/redemptions"), json=ask(rewards[100]))
    ).status_code == 200
    other = await http.post(proxied("/storefront/redemptions"), json=ask(rewards[500]))
    assert (other.status_code, other.json()["error"]["code"]) == (409, "conflict")
    assert (await http.get(proxied("/storefront/me"))).json()["points"]["available"] == 700


async def test_more_than_the_balance_is_refused_with_a_sentence(http, rewards, shopify) -> None:
    await earn("99.00")
    refused = await http.post(proxied("/storefront/redemptions"), json=ask(rewards[100]))
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "insufficient_points")
    assert refused.json()["error"]["message"].endswith(".")


@pytest.mark.parametrize("state", ["held", "broken"])
async def test_while_shopify_does_not_answer_the_code_is_being_prepared(
    http, rewards, shopify, state
) -> None:
    shopify["state"] = state
    await earn("140.00")
    response = await http.post(proxied("/storefront/redemptions"), json=ask(rewards[100]))
    assert response.status_code == 202
    body = response.json()
    assert (body["redemption"]["state"], body["redemption"]["code"]) == ("held", "")
    assert body["redemption"]["message"]
    assert (body["points"]["available"], body["points"]["held"]) == (40, 100)


async def test_a_slow_shopify_is_not_waited_for(http, rewards, shopify, monkeypatch) -> None:
    monkeypatch.setattr(redeeming.COMPLETIONS, "deadline_seconds", 0.1)
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


async def test_a_connection_torn_on_its_way_back_to_the_pool_does_not_cost_the_shopper_the_answer(
    http, rewards, monkeypatch
) -> None:
    torn = InternalClientError("cannot switch to state 15; another operation (2) is in progress")
    await earn("140.00")
    monkeypatch.setattr(redeeming.redemption, "complete", AsyncMock(side_effect=torn))
    response = await http.post(proxied("/storefront/redemptions"), json=ask(rewards[100]))
    assert (response.status_code, response.json()["redemption"]["state"]) == (202, "held")
    monkeypatch.setattr(redeeming.actions, "redeem", AsyncMock(side_effect=torn))
    response = await http.post(proxied("/storefront/redemptions"), json=ask(rewards[100]))
    assert (response.status_code, response.json()["error"]["code"]) == (503, "unavailable")


@pytest.mark.hangs
async def test_whoever_waits_behind_a_locked_row_has_an_answer_while_a_shopper_still_waits_for_it(
    http, rewards, shopify, stores
) -> None:
    """Twice two seconds at most, for the taps before and for the row: a shop's proxy waits five."""
    await earn("250.00")
    holder = await asyncpg.connect(stores.config.database_url)

    async def tap(number: int) -> float:
        began = time.monotonic()
        answer = await http.post(
            proxied("/storefront/redemptions"), json=ask(rewards[100], f"tap-{number:05}")
        )
        assert answer.status_code == 503
        return time.monotonic() - began

    try:
        await holder.execute("BEGIN")
        await holder.execute(
            "SELECT FROM members WHERE shop = $1 AND customer_id = $2 FOR UPDATE", ALICE, BOB
        )
        first = asyncio.create_task(tap(1))
        await asyncio.sleep(1.5)
        assert await tap(2) < 5.0, "it came while the first was still waiting for the row"
        assert await first < 5.0
    finally:
        await holder.close()


@pytest.mark.hangs
async def test_a_shopper_whose_row_is_locked_is_told_so_and_nobody_else_notices(
    http, rewards, shopify, stores
) -> None:
    await earn("250.00")
    await earn("250.00", customer="7002")
    holder = await asyncpg.connect(stores.config.database_url)
    try:
        await holder.execute("BEGIN")
        await holder.execute(
            "SELECT FROM members WHERE shop = $1 AND customer_id = $2 FOR UPDATE", ALICE, BOB
        )
        started = time.monotonic()
        taps = [
            asyncio.create_task(
                http.post(proxied("/storefront/redemptions"), json=ask(rewards[100], f"tap-{n:05}"))
            )
            for n in range(30)
        ]
        await asyncio.sleep(0.3)
        other = await http.post(
            proxied("/storefront/redemptions", customer="7002"), json=ask(rewards[100])
        )
        assert (other.status_code, time.monotonic() - started < 5.0) == (200, True)
        answers = await asyncio.gather(*taps)
        assert {answer.status_code for answer in answers} == {503}
        codes = {answer.json()["error"]["code"] for answer in answers}
        assert codes <= {"busy", "unavailable"}
        assert "They are safe" in answers[0].json()["error"]["message"]
        again = await http.post(
            proxied("/storefront/redemptions", customer="7002"), json=ask(rewards[100])
        )
        assert again.status_code == 200, "the circuit did not open"
    finally:
        await holder.close()
    after = await http.post(proxied("/storefront/redemptions"), json=ask(rewards[100]))
    assert after.status_code == 200
    assert await one("SELECT count(*) FROM redemptions") == 2
