"""Verification: sound after honest work, and not to be fooled."""

import pytest

from app import db
from app.points.ledger import actions as ledger
from app.points.ledger.audit import verify
from tests.points.world import ALICE, BOB, cancelled, handle, line, paid, program, refunded

pytestmark = pytest.mark.usefixtures("stores")


async def history() -> None:
    await program(clawback="debt")
    for number in range(1, 6):
        await handle(
            paid(str(number), line("10.00", 2, "a")),
            paid(f"c{number}", line("7.50"), customer="charlie"),
        )
    await handle(refunded("1", "r1", {"a": 1}), cancelled("2"), refunded("unseen", "r2", {"a": 1}))
    await ledger.adjust(ALICE, BOB, 11, "kindness", "a1", "staff-1")


async def tamper(sql: str) -> None:
    async with db.connection() as conn:
        assert (await conn.execute(sql)).split()[-1] != "0", (
            "nothing was changed, so the test would mean nothing"
        )


async def test_honest_work_is_sound() -> None:
    await history()
    report = await verify()
    assert (report.members, report.drift, report.broken_chains, report.problems) == (2, 0, 0, [])
    assert report.rows > 10
    assert (await verify("charlie.myshopify.com")).members == 0


async def test_a_changed_reason_breaks_the_chain_without_any_drift() -> None:
    await history()
    await tamper("UPDATE ledger SET why = replace(why, '10.00', '99.00') WHERE source = 'order:3'")
    report = await verify(ALICE)
    assert (report.drift, report.broken_chains) == (0, 1)
    assert not report.is_sound


@pytest.mark.parametrize("source", ["order:3", "adjustment:a1"])
async def test_a_deleted_row_is_missed_in_the_middle_and_at_the_end(source: str) -> None:
    await history()
    await tamper(f"DELETE FROM ledger WHERE source = '{source}'")
    report = await verify()
    assert (report.drift, report.broken_chains) == (1, 1)


async def test_a_changed_figure_is_found_even_with_a_hash_made_for_it() -> None:
    await history()
    await tamper(
        "UPDATE ledger SET points = points + 1, hash = sha256('x') WHERE source = 'order:3'"
    )
    report = await verify()
    assert (report.drift, report.broken_chains) == (1, 1)


async def test_a_changed_balance_or_lot_is_drift() -> None:
    await history()
    await tamper("UPDATE members SET available = available + 1 WHERE customer_id = '7001'")
    assert (await verify()).drift == 1
    await tamper("UPDATE members SET available = available - 1 WHERE customer_id = '7001'")
    await tamper("UPDATE lots SET remaining = remaining - 1 WHERE source = 'order:3'")
    report = await verify()
    assert report.drift == 0
    assert any("lots" in problem for problem in report.problems)


async def test_an_award_without_its_ledger_row_is_named() -> None:
    await history()
    await tamper("UPDATE awards SET points = points + 1 WHERE order_id = '3'")
    assert any("award" in problem for problem in (await verify()).problems)
