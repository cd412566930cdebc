"""Campaigns that count: which order of its customer one is, and what was spent for a goal."""

import pytest

from app import db
from app.points import handlers
from app.points.earning.campaigns import late
from tests.points import world
from tests.points.earning.campaigns.told import campaign, days_ago, told
from tests.points.ways.world import merged
from tests.points.world import ALICE, BOB, figures, line, paid, refunded

pytestmark = pytest.mark.usefixtures("stores", "rules")


async def handle(*events) -> None:
    async with db.transaction() as conn:
        await handlers.handle(conn, list(events))


async def look() -> None:
    while await late.go_on():
        pass


async def points(customer: str = BOB) -> int:
    return (await figures(customer)).get("available", 0)


def hello(**more):
    return campaign("Hello", trigger="first_order", effect="add", value="100", **more)


def of(product: str, amount: str, name: str) -> dict:
    return line(amount, line_id=name) | {"product_id": product}


async def test_who_was_merged_brings_their_orders_along():
    await handle(*told(hello()))
    await handle(paid("1", line("10.00")))
    await handle(merged(BOB, "7002"))
    await handle(merged("7002", "7003"))
    await handle(paid("2", line("10.00"), customer="7003"))
    assert await points("7003") == 110 + 10, "a new account does not make a first order again"


async def test_an_order_of_before_the_campaign_in_the_same_batch_is_the_first():
    await handle(*told(hello(starts_at=days_ago(2))))
    before = paid("1", line("10.00"), at=days_ago(3))
    await handle(before, paid("2", line("10.00"), at=days_ago(1)))
    assert await points() == 20


async def test_an_order_that_gives_nothing_is_not_the_first_in_one_batch_as_in_two():
    await handle(*told(hello()))
    await handle(paid("1", line("0.00")), paid("2", line("10.00")))
    assert await points() == 100 + 10


async def test_told_late_one_order_of_several_that_gave_nothing_is_the_first():
    await world.program(ALICE, rate=0)
    async with db.connection() as conn:
        await conn.execute("UPDATE program_versions SET created_at = now() - interval '9 days'")
    for name in "123":
        await handle(paid(name, line("10.00")))
    await handle(*told(hello()))
    await look()
    assert await points() == 100


async def test_a_goal_is_reached_once_whatever_comes_back_of_earlier_orders():
    """Else an order could be sent back again and again to reach it once more."""
    goal = campaign("Goal", trigger="goal_total", goal="60", effect="add", value="1000")
    await handle(*told(goal))
    await handle(paid("1", line("50.00", line_id="l1")))
    await handle(paid("2", line("20.00", line_id="l2")))
    assert await points() == 50 + 20 + 1000
    await handle(refunded("1", "r1", {"l1": 1}))
    await handle(paid("3", line("50.00", line_id="l3")))
    assert await points() == 20 + 1000 + 50
    await handle(refunded("2", "r2", {"l2": 1}))
    await handle(paid("4", line("10.00", line_id="l4")))
    assert await points() == 50 + 10, "what has come back can be reached: 10 of 60"
    await handle(paid("5", line("50.00", line_id="l5")))
    assert await points() == 50 + 10 + 50 + 1000


async def test_a_goal_of_some_products_counts_no_others():
    shoes = {"scope": "products", "ids": ["7"]}
    goal = campaign("Shoes", trigger="goal_total", goal="60", effect="add", value="1000", **shoes)
    await handle(*told(goal))
    await handle(paid("1", of("8", "500.00", "l1"), of("7", "20.00", "l2")))
    await handle(paid("2", of("7", "30.00", "l3")))
    assert await points() == 500 + 20 + 30
    await handle(refunded("1", "r1", {"l1": 1}))
    await handle(paid("3", of("7", "10.00", "l4")))
    assert await points() == 20 + 30 + 10 + 1000


async def test_a_goal_that_is_told_late_counts_what_counts_for_another_one():
    one = campaign("One", trigger="goal_total", goal="500", effect="add", value="1")
    two = campaign("Two", trigger="goal_total", goal="60", effect="add", value="1000")
    await handle(*told(one))
    await handle(paid("1", line("50.00")))
    await handle(*told(two))
    await look()
    await handle(paid("2", line("10.00")))
    assert await points() == 50 + 10 + 1000
