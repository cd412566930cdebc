"""Verification of tiers: silent while all is well, and it names what was changed behind us."""

import pytest

from app import db
from app.points.ledger.audit import verify
from tests.points.tiers.world import order, refund, tiers
from tests.points.world import ALICE, fact, handle, now, program

pytestmark = pytest.mark.usefixtures("stores")
WRONG = {
    "UPDATE qualifying SET points = points + 1 WHERE source = 'order:1'": (
        "order 1: what counts towards a tier is not what the grant says"
    ),
    "DELETE FROM qualifying WHERE source = 'order:1'": (
        "order 1: what counts towards a tier is not what the grant says"
    ),
    "UPDATE tier_standings SET tier_id = 'gold'": (
        "the tier is not the one that what counts makes it"
    ),
    "DELETE FROM tier_standings": "order 1: it counts towards a tier, and nobody was placed by it",
    "INSERT INTO qualifying (shop, member_id, source, at, points, spend, orders) "
    "SELECT shop, member_id, 'order:77', at, 0, 0, 0 FROM qualifying LIMIT 1": (
        "order 77: it counts towards the tier of somebody whose it is not"
    ),
}


async def lived() -> None:
    await program()
    await tiers(period="rolling")
    await handle(order("1", "120.00", now()), order("2", "30.00", now()))
    await handle(order("3", "300.00", now(), customer="7002"), refund("2"))
    await handle(fact("customer.merged", {"customer_id": "7002", "kept_id": "7001"}))


async def test_all_is_well_after_orders_refunds_and_a_merge() -> None:
    await lived()
    for shop in (None, ALICE):
        report = await verify(shop)
        assert report.problems == []


@pytest.mark.parametrize("statement", WRONG)
async def test_what_was_changed_is_named(statement: str) -> None:
    await lived()
    async with db.connection() as conn:
        await conn.execute(statement)
    report = await verify(ALICE)
    assert not report.is_sound
    assert any(WRONG[statement] in problem for problem in report.problems), report.problems
