"""Tiers follow the posting: up at once, by the period an order belongs to, in any order."""

from datetime import timedelta

import pytest

from app import db
from app.points import handlers
from app.points.earning import rules as earning
from app.points.ledger import actions as ledger
from app.points.panels import shopper
from app.points.tiers import standing
from app.points.tiers.rules import Tier
from app.shopify.verify import Caller
from tests.points.tiers.world import (
    BRONZE,
    MICROS,
    SILVER,
    changes,
    order,
    placed,
    refund,
    tier_of,
    tiers,
)
from tests.points.world import ALICE, BOB, days_ago, fact, handle, now, one, program

SPENDING = [
    Tier("bronze", "Bronze", 0),
    Tier("silver", "Silver", 100 * MICROS, 12_500),
    Tier("gold", "Gold", 500 * MICROS, 15_000),
]
pytestmark = pytest.mark.usefixtures("stores")


async def test_an_order_brings_its_customer_up_at_once_and_says_why() -> None:
    await program()
    await tiers(period="rolling")
    await handle(order("1", "120.00", now()))
    assert await tier_of() == "silver"
    assert await changes() == [("bronze", "silver", "order")]
    why = await one("SELECT why FROM tier_changes")
    assert why == "Order #1 reached it: 120 points in the last 365 days."
    told = await one("SELECT count(*) FROM facts WHERE 'tier.changed' = ANY(topics)")
    assert told == 1


async def test_the_same_facts_again_change_nothing() -> None:
    await program()
    await tiers(period="rolling")
    event = order("1", "120.00", now())
    await handle(event)
    await handle(event)
    await handle(event, refund("1"), refund("1"))
    await handle(refund("1"))
    assert await tier_of() == "bronze"
    assert [cause for *_, cause in await changes()] == ["order", "refund"]


async def test_what_staff_give_moves_no_tier_and_what_they_take_neither() -> None:
    await program()
    await tiers(period="rolling")
    await handle(order("1", "90.00", now()))
    await ledger.adjust(ALICE, BOB, 1_000, "A gift", "k1", "staff-1")
    assert await tier_of() == "bronze"
    await handle(order("2", "20.00", now()))
    assert await tier_of() == "silver"
    await ledger.adjust(ALICE, BOB, -1_000, "A mistake", "k2", "staff-1")
    await handle(order("3", "1.00", now()))
    assert await tier_of() == "silver"


async def test_orders_of_before_count_once_tiers_are_made() -> None:
    await program()
    await handle(order("1", "300.00", now()), order("2", "250.00", now()))
    await handle(refund("2"))
    assert await one("SELECT count(*) FROM qualifying") == 0, "a shop without tiers keeps nothing"
    await tiers(period="rolling")
    assert await tier_of() == "silver"
    assert await changes() == [("bronze", "silver", "settings")]


async def test_two_customers_who_become_one_stand_where_their_orders_bring_them() -> None:
    await program()
    await tiers(period="rolling")
    await handle(order("1", "300.00", now()), order("2", "300.00", now(), customer="7002"))
    await handle(fact("customer.merged", {"customer_id": "7002", "kept_id": BOB}))
    assert await tier_of() == "gold"
    assert await tier_of("7002") is None
    assert (await changes())[-1] == ("silver", "gold", "merge")
    await handle(refund("2"))
    assert await tier_of() == "silver"


async def test_the_tier_at_a_moment_is_that_just_before_it() -> None:
    await program()
    await tiers(period="rolling")
    async with db.connection() as conn:
        await conn.execute("UPDATE tier_versions SET created_at = $1", days_ago(30))
    first, second = days_ago(20), days_ago(10)
    await handle(order("2", "450.00", second))
    await handle(order("1", "60.00", first))
    wanted = [
        (ALICE, BOB, first),
        (ALICE, BOB, second),
        (ALICE, BOB, second + timedelta(seconds=1)),
        (ALICE, "9999", second),
        (ALICE, BOB, days_ago(40)),
        ("charlie.myshopify.com", BOB, second),
    ]
    async with db.connection() as conn:
        found = await standing.at(conn, wanted)
    assert [one and one.tier_id for one in found] == [
        "bronze",
        "bronze",
        "gold",
        "bronze",
        None,
        None,
    ]
    assert found[2] == earning.Tier("gold", "Gold", 1, 15_000)


async def test_other_thresholds_place_everybody_anew() -> None:
    await program()
    await tiers(period="rolling")
    await handle(order("1", "300.00", now()))
    lower = Tier("gold", "Gold", 250, 15_000)
    assert await tiers(period="rolling", tiers=[BRONZE, SILVER, lower]) == 2
    await placed()
    assert await tier_of() == "gold"
    assert (await changes())[-1] == ("silver", "gold", "settings")


async def test_a_shopper_sees_their_tier_the_next_one_and_what_keeps_it(stores) -> None:
    shopper.forget()
    await program()
    await tiers(period="rolling", measure="spend", tiers=SPENDING)
    await handle(order("1", "120.50", now()))
    body = await shopper.me(stores, Caller(ALICE, BOB))
    assert body["tier"]["name"] == "Silver"
    assert body["tier"]["next"] == {
        "name": "Gold",
        "measure": "spend",
        "have": "120.50",
        "want": "500.00",
    }
    assert body["tier"]["keeps"]["have"] == "0.00"
    assert body["tier"]["keeps"]["want"] == "100.00"
    assert body["tier"]["perks"] == ["1.25x points"]
    assert [one["name"] for one in body["tiers"]] == ["Bronze", "Silver", "Gold"]
    stranger = await shopper.me(stores, Caller(ALICE, "9999"))
    assert stranger["tier"]["name"] == "Bronze"
    async with db.transaction() as conn:
        told = await handlers.handle(conn, [refund("1")], stores)
    assert told is not None
    await told()
    body = await shopper.me(stores, Caller(ALICE, BOB))
    assert body["tier"]["name"] == "Bronze", "the balance's sequence moved, and the tier with it"
