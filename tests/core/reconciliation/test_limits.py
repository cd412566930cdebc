"""Comparing with Shopify crowds nobody: not the lane, nor the budget, nor Shopify."""

import asyncio
import time

import pytest

from app import db
from app.core import admin_api
from app.core.reconciliation import actions, asking, looking, planning, rules, telling
from app.errors import UnavailableError
from app.flow.lanes import lane
from app.shopify import graphql
from tests.core.reconciliation.world import (
    NEVER,
    booked,
    execute,
    is_noted,
    look,
    loses,
    opened,
    told,
)
from tests.devstore.conftest import SHOP, Store
from tests.flow.helpers import letters
from tests.flow.lanes.drains import item as order


async def test_what_is_found_waits_while_the_shops_own_webhooks_do(
    quick: db.Stores, store: Store, monkeypatch
) -> None:
    await opened(store, quick.config)
    await loses(store, "*")
    await store.order()
    await is_noted()
    monkeypatch.setattr(actions, "TURN_SECONDS", 0.3)
    own = [order(f"own-{number}", SHOP) for number in range(telling.LANE_MAX)]
    await lane.admit(quick.lane, own, quick.config)
    await planning.plan(quick)
    await execute("UPDATE reconciliations SET next_at = now()")
    stop = asyncio.Event()
    looked = asyncio.create_task(actions.look_at_due(quick, store.http, stop))
    await asyncio.sleep(0.6)
    stop.set()
    await looked
    assert await lane.lane_length(quick.lane, SHOP) == telling.LANE_MAX
    assert (await booked())[0]["error"] == "", "it is no failure"


async def test_a_call_waits_until_the_shop_has_room_for_its_shoppers(
    quick: db.Stores, store: Store, monkeypatch
) -> None:
    await opened(store, quick.config)
    monkeypatch.setattr(looking, "WAIT_SECONDS_MAX", 0.2)
    status = {"maximumAvailable": 1000, "currentlyAvailable": 300, "restoreRate": 1}
    graphql.budgets.learn(
        SHOP, "shop_told", {"cost": {"requestedQueryCost": 3, "throttleStatus": status}}
    )
    looker = looking.Looker(quick, store.http, time.monotonic() + 5, NEVER)
    with pytest.raises(graphql.ThrottledError):
        await looker.ask(SHOP)("shop_told", {})
    data = await admin_api.call(store.http, quick.config, SHOP, "shop_told", {})
    assert data["shop"]["name"] == "Alice", "a shopper's call has what is left"


async def test_an_order_that_is_too_large_is_set_aside_with_its_reason(
    quick: db.Stores, store: Store, monkeypatch
) -> None:
    await opened(store, quick.config)
    await loses(store, "*")
    made = await store.order(lines=[{"title": "Mug", "price": "1.00", "quantity": 1}] * 25)
    await store.order()
    monkeypatch.setattr(asking, "LINES_MAX", 20)
    await is_noted()
    await look(quick, store)
    (letter,) = await letters()
    assert letter["reason"] == "The order has more than 20 lines."
    assert str(made["id"]).encode() in bytes(letter["payload"])
    assert [one["order_name"] for one in await told("order.updated")] == ["#1002"]
    assert telling.BODY_BYTES_MAX == 2 * 1024 * 1024


async def test_a_lane_that_is_full_is_no_loss(quick: db.Stores, monkeypatch) -> None:
    async def full(*_: object) -> lane.Admitted:
        return lane.Admitted(["full"], is_wake_needed=False)

    monkeypatch.setattr(lane, "admit", full)
    one = telling.item(quick, SHOP, "orders/updated", "reconciled-order-1-1", {}, "")
    with pytest.raises(UnavailableError):
        await telling.tell(quick, [one])


def test_shops_are_spread_over_a_round_and_what_fails_is_asked_less_and_less() -> None:
    names = [f"shop-{number}.myshopify.com" for number in range(1_000)]
    places = sorted(rules.spread_seconds(name, 21_600) for name in names)
    assert places[0] >= 0
    assert places[-1] < 21_600
    assert 4_000 < places[250] < 7_000
    waits = [rules.backoff_seconds(tries) for tries in range(12)]
    assert waits == sorted(waits)
    assert (waits[1], waits[-1]) == (30, 3600)


def test_a_look_is_settled_when_it_tells_nothing_and_a_loss_is_looked_at_twice() -> None:
    assert rules.is_settled(rules.ROUND, 1, 0)
    assert not rules.is_settled(rules.ROUND, 1, 3)
    assert not rules.is_settled("loss:1", 1, 0)
    assert rules.is_settled("loss:1", 2, 0)
