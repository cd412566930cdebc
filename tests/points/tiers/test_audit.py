"""Verification of tiers: silent while all is well, and it names what was changed behind us."""

from datetime import timedelta
from typing import NoReturn

import pytest

from app import db
from app.points.ledger import pace
from app.points.ledger.audit import verify
from app.points.tiers import audit
from tests.points.tiers.world import began, order, refund, tiers
from tests.points.world import ALICE, fact, handle, now, program

pytestmark = pytest.mark.usefixtures("stores")
CHARLIE = "charlie.myshopify.com"
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
    "UPDATE qualifying SET spend = spend - 1 WHERE source = 'order:2'": (
        "order 2: what counts towards a tier is not what the grant says"
    ),
    "UPDATE qualifying SET at = at + interval '1 day' WHERE source = 'order:3'": (
        "order 3: what counts towards a tier is not what the grant says"
    ),
    "UPDATE tier_standings SET peak = peak - 1": (
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


async def test_plain_orders_and_their_tiers_are_proven_where_they_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await program()
    await tiers(period="rolling")
    await handle(order("1", "120.00", now()), order("3", "300.00", now(), customer="7002"))

    def judged(*_: object) -> NoReturn:
        raise AssertionError("Postgres has proven nothing")

    monkeypatch.setattr(audit, "_judge_grants", judged)
    monkeypatch.setattr(audit, "_judge_standings", judged)
    report = await verify(ALICE)
    assert report.problems == []


async def test_what_counted_in_another_period_is_computed_again() -> None:
    await program()
    await tiers(period="rolling", days=30, policy="balance")
    long_ago = now() - timedelta(days=100)
    await began(ALICE, long_ago - timedelta(days=1))
    await handle(order("1", "600.00", long_ago), order("2", "120.00", now()))
    assert (await verify(ALICE)).problems == []
    async with db.connection() as conn:
        await conn.execute("UPDATE tier_standings SET tier_id = 'gold', peak = 720")
    assert not (await verify(ALICE)).is_sound


async def test_shops_are_verified_one_after_the_other_in_pages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace, "STEP_FIRST", 2)
    monkeypatch.setattr(pace, "STEP_MAX", 2)
    for shop in (ALICE, CHARLIE):
        await program(shop=shop)
        await tiers(shop, period="rolling")
        for number in range(5):
            one = order(f"{number}", "120.00", now(), customer=f"700{number}", shop=shop)
            await handle(one)
    assert (await verify()).problems == []
    async with db.connection() as conn:
        await conn.execute("UPDATE tier_standings SET tier_id = 'gold' WHERE shop = $1", CHARLIE)
        await conn.execute("UPDATE qualifying SET points = points + 1 WHERE shop = $1", ALICE)
    named = (await verify()).problems
    assert len([one for one in named if one.startswith(f"{CHARLIE} member")]) == 5
    assert len([one for one in named if one.startswith(f"{ALICE} order")]) == 5
