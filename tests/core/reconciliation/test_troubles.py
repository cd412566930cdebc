"""What goes wrong while shops are compared with Shopify stays with the shop it happens to."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from app import db
from app.core.models import Shop
from app.core.reconciliation import actions, looking, planning, reads, rules, telling
from app.flags import evaluation
from app.flags.known import RECONCILIATION, default
from app.flow.lanes import losses
from app.shopify import graphql
from tests.core.reconciliation.world import (
    NEVER,
    booked,
    drain,
    execute,
    is_noted,
    look,
    loses,
    opened,
    told,
)
from tests.devstore.conftest import SHOP, Store

BOBS = "bobs.myshopify.com"


async def test_while_shopify_fails_the_window_stays_noted_and_is_tried_later_and_later(
    quick: db.Stores, store: Store, monkeypatch
) -> None:
    await opened(store, quick.config)
    await loses(store, "*")
    await store.order(await store.customer())
    await is_noted()
    monkeypatch.setattr(looking, "WAIT_SECONDS_MAX", 0.2)
    monkeypatch.setattr(graphql, "DEADLINE_SECONDS", 1.0)
    for mode in ("fail", "throttle"):
        await store.control("POST", "shopify", {"mode": mode})
        await look(quick, store)
    monkeypatch.setattr(graphql, "DEADLINE_SECONDS", 60.0)
    monkeypatch.setattr(looking, "WAIT_SECONDS_MAX", 60.0)
    (row,) = await booked()
    assert (row["tries"], row["done_at"]) == (2, None)
    assert row["error"]
    assert row["next_at"] - datetime.now(UTC) > timedelta(seconds=50)
    (noted,) = await losses.shown()
    assert noted.reconciled_at is None
    (progress,) = await reads.progress(SHOP)
    assert (progress.is_done, progress.told) == (False, 0)
    await store.control("POST", "shopify", {"mode": "normal"})
    await look(quick, store, times=3)
    (row,) = await booked()
    assert (row["error"], row["found"], row["tries"]) == ("", 1, 0)
    assert row["done_at"] is not None
    assert len(await told("order.updated")) == 1


async def test_shopify_failing_in_the_middle_loses_nothing_and_repeats_nothing(
    quick: db.Stores, store: Store
) -> None:
    await opened(store, quick.config)
    await loses(store, "*")
    for _ in range(4):
        await store.order()
    await is_noted()
    calls = 0
    answered = store.world.trouble.before

    async def fails_in_the_middle(shop: str):
        nonlocal calls
        calls += 1
        if calls == 4:
            store.world.trouble.change("fail")
        return await answered(shop)

    store.world.trouble.before = fails_in_the_middle  # type: ignore[method-assign]
    await look(quick, store)
    store.world.trouble.change("normal")
    before = len(await told("order.updated"))
    assert 0 < before < 4
    await look(quick, store, times=3)
    assert sorted(one["order_name"] for one in await told("order.updated")) == [
        "#1001",
        "#1002",
        "#1003",
        "#1004",
    ]
    (row,) = await booked()
    assert row["done_at"] is not None


@pytest.mark.parametrize("count", [40, pytest.param(1_000, marks=pytest.mark.long)])
async def test_a_shop_that_hangs_holds_up_no_other(
    quick: db.Stores, monkeypatch, count: int
) -> None:
    names = [f"shop-{number}.myshopify.com" for number in range(count)]
    await Shop.bulk_create([Shop(domain=name, name=name) for name in names])
    await execute("UPDATE shops SET installed_at = now() - interval '1 day'")
    await is_noted()
    hanging, others = asyncio.Event(), asyncio.Event()
    seen: set[str] = set()

    async def step(_: object, looked: rules.Look) -> bool:
        if looked.shop == names[0]:
            await hanging.wait()
        return True

    async def take(place: int) -> None:
        await actions.look_at_due(quick, None, NEVER)  # type: ignore[arg-type]
        seen.add(str(place))
        if len(seen) == 2:
            others.set()

    monkeypatch.setattr(looking, "STEPS", dict.fromkeys(rules.PARTS, step))
    await planning.plan(quick)
    await execute("DELETE FROM reconciliations WHERE loss_id IS NULL")
    await execute("UPDATE reconciliations SET looks = 1")
    first = "UPDATE reconciliations SET next_at = now() - interval '1 hour' WHERE shop = $1"
    await execute(first, names[0])
    places = [asyncio.create_task(take(place)) for place in range(3)]
    async with asyncio.timeout(300):
        await others.wait()
    (found, *_), _, _ = await reads.of_all()
    assert (found.shops, found.done) == (count, count - 1)
    await planning.plan(quick)
    assert (await losses.shown())[0].reconciled_at is None, "its own hour is still open"
    hanging.set()
    await asyncio.gather(*places)
    await planning.plan(quick)
    assert (await losses.shown())[0].reconciled_at is not None


async def test_two_processes_share_the_shops_and_tell_nothing_twice(
    quick: db.Stores, store: Store
) -> None:
    for shop in (SHOP, BOBS):
        await opened(store, quick.config, shop)
    await loses(store, "*")
    for shop in (SHOP, BOBS):
        for _ in range(3):
            line = {"title": "Mug", "price": "10.00", "quantity": 1}
            await store.control("POST", f"shops/{shop}/orders", {"lines": [line]})
    await is_noted()
    for _ in range(3):
        await asyncio.gather(planning.plan(quick), planning.plan(quick))
        await execute("UPDATE reconciliations SET next_at = now() WHERE done_at IS NULL")
        places = [actions.look_at_due(quick, store.http, NEVER) for _ in range(4)]
        await asyncio.gather(*places)
        await drain(quick)
    assert len(await told("order.updated")) == 6
    await planning.plan(quick)
    assert [one.reconciled_at is None for one in await losses.shown()] == [False]


async def test_whoever_was_paused_too_long_moves_nothing(quick: db.Stores, store: Store) -> None:
    await opened(store, quick.config)
    await is_noted()
    await planning.plan(quick)
    async with db.connection() as connection:
        mine = await connection.fetchrow(actions.CLAIM, 0.0, 0.0)
        other = await connection.fetchrow(actions.CLAIM, 0.0, 0.0)
    assert (mine["id"], mine["turn"] + 1) == (other["id"], other["turn"])
    keeper = actions._Keeper(mine)
    with pytest.raises(actions.TakenOverError):
        await keeper.save(rules.Look(SHOP, mine["since"], mine["until"], found=9))
    (row,) = await booked()
    assert row["found"] == 0


async def test_a_crash_in_the_middle_goes_on_where_it_was(
    quick: db.Stores, store: Store, monkeypatch
) -> None:
    await opened(store, quick.config)
    await loses(store, "*")
    for _ in range(3):
        await store.order()
    await is_noted()
    await planning.plan(quick)
    calls, tell = [], telling.tell

    async def dies(stores: db.Stores, items) -> int:
        calls.append(items)
        if len(calls) == 2:
            raise asyncio.CancelledError
        return await tell(stores, items)

    monkeypatch.setattr(telling, "tell", dies)
    with pytest.raises(asyncio.CancelledError):
        await actions.look_at_due(quick, store.http, NEVER)
    (row,) = await booked()
    assert row["next_at"] > datetime.now(UTC), "its turn is taken for a while"
    monkeypatch.setattr(telling, "tell", tell)
    await drain(quick)
    await look(quick, store, times=3)
    assert len(await told("order.updated")) == 3
    assert (await booked())[0]["done_at"] is not None


async def test_a_refused_token_is_a_question_whether_the_shop_left(
    quick: db.Stores, store: Store
) -> None:
    await opened(store, quick.config)
    await is_noted()
    for token in list(store.world.state.of_shop("access_token", SHOP)):
        store.world.state.drop("access_token", token.token)
    await look(quick, store)
    assert (await Shop.get(domain=SHOP)).leaving_at is not None
    (row,) = await booked()
    assert row["done_at"] is None


async def test_a_grant_that_ran_out_by_itself_is_no_such_question(
    quick: db.Stores, store: Store
) -> None:
    await opened(store, quick.config)
    await Shop.filter(domain=SHOP).update(status="needs_reopen", access_token=None)
    await is_noted()
    await look(quick, store)
    assert (await Shop.get(domain=SHOP)).leaving_at is None
    (row,) = await booked()
    assert row["error"]
    assert row["done_at"] is None


async def test_nothing_is_looked_for_while_that_is_off(quick: db.Stores, store: Store) -> None:
    await opened(store, quick.config)
    await loses(store, "*")
    await store.order()
    await is_noted()
    evaluation.table.settings = {
        RECONCILIATION.key: default(RECONCILIATION)._replace(is_enabled=False)
    }
    evaluation._remembered.clear()
    await look(quick, store)
    assert await told("order.updated") == []
    evaluation.table.settings = {}
    evaluation._remembered.clear()
    await look(quick, store)
    assert len(await told("order.updated")) == 1
