"""Bonuses for birthdays and accounts: what campaigns add to what a way to earn gives."""

import pytest

from app import db
from app.points import handlers
from app.points.earning.campaigns import events
from tests.points import world
from tests.points.earning.campaigns.told import campaign, days_ago, stacks, tagged, told
from tests.points.world import ALICE, BOB

pytestmark = pytest.mark.usefixtures("stores")
MEMBER = (7, BOB)


async def handle(*facts) -> None:
    async with db.transaction() as conn:
        await handlers.handle(conn, list(facts))


async def given(trigger: str = "birthday", points: int = 100, days: float = 1) -> list:
    async with db.transaction() as conn:
        return await events.bonuses(conn, ALICE, MEMBER, trigger, points, days_ago(days))


async def test_a_birthday_gets_what_runs_for_birthdays_at_its_moment() -> None:
    await handle(
        *told(
            campaign("Twice", trigger="birthday"),
            campaign("More", trigger="birthday", effect="add", value="25"),
            campaign("Over", trigger="birthday", ends_at=days_ago(2)),
            campaign("Hello", trigger="account", effect="add", value="9"),
            campaign("Orders"),
        )
    )
    assert [(one.name, one.points) for one in await given()] == [("Twice", 100), ("More", 25)]
    assert [one.points for one in await given("account")] == [9]
    assert await given(days=8) == []


@pytest.mark.parametrize(
    ("policy", "expected"), [("best_of", 200), ("add", 300), ("multiply", 500)]
)
async def test_what_multiplies_stacks_as_for_orders(policy, expected) -> None:
    triple = campaign("Triple", trigger="birthday", value="3")
    await handle(stacks(policy), *told(campaign("Double", trigger="birthday"), triple))
    assert sum(one.points for one in await given()) == expected


async def test_who_is_not_meant_gets_nothing_and_a_budget_is_kept_and_given_back() -> None:
    await handle(tagged(days_ago(3), "vip"))
    fields = {"trigger": "birthday", "effect": "add", "value": "30"}
    await handle(
        *told(
            campaign("VIPs", audience=("tags", "VIP"), budget=50, cap=40, **fields),
            campaign("Others", audience=("segments", "lost"), **fields),
        )
    )
    first, second = await given(), await given()
    assert [one.points for one in (*first, *second)] == [30, 10]
    assert await given() == []
    async with db.transaction() as conn:
        await events.give_back(conn, ALICE, MEMBER[0], first)
    assert await world.one("SELECT points FROM campaign_purses") == 10
    assert [one.points for one in await given()] == [30]
