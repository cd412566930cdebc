"""Two at once about one member's tier, and what a tier gives on entry, once."""

import asyncio
from datetime import timedelta
from functools import partial

import pytest

from app import db
from app.points.earning import actions as earning
from app.points.ledger.audit import verify
from app.points.rewards import reads as rewards
from app.points.tiers import actions, recounting, standing
from app.points.tiers.rules import Scheme, Tier
from tests.points.tiers.world import (
    BRONZE,
    SILVER,
    THREE,
    changes,
    order,
    pass_time,
    placed,
    refund,
    tier_of,
    tiers,
)
from tests.points.world import ALICE, BOB, crowd, days_ago, handle, now, one, program

pytestmark = pytest.mark.usefixtures("stores")


async def test_orders_of_one_member_at_once_all_count() -> None:
    await program()
    await tiers(period="rolling")
    await handle(order("0", "1.00", now()))
    await crowd(*(partial(handle, order(str(number), "50.00", now())) for number in range(1, 11)))
    assert await tier_of() == "gold"
    reached = [tier_id for _, tier_id, _ in await changes()]
    assert reached == ["silver", "gold"], "once each, whoever came first"
    assert (await verify(ALICE)).problems == []


async def test_an_order_its_refund_time_and_settings_at_once() -> None:
    await program()
    await tiers(period="rolling", days=30, policy="balance")
    await handle(*(order(str(number), "90.00", days_ago(2)) for number in range(4)))

    async def settle() -> None:
        scheme = Scheme(period="rolling", days=30, policy="balance", tiers=[BRONZE, SILVER])
        await actions.save(ALICE, scheme, "Alice")
        for _ in range(10):
            await recounting.go_on()
            await asyncio.sleep(0.01)

    await crowd(
        settle,
        partial(pass_time, now()),
        *(partial(handle, refund(str(number))) for number in range(3)),
        *(partial(handle, order(str(number), "5.00", now())) for number in range(10, 16)),
    )
    await placed()
    assert await tier_of() == "silver"
    assert (await verify(ALICE)).problems == []


async def test_a_late_order_counts_for_the_year_it_was_placed_in() -> None:
    await program()
    await tiers(policy="cycle")
    await handle(order("1", "30.00", now()))
    last_year = now().replace(year=now().year - 1, month=6, day=15)
    await handle(order("2", "600.00", last_year))
    assert await tier_of() == "gold", "what a year reached is kept through the next one"
    assert await one("SELECT have FROM tier_standings") == 30
    await handle(order("3", "600.00", last_year.replace(year=last_year.year - 1), customer="7002"))
    assert await tier_of("7002") == "bronze"


async def test_a_tier_gives_its_reward_on_entry_once_and_never_by_settings(stores) -> None:
    await earning.ensure_program(ALICE, "USD", "UTC")
    reward = next(row.id for row in await rewards.rewards(ALICE) if row.cost == 100)
    gold = Tier("gold", "Gold", 500, 15_000, reward_id=reward)
    await handle(order("1", "600.00", now(), customer="7002"))
    await tiers(period="rolling", tiers=[BRONZE, SILVER, gold])
    assert await tier_of("7002") == "gold"
    await handle(order("2", "600.00", now()), order("2", "600.00", now()))
    await handle(refund("2"))
    await handle(order("3", "700.00", now()))
    assert [tier_id for _, tier_id, _ in await changes()] == ["gold", "bronze", "gold"]
    given = await one("SELECT count(*) FROM redemptions WHERE customer_id = $1", BOB)
    assert given == 1
    assert await one("SELECT count(*) FROM redemptions") == 1


async def test_a_reward_that_is_no_more_holds_up_nobody() -> None:
    await program()
    gold = Tier("gold", "Gold", 500, 15_000, reward_id="987654")
    await tiers(period="rolling", tiers=[BRONZE, SILVER, gold])
    await handle(order("1", "600.00", now()))
    assert await tier_of() == "gold"


async def test_orders_that_qualify_and_what_they_earn_by_their_tier() -> None:
    """The order that reaches a tier earns by the one before it, the next one by the new one."""
    await program()
    await tiers(period="rolling", tiers=THREE)
    first = now() - timedelta(minutes=2)

    async with db.connection() as conn:
        await conn.execute("UPDATE tier_versions SET created_at = $1", days_ago(3))
        await handle(order("1", "120.00", first))
        found = await standing.at(
            conn, [(ALICE, BOB, first), (ALICE, BOB, first + timedelta(seconds=1))]
        )
    assert [one and one.units for one in found] == [10_000, 12_500]


async def test_who_had_read_other_tiers_before_they_were_saved_is_waited_for() -> None:
    await program()
    await tiers(period="rolling")
    await placed()
    async with db.connection() as saving, db.connection() as posting:
        save = saving.transaction()
        await save.start()
        await saving.fetchval("SELECT pg_current_xact_id()")
        post = posting.transaction()
        await post.start()
        await posting.fetchval("SELECT pg_current_xact_id()")  # the later one of the two
        await saving.execute("UPDATE tier_shops SET stage = 'placing', place = '', since_tx = 0")
        await save.commit()
        assert await recounting.go_on() == 0, "it may yet write what nobody would count"
        await post.rollback()
    assert await recounting.go_on() == 1


async def test_a_shop_whose_members_cannot_be_placed_holds_up_no_other(stores, monkeypatch) -> None:
    charlies = "charlie.myshopify.com"
    for shop in (ALICE, charlies):
        await program(shop=shop)
        await handle(order("1", "150.00", now(), shop=shop))
    step = recounting._step

    async def broken(shop: str) -> bool:
        if shop == ALICE:
            raise ValueError("a grant of this shop makes no sense")
        return await step(shop)

    monkeypatch.setattr(recounting, "_step", broken)
    for shop in (ALICE, charlies):
        await actions.save(shop, Scheme(tiers=THREE), "Alice")
    for _ in range(20):
        await recounting.go_on()
    stage = "SELECT stage FROM tier_shops WHERE shop = $1"
    assert await one(stage, charlies) == "done"
    assert await one(stage, ALICE) != "done"
