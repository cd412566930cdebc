"""The last thirty days under a campaign: what it would have cost, who would have gained."""

import asyncio

import pytest

from app import db
from app.errors import BadInputError, NotFoundError, RefusedError
from app.points import handlers
from app.points.earning.whatif import actions as whatif
from app.points.earning.whatif import reads
from tests.points import world
from tests.points.earning.campaigns.told import campaign, days_ago, tagged
from tests.points.world import ALICE, line, paid, refunded

pytestmark = pytest.mark.usefixtures("stores")
CHARLIE = "7002"


async def handle(*events) -> None:
    async with db.transaction() as conn:
        await handlers.handle(conn, list(events))


async def answered(what_if_id: str, shop: str = ALICE) -> reads.WhatIf:
    while await whatif.go_on():
        pass
    return await reads.read(shop, what_if_id)


@pytest.fixture(autouse=True)
async def orders(stores):
    await world.program(ALICE)
    mugs = {**line("40.00", 2, "mugs"), "product_id": "11"}
    await handle(
        paid("1", mugs, at=days_ago(5)),
        paid("2", line("30.00"), at=days_ago(4)),
        paid("3", line("25.00"), customer=CHARLIE, at=days_ago(4)),
        refunded("1", "r1", {"mugs": 1}),
    )


async def test_it_says_what_orders_would_have_got_who_gains_and_on_which_days() -> None:
    found = await answered(await whatif.start(ALICE, campaign("Triple", value="3")))
    assert (found.state, found.total, found.done) == ("done", 3, 3)
    assert (found.orders, found.hits, found.customers) == (3, 3, 2)
    assert found.points == 2 * (20 + 30 + 25)
    assert found.top == [("7001", 100), (CHARLIE, 50)]
    assert [one for one in found.days if one[1]] == [
        (str(days_ago(5).date()), 40),
        (str(days_ago(4).date()), 110),
    ]
    assert dict(found.sizes)[50] == 2
    assert dict(found.sizes)[25] == 1


@pytest.mark.parametrize(
    ("more", "points"),
    [
        ({"scope": "products", "ids": ["11"]}, 20),
        ({"audience": ("tags", "vip")}, 25),
        ({"trigger": "first_order"}, 20 + 25),
        ({"trigger": "nth_order", "nth": 2}, 30),
        ({"trigger": "goal_order", "goal": "26"}, 30),
        ({"trigger": "goal_total", "goal": "50", "effect": "add", "value": "7"}, 7),
        ({"budget": 30}, 30),
        ({"cap": 22}, 22 + 22),
    ],
)
async def test_each_condition_and_limit_counts_as_it_would_have(more, points) -> None:
    await handle(tagged(days_ago(6), "vip", customer=CHARLIE))
    found = await answered(await whatif.start(ALICE, campaign(**more)))
    assert found.points == points


async def test_it_changes_no_points_and_one_is_asked_at_a_time() -> None:
    before = await world.figures()
    first = await whatif.start(ALICE, campaign())
    with pytest.raises(RefusedError):
        await whatif.start(ALICE, campaign())
    await whatif.start("charlie.myshopify.com", campaign())
    assert (await answered(first)).state == "done"
    assert await world.figures() == before
    assert (await answered(await whatif.start(ALICE, campaign()))).points == 75


async def test_another_process_goes_on_where_one_stopped(monkeypatch) -> None:
    monkeypatch.setattr(whatif, "PAGE", 1)
    stop = asyncio.Event()
    stop.set()
    what_if_id = await whatif.start(ALICE, campaign("Capped", cap=25))
    await whatif.go_on(stop)
    half = await reads.read(ALICE, what_if_id)
    assert (half.state, half.done, half.total) == ("running", 1, 3)
    assert not await whatif.go_on(), "somebody may still be at it"
    monkeypatch.setattr(whatif, "LEASE_SECONDS", 0.0)
    found = await answered(what_if_id)
    assert (found.state, found.done, found.points) == ("done", 3, 25 + 25)


async def test_what_is_kept_of_an_answer_does_not_grow_with_the_shop() -> None:
    asked = await whatif.start(ALICE, campaign("Triple", value="3"))
    found = await answered(asked)
    assert await world.one("SELECT working FROM what_ifs") == ""
    told = '{"orders": 3, "hits": 3, "points": 150, "customers": {"7001": 100, "7002": 50}}'
    await world.one("UPDATE what_ifs SET found = $1 RETURNING 1", told)
    before = await reads.read(ALICE, asked)
    assert (before.customers, before.top) == (found.customers, found.top)


async def test_what_cannot_be_replayed_is_refused_and_what_is_not_there_not_found() -> None:
    with pytest.raises(BadInputError):
        await whatif.start(ALICE, campaign(trigger="birthday"))
    with pytest.raises(BadInputError):
        await whatif.start(ALICE, campaign(value="0.5"))
    asked = await whatif.start(ALICE, campaign())
    for shop, what_if_id in ((ALICE, "7"), ("charlie.myshopify.com", asked)):
        with pytest.raises(NotFoundError):
            await reads.read(shop, what_if_id)
