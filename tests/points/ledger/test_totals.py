"""Totals of a shop: what its ledger adds up to, in the merchant's days, whoever posts meanwhile."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from app import calendar, db
from app import config as settings
from app.points.ledger import actions, totals
from app.points.ledger.totals import Move
from app.points.members import reads
from app.writes import Writes
from tests.points.world import ALICE, BOB, handle, line, now, one, paid, program

pytestmark = pytest.mark.usefixtures("stores")


async def test_days_of_every_time_zone_add_up_whether_folded_or_not() -> None:
    for zone in ("Asia/Kathmandu", "America/St_Johns", "Pacific/Auckland"):
        await program(timezone=zone)
        today = calendar.start_of_day(now().astimezone(calendar.zone(zone)).date(), zone)
        shop_days = [today - timedelta(minutes=1), today, today + timedelta(seconds=1)]
        before = [day.earned for day in (await reads.overview(ALICE, days=2)).days]
        for place, at in enumerate(shop_days):
            await handle(paid(f"{zone}{place}", line(f"{place + 1}0.00"), at=min(at, now())))
        expected = [before[0] + 10, before[1] + 50]
        assert [day.earned for day in (await reads.overview(ALICE, days=2)).days] == expected
        await totals.fold()
        assert [day.earned for day in (await reads.overview(ALICE, days=2)).days] == expected
        async with db.connection() as conn:
            await conn.execute("DELETE FROM period_totals")


async def test_totals_that_are_wrong_are_named() -> None:
    await handle(paid("1", line("10.00")))
    async with db.connection() as conn:
        assert await totals.differing(conn) == []
    await totals.fold()
    async with db.connection() as conn:
        assert await totals.differing(conn) == []
        await conn.execute("UPDATE shop_totals SET outstanding = outstanding + 5")
        await conn.execute("UPDATE period_totals SET earned = earned - 3")
        found = await totals.differing(conn, ALICE)
    assert len(found) == 2
    assert any("+5 points outstanding" in one for one in found)
    assert any("-3 points earned" in one for one in found)


async def test_postings_and_folding_at_once_lose_and_double_nothing() -> None:
    async def post(number: int) -> None:
        await handle(
            paid(f"{number}", line("10.00"), customer=f"c{number % 7}"),
            paid(f"other {number}", line("1.00"), shop=f"shop-{number % 3}.myshopify.com"),
        )

    async def fold() -> None:
        for _ in range(20):
            await totals.fold(limit=3)

    await asyncio.gather(*(post(number) for number in range(40)), fold(), fold(), fold())
    async with db.connection() as conn:
        assert await totals.differing(conn) == []
    assert await reads.totals_of(ALICE) == (7, 400)
    while await totals.fold():
        pass
    assert await one("SELECT count(*) FROM total_deltas") == 0
    async with db.connection() as conn:
        assert await totals.differing(conn) == []
    assert await reads.totals_of(ALICE) == (7, 400)


async def test_a_posting_does_not_wait_for_another_one_of_its_shop(
    config: settings.Config,
) -> None:
    await handle(paid("1", line("10.00")), paid("2", line("10.00"), customer="charlie"))
    await totals.fold()
    other = await asyncpg.connect(config.database_url)  # a transaction of somebody else
    try:
        async with other.transaction():
            await other.execute("UPDATE shop_totals SET members = members")
            await other.execute("UPDATE period_totals SET earned = earned")
            posting = Writes()
            totals.add(posting, [Move(ALICE, "earn", "issued", "available", 7, datetime.now(UTC))])
            await posting.send(other)
            await asyncio.wait_for(actions.adjust(ALICE, BOB, 5, "at once", "a1", "staff-1"), 30)
            assert await reads.totals_of(ALICE) == (2, 25)
    finally:
        await other.close()
    assert await reads.totals_of(ALICE) == (2, 32)
