"""What time does to tiers: a year's end where the merchant is, somebody busy, frozen or broken."""

from datetime import UTC, datetime, timedelta

import pytest

from app import db
from app.points.ledger import freezing
from app.points.tiers import actions, passing, recounting
from app.points.tiers.rules import Scheme
from tests.points.tiers.clock import Clock
from tests.points.tiers.world import THREE, changes, order, pass_time, placed, tier_of, tiers
from tests.points.world import ALICE, BOB, handle, now, one, program

pytestmark = pytest.mark.usefixtures("stores")


async def due() -> datetime:
    found = await one("SELECT due_at FROM tier_standings")
    assert isinstance(found, datetime)
    return found


@pytest.mark.parametrize(
    ("zone", "hour"), [("Europe/Berlin", 23), ("America/New_York", 5), ("Asia/Kathmandu", 18)]
)
async def test_a_year_ends_where_the_merchant_is(zone: str, hour: int) -> None:
    await program(timezone=zone)
    await tiers(policy="balance")
    await handle(order("1", "120.00", now()))
    ends = await due()
    assert ends.astimezone(UTC).hour == hour
    await pass_time(ends - timedelta(seconds=1))
    assert await tier_of() == "silver"
    await pass_time(ends)
    assert await tier_of() == "bronze"
    assert (await changes())[-1] == ("silver", "bronze", "time")
    assert await one("SELECT max(at) FROM tier_changes") == ends
    assert await one("SELECT due_at FROM tier_standings") is None


async def test_a_day_is_a_day_where_clocks_are_moved() -> None:
    clock = Clock()
    clock.at = datetime(2026, 11, 1, tzinfo=UTC)  # in Berlin clocks went back a week ago
    with clock.everywhere():
        await program(timezone="Europe/Berlin")
        await tiers(period="rolling", days=60, policy="balance")
        await handle(order("1", "120.00", datetime(2026, 10, 10, 10, 0, tzinfo=UTC)))
    assert await due() == datetime(2026, 12, 8, 23, 0, tzinfo=UTC), "9 December, at midnight"


async def test_somebody_frozen_stays_and_is_placed_once_they_are_not() -> None:
    await program()
    await tiers(period="rolling", days=30, policy="balance")
    await handle(order("1", "120.00", now()))
    member = await one("SELECT id FROM members")
    await freezing.freeze(member, "A test")
    later = now() + timedelta(days=40)
    await pass_time(later)
    await tiers(period="rolling", days=30, policy="balance", tiers=THREE[:1])
    assert await tier_of() == "silver", "nothing of theirs moves, also by other settings"
    async with db.transaction() as conn:
        await freezing.thaw(conn, member)
    await pass_time(later)
    assert await tier_of() == "bronze"


async def test_one_who_cannot_be_placed_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    await program()
    await tiers(period="rolling", days=30, policy="balance")
    for number in range(5):
        await handle(order(str(number), "120.00", now(), customer=f"71{number}"))
    bad = await one("SELECT id FROM members WHERE customer_id = '712'")
    load = passing.amounts.load

    async def broken(conn, members, at):
        if any(member_id == bad for _, member_id in members):
            raise ValueError("a test")
        return await load(conn, members, at)

    monkeypatch.setattr(passing.amounts, "load", broken)
    await pass_time(now() + timedelta(days=40))
    left = await one("SELECT count(*) FROM tier_standings WHERE tier_id = 'silver'")
    assert left == 1


async def test_who_dies_while_everybody_is_placed_is_gone_on_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await program()
    for number in range(7):
        await handle(order(str(number), "120.00", now(), customer=f"71{number}"))
    monkeypatch.setattr(recounting, "COUNTED", 2)
    monkeypatch.setattr(recounting, "PLACED", 2)
    await actions.save(ALICE, Scheme(period="rolling", tiers=THREE), "Alice")
    place = recounting._place
    deaths = iter([False, True, False, True])

    async def dying(conn, row):
        await place(conn, row)
        if next(deaths, False):
            raise ConnectionError("killed before the commit")

    monkeypatch.setattr(recounting, "_place", dying)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await placed()
    await placed()
    assert await one("SELECT count(*) FROM tier_changes WHERE tier_id = 'silver'") == 7
    assert await one("SELECT stage FROM tier_shops") == "done"


async def test_who_was_at_work_when_tiers_were_made_is_waited_for() -> None:
    await program()
    async with db.transaction() as conn:
        await conn.fetchval("SELECT pg_current_xact_id()")
        await actions.save(ALICE, Scheme(period="rolling", tiers=THREE), "Alice")
        assert await recounting.go_on() == 0, "what it will have written is not to be missed"
    await handle(order("1", "120.00", now(), customer=BOB))
    await placed()
    assert await tier_of() == "silver"


async def test_tiers_follow_the_time_zone_of_their_shop() -> None:
    await program(timezone="UTC")
    await tiers(policy="balance")
    await handle(order("1", "120.00", now()))
    before = await due()
    await program(timezone="Asia/Tokyo")
    await passing.follow_zones()
    await placed()
    assert await due() == before - timedelta(hours=9)
