"""What the widget and the extensions are told: whose balance, how old, and what the shop offers."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from app import db
from app.flow.lanes import backlog, lane
from app.points.ledger import balances
from app.points.panels import redeeming, shopper
from app.resilience import cache, health, reach
from local import servers
from tests.points.world import ALICE, BOB, program
from tests.storefront.callers import CHARLIE, FIELDS, ask, bearer, earn, proxied


async def test_a_customer_the_app_has_not_met_has_nothing_and_that_is_true(http, rewards) -> None:
    response = await http.get(proxied("/storefront/me"))
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert set(body) == set(FIELDS)
    assert body["customer_id"] == BOB
    assert {**body["points"], "as_of": None} == {
        "available": 0,
        "pending": 0,
        "held": 0,
        "as_of": None,
        "source": "live",
        "debt": 0,
        "sequence": 0,
    }
    assert datetime.now(UTC) - datetime.fromisoformat(body["points"]["as_of"]) < timedelta(
        seconds=5
    )
    assert (body["tier"], body["notices"], body["redemptions"]) == (None, [], [])
    assert (body["referral"]["url"], body["referral"]["status"]) == (None, "unavailable")


async def test_balance_rewards_and_ways_to_earn_are_those_of_the_shop(http, rewards) -> None:
    await program(rate="1.5", pending_days=3)
    await earn("100.00")
    body = (await http.get(proxied("/storefront/me"))).json()
    assert (body["points"]["available"], body["points"]["pending"]) == (0, 150)
    assert body["rewards"][0] == {
        "id": rewards[100],
        "title": "5.00 off",
        "kind": "amount_off",
        "text": "",
        "icon": "",
        "cost": 100,
        "amount_off": "5.00",
        "percent_off": None,
        "currency": "USD",
        "conditions": {
            "minimum_subtotal": None,
            "is_limited_to_products": False,
            "needs_purchase": False,
            "combines_with": [],
            "code_days": None,
            "per_customer": None,
            "left": None,
            "tiers": [],
            "ends_at": None,
        },
        "choose": None,
        "can_redeem": False,
        "why_not": "100 more points to go.",
    }
    assert body["ways_to_earn"] == [
        {
            "kind": "order",
            "id": "order",
            "title": "Place an order",
            "points": "1.5",
            "per": "1",
            "times": None,
            "currency": "USD",
            "url": None,
            "pending_days": 3,
            "state": "open",
            "again_at": None,
        }
    ]


async def test_a_balance_is_seen_only_in_its_own_shop_and_by_its_own_customer(
    http, rewards
) -> None:
    await earn("80.00")
    await earn("90.00", shop="charlie.myshopify.com")
    for customer, shop, points in (
        (BOB, ALICE, 80),
        (BOB, "charlie.myshopify.com", 90),
        (CHARLIE, ALICE, 0),
        (BOB, "new.myshopify.com", 0),
    ):
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
    assert body["points"] == {
        "available": 0,
        "pending": 0,
        "held": 0,
        "as_of": None,
        "source": "unavailable",
        "debt": 0,
        "sequence": None,
    }
    assert body["codes"] is None
    assert len(body["rewards"]) == 2
    assert len(body["ways_to_earn"]) == 1


async def test_with_the_points_service_late_the_balance_is_dated_by_when_it_had_caught_up(
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
    http, rewards, stores, take_postgres_away
) -> None:
    await earn("180.00")
    before = (await http.get(proxied("/storefront/me"))).json()
    shopper.forget()
    cache.forget()
    take_postgres_away()
    for key in await stores.cache.keys("cache:*"):
        sequence, _, payload = (await stores.cache.get(key)).split(b" ", 2)
        an_hour_ago = int((time.time() - 3600) * 1000)
        await stores.cache.set(key, b"%b %d %b" % (sequence, an_hour_ago, payload), ex=60)
    body = (await http.get(proxied("/storefront/me"))).json()
    assert (body["points"]["available"], body["points"]["source"]) == (180, "cached")
    assert (body["rewards"], body["notices"]) == (before["rewards"], ["Updates are on their way."])
    refused = await http.post(proxied("/storefront/redemptions"), json=ask(rewards[100]))
    assert refused.status_code == 503
    assert refused.json()["error"] == {"code": "unavailable", "message": redeeming.AWAY}


async def test_a_balance_the_cache_was_not_told_of_is_read_past_it_once_that_is_known(
    http, rewards, stores
) -> None:
    await earn("80.00")
    points, _ = await _points_and_notices(http)
    assert (points["available"], points["source"]) == (80, "live")
    await earn("20.00")
    # points alone has lost Redis
    away = db.redis_client(f"redis://127.0.0.1:{servers.free_port()}/0")
    await cache.put_if_newer(away, [(balances.cache_key(ALICE, BOB), 2, b"{}")])
    await health.beat(stores.queue, "points", 0.0)  # and is back
    health._memo = None  # as after a second
    points, _ = await _points_and_notices(http)
    assert (points["available"], points["source"]) == (100, "live")


async def test_with_points_not_heard_of_the_balance_is_as_of_its_last_word(
    http, rewards, stores
) -> None:
    await earn("80.00")
    assert (await _points_and_notices(http))[0]["source"] == "live"
    said = json.loads(await stores.queue.hget(health.KEY, "points"))
    last_word = datetime.fromisoformat(said["beat_at"]) - timedelta(seconds=4)
    said |= {"beat_at": last_word.isoformat(), "caught_up_at": last_word.isoformat()}
    await stores.queue.hset(health.KEY, "points", json.dumps(said))
    health._memo = None
    points, _ = await _points_and_notices(http)
    assert (points["available"], points["source"]) == (80, "cached")
    assert datetime.fromisoformat(points["as_of"]) == last_word


async def test_with_the_database_away_a_fresh_balance_is_marked_all_the_same(
    http, rewards, take_postgres_away
) -> None:
    await earn("80.00")
    live, _ = await _points_and_notices(http)
    take_postgres_away()
    await reach.look()
    points, notices = await _points_and_notices(http)
    assert (points["available"], points["source"]) == (80, "cached")
    assert points["as_of"][:23] == live["as_of"][:23], "the cache keeps milliseconds"
    assert notices == ["Updates are on their way."]


async def test_with_nothing_known_at_all_it_says_so(http, take_postgres_away) -> None:
    take_postgres_away()
    body = (await http.get(proxied("/storefront/me"))).json()
    assert body["points"]["source"] == "unavailable"
    assert (body["rewards"], body["ways_to_earn"]) == ([], [])


async def test_a_warm_me_costs_one_question_to_redis_and_none_to_postgres(
    http, rewards, stores, monkeypatch, take_postgres_away
) -> None:
    await earn("80.00")
    await http.get(proxied("/storefront/me"))
    asked: list[str] = []
    original = stores.cache.execute_command

    async def counting(*arguments: Any, **options: Any) -> Any:
        asked.append(str(arguments[0]))
        return await original(*arguments, **options)

    take_postgres_away()
    monkeypatch.setattr(stores.cache, "execute_command", counting)
    monkeypatch.setattr(stores.queue, "execute_command", counting)
    body = (await http.get(proxied("/storefront/me"))).json()
    assert (body["points"]["available"], body["points"]["source"]) == (80, "live")
    assert asked == ["MGET"]


async def _points_and_notices(http: httpx2.AsyncClient) -> tuple[dict[str, Any], list[str]]:
    body = json.loads((await http.get(proxied("/storefront/me"))).text)
    return body["points"], body["notices"]


async def test_with_webhooks_of_the_shop_waiting_the_balance_is_that_of_the_first_of_them(
    http, rewards, stores
) -> None:
    await earn("42.00")
    assert (await http.get(proxied("/storefront/me"))).json()["points"]["source"] == "live"
    received_ms = int(time.time() * 1000) - 60_000
    waiting = [
        lane.LaneItem(received_ms, ALICE, "orders/paid", f"w{number}", "", "", "", "", b"{}")
        for number in range(3000)
    ]
    await lane.admit(stores.queue, waiting, stores.config)
    backlog.forget()
    body = (await http.get(proxied("/storefront/me"))).json()
    assert (body["points"]["available"], body["points"]["source"]) == (42, "cached")
    as_of = datetime.fromisoformat(body["points"]["as_of"])
    assert abs(as_of.timestamp() - received_ms / 1000) < 0.01
    assert "3,000 updates of this shop are waiting." in body["notices"]
