"""Base points now, bonus later: a campaign that is told after the orders it counts for."""

from datetime import timedelta

import pytest

from app import db
from app.points import handlers
from app.points.earning.campaigns import late
from tests.points import world
from tests.points.arrivals import sentences
from tests.points.earning.campaigns.told import campaign, days_ago, facts, stacks, tagged, told
from tests.points.world import figures, line, paid, refunded

pytestmark = pytest.mark.usefixtures("stores", "rules")


async def handle(*events) -> None:
    async with db.transaction() as conn:
        await handlers.handle(conn, list(events))


async def look(rounds: int = 4) -> None:
    for _ in range(rounds):
        await late.go_on()


async def points() -> int:
    return (await figures()).get("available", 0)


async def test_the_bonus_of_a_campaign_that_was_told_late_is_given_later_and_once() -> None:
    double = campaign("Double")
    await handle(paid("1", line("10.00", 1, "mug"), at=days_ago(1)))
    assert await points() == 10
    await handle(*told(double))
    await look()
    assert await points() == 20
    await handle(*told(double))
    await world.one("UPDATE campaign_copies SET look_at = now(), looks = 0 RETURNING 1")
    await look()
    assert await points() == 20
    assert "a campaign that counts for it was only told after its points" in await sentences()
    assert (await facts("points.earned"))[-1]["bonuses"] == [[double.campaign_id, 1, 10]]
    await handle(refunded("1", "r1", {"mug": 1}))
    assert await points() == 0


async def test_an_order_that_earned_nothing_gets_the_bonus_of_a_late_campaign_too() -> None:
    await handle(
        paid("1", line("0.40", 1, "sticker"), at=days_ago(1)),
        paid("2", line("0.40"), at=days_ago(1), customer=None),
        paid("3", line("0.40"), at=days_ago(3)),
    )
    assert await figures() == {}
    await handle(*told(campaign("Thank you", effect="add", value="25", starts_at=days_ago(2))))
    await look()
    assert await points() == 25
    await world.one("UPDATE campaign_copies SET look_at = now(), looks = 0 RETURNING 1")
    await look()
    assert await points() == 25
    await handle(refunded("1", "r1", {"sticker": 1}))
    assert await figures() == {"reversed": 25}


async def test_orders_that_earned_nothing_are_looked_through_in_steps(monkeypatch) -> None:
    monkeypatch.setattr(late, "ORDERS", 2)
    for order_id in "12345":
        await handle(paid(order_id, line("0.40"), at=days_ago(1)))
    await handle(*told(campaign(effect="add", value="5")))
    await look(6)
    assert await points() == 25
    assert await world.one("SELECT count(*) FROM campaign_copies WHERE look_at > now()") == 1


async def test_orders_outside_the_window_of_what_was_told_late_get_nothing() -> None:
    for order_id, days in (("1", 3), ("2", 2), ("3", 0.5)):
        await handle(paid(order_id, line("10.00"), at=days_ago(days)))
    await handle(*told(campaign(starts_at=days_ago(2.5), ends_at=days_ago(1))))
    await look()
    assert await points() == 40


async def test_nobody_gets_what_a_campaign_does_not_give_them_because_it_was_told_late() -> None:
    await handle(tagged(days_ago(0.5), "vip"))
    await handle(paid("1", line("10.00"), at=days_ago(1)))
    await handle(*told(campaign(audience=("tags", "vip"))))
    await look()
    assert await points() == 10


async def test_a_better_one_that_was_told_late_comes_on_top_up_to_what_it_gives_alone() -> None:
    double, triple = campaign("Double"), campaign("Triple", value="3")
    await handle(*told(double), paid("1", line("10.00", 1, "mug"), at=days_ago(1)))
    assert await points() == 20
    await handle(stacks("best_of"), *told(triple))
    await look()
    assert await points() == 30
    await handle(refunded("1", "r1", {"mug": 1}))
    assert await figures() == {"reversed": 30}


async def test_a_version_that_takes_something_away_takes_nothing_back_that_was_given() -> None:
    double = campaign("Double")
    await handle(*told(double), paid("1", line("10.00"), at=days_ago(1)))
    ended = campaign("Double", campaign_id=double.campaign_id, version=2, state="ended")
    await handle(*told(ended, at=days_ago(2)))
    await look()
    assert await points() == 20
    await handle(paid("2", line("10.00"), at=days_ago(1)))
    assert await points() == 30, "ended means ended, for what is placed after it"


async def test_a_look_ends_at_the_first_row_of_before_the_campaign(monkeypatch) -> None:
    monkeypatch.setattr(late, "ROWS", 2)
    for order_id in "123456":
        await handle(paid(order_id, line("10.00", 1, order_id), at=days_ago(1)))
    monkeypatch.setattr(late, "SKEW", timedelta(0))
    monkeypatch.setattr(late, "AHEAD", timedelta(days=-30))  # all rows are of before it
    await handle(*told(campaign("Double")))
    assert await late.go_on() == 1
    assert await world.one("SELECT looks FROM campaign_copies") == 1


async def test_a_campaign_at_fault_and_a_shop_of_many_orders_hold_up_no_other(monkeypatch) -> None:
    monkeypatch.setattr(late, "ROWS", 1)
    other = "other.myshopify.com"
    await world.program(other)
    for order_id in "1234":
        await handle(paid(order_id, line("10.00", 1, order_id), at=days_ago(1)))
    await handle(paid("1", line("10.00", 1, "mug"), at=days_ago(1), shop=other))
    await handle(*told(campaign("Many")))
    await handle(*told(campaign("Broken", effect="add", value="5")))
    await handle(*told(campaign("Double"), shop=other))
    look_at = late._look

    async def faulty(conn, copy, now):
        if "Broken" in await world.one(f"SELECT told FROM campaign_copies WHERE id = {copy['id']}"):
            raise ValueError
        return await look_at(conn, copy, now)

    monkeypatch.setattr(late, "_look", faulty)
    await look(4)
    assert (await figures(shop=other))["available"] == 20, "in turn with the shop of many orders"
    assert await world.one("SELECT count(*) FROM campaign_copies WHERE look_at > now()") == 1
    monkeypatch.setattr(late, "_look", look_at)
    await look(40)
    assert await points() == 100, "twice, and five for each order"
