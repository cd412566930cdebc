"""Campaigns for some products, and lines that an edit or an exchange adds to an order later."""

import pytest

from app import db
from app.points import handlers
from tests.points.earning.campaigns.told import campaign, days_ago, told
from tests.points.world import figures, line, paid, refunded

pytestmark = pytest.mark.usefixtures("stores", "rules")
MUGS, CUPS = {"product_id": "11"}, {"product_id": "12"}


async def handle(*events) -> None:
    async with db.transaction() as conn:
        await handlers.handle(conn, list(events))


async def points() -> int:
    return (await figures()).get("available", 0)


def told_again(*lines, hours: int):
    """The order with these lines, as of so many hours after it was placed two days ago."""
    at = days_ago(2 - hours / 24).isoformat()
    return paid("1", *lines, at=days_ago(2), updated_at=at)


async def test_a_line_of_its_products_that_is_added_later_counts():
    """Also when the window is over by then: the order's creation is the time that counts."""
    weekend = campaign("Mugs", scope="products", ids=["11"], ends_at=days_ago(1.9))
    first, cups = line("30.00", 1, "a") | MUGS, line("10.00", 1, "b") | CUPS
    more = line("20.00", 2, "c") | MUGS
    await handle(*told(weekend), told_again(first, cups, hours=0))
    assert await points() == 30 * 2 + 10
    await handle(told_again(first, cups, more, hours=20))
    assert await points() == 50 * 2 + 10
    await handle(told_again(first, cups, more, hours=21))
    assert await points() == 50 * 2 + 10
    await handle(refunded("1", "r1", {"c": 1}), refunded("1", "r2", {"a": 1, "b": 1}))
    assert await points() == 20
    await handle(refunded("1", "r3", {"c": 1}))
    assert await figures() == {"reversed": 110}


async def test_an_order_that_had_none_of_its_products_gets_it_with_one_that_is_added():
    mugs = campaign("Mugs", scope="products", ids=["11"], value="3")
    extra = campaign("Extra", scope="products", ids=["11"], effect="add", value="7", budget=5)
    cups, more = line("10.00", 1, "b") | CUPS, line("20.00", 1, "c") | MUGS
    await handle(*told(mugs, extra), told_again(cups, hours=0))
    assert await points() == 10
    await handle(told_again(cups, more, hours=1))
    assert await points() == 10 + 60 + 5
    await handle(refunded("1", "r1", {"b": 1, "c": 1}))
    assert await figures() == {"reversed": 75}


async def test_an_exchange_for_another_of_its_products_keeps_what_was_added():
    mugs = campaign("Mugs", scope="products", ids=["11"], effect="add", value="50")
    first, other = line("20.00", 1, "a") | MUGS, line("20.00", 1, "c") | MUGS
    await handle(*told(mugs), told_again(first, hours=0))
    assert await points() == 70
    await handle(told_again({**first, "kept": 0}, other, hours=1))
    assert await points() == 70
    await handle(refunded("1", "r1", {"c": 1}))
    assert await points() == 0


async def test_a_line_that_is_added_changes_nothing_for_campaigns_it_is_not_for():
    mugs = campaign("Mugs", scope="products", ids=["11"])
    goal = campaign("Goal", trigger="goal_order", goal="15", scope="products", ids=["12"])
    cups, more = line("10.00", 1, "b") | CUPS, line("20.00", 1, "c") | CUPS
    await handle(*told(mugs, goal), told_again(cups, hours=0))
    await handle(told_again(cups, more, hours=1))
    assert await points() == 30
