"""A database that was put back gives the same numbers to other tiers: nothing of those of before
is remembered by a process that goes on.
"""

from dataclasses import dataclass

import pytest

from app import db
from app.points.tiers.rules import Tier
from app.resilience import reach
from app.resilience.memory import Memory
from tests.points import world
from tests.points.tiers.world import ALICE, BRONZE, began, order, tiers
from tests.points.world import days_ago, figures, handle

pytestmark = pytest.mark.usefixtures("stores")


@dataclass
class Postgres:
    """How the database is called; another name is another timeline of it."""

    mark: str = "7/00000001"

    async def ask(self) -> str:
        return self.mark


@pytest.fixture
def postgres(monkeypatch: pytest.MonkeyPatch) -> Postgres:
    reach.forget()
    found = Postgres()
    monkeypatch.setattr(reach, "_ask", found.ask)
    return found


async def test_tiers_that_got_a_number_of_lost_ones_count_at_once(postgres: Postgres) -> None:
    await world.program(ALICE)
    await reach.look()
    await tiers(tiers=[BRONZE, Tier("silver", "Silver", 100, 50_000)])
    await began(ALICE, days_ago(30))
    await handle(order("1", "100.00", days_ago(3)))
    await handle(order("2", "10.00", days_ago(2)))
    assert await figures() == {"available": 150}, "five times, for who is in silver"
    async with db.connection() as conn:  # the hour in which these tiers were made is lost
        for table in ("tier_versions", "tier_standings", "tier_changes", "tier_shops"):
            await conn.execute(f"DELETE FROM {table} WHERE shop = $1", ALICE)
    postgres.mark = "7/00000002"
    await reach.look()
    await tiers(tiers=[BRONZE, Tier("silver", "Silver", 100, 20_000)])
    await began(ALICE, days_ago(30))
    await handle(order("3", "10.00", world.now()))
    assert await figures() == {"available": 170}, "twice, by the tiers that are there"


async def test_a_database_that_says_nothing_of_itself_is_no_other_one(postgres: Postgres) -> None:
    known: Memory[str, int] = Memory(1)
    known.put("alice", 1)
    for postgres.mark in ("", "7/00000001", "", "7/00000001"):
        await reach.look()
    assert known.get("alice") == 1
    postgres.mark = "7/00000002"
    await reach.look()
    assert known.get("alice") is None
