"""A budget and a cap under many orders at once: not one point more, not one lost."""

import asyncio
from functools import partial

import pytest

from app import db, rooms
from app.points import handlers
from app.points.ledger.audit import verify
from tests.points import world
from tests.points.arrivals import sentences
from tests.points.earning.campaigns.told import campaign, facts, told
from tests.points.world import ALICE, line, paid

pytestmark = pytest.mark.usefixtures("stores")


async def handle(*events) -> None:
    async with db.transaction() as conn:
        await handlers.handle(conn, list(events))


async def test_fifty_orders_at_once_share_a_budget_exactly() -> None:
    await world.program(ALICE)
    await handle(*told(campaign("Rush", effect="add", value="30", budget=1_000)))
    orders = [paid(str(one), line("1.00"), customer=str(8000 + one)) for one in range(50)]
    await world.crowd(*(partial(handle, one) for one in orders))
    earned = await facts("points.earned")
    given = [share for one in earned for _, _, share in one.get("bonuses", ())]
    assert (sum(given), len(given)) == (1_000, 34), "33 of 30, and one of what was left"
    assert await world.one("SELECT points FROM campaign_purses") == 1_000
    said = await sentences()
    assert said.count("“Rush” (30 to add) gives 30 more.") == 33
    assert said.count("gives 10 more: its budget, or what one customer gets from it, left no") == 1
    assert said.count("“Rush” does not count: its budget, or what one customer gets from it,") == 16
    assert (await verify()).is_sound


async def test_a_customer_who_orders_ten_times_at_once_gets_the_cap_and_no_more() -> None:
    await world.program(ALICE)
    await handle(*told(campaign("Capped", effect="add", value="30", cap=100)))
    await handle(paid("first", line("1.00")))  # whose member a race to be made is not tried here
    await asyncio.gather(
        *(handle(paid(str(one), line("1.00"))) for one in range(rooms.WORK.connections))
    )
    assert (await world.figures())["available"] == rooms.WORK.connections + 101
    assert await world.one("SELECT points FROM campaign_uses") == 100
