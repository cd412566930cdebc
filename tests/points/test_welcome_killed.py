"""The points process is killed between any two steps of a welcome, and the next one goes on."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from app import db
from app.points import steps
from tests.flow.helpers import emit, until
from tests.points.test_welcome import claim
from tests.points.ways.world import created, sound, told, way
from tests.points.world import ALICE, BOB, figures, program
from tests.workers.started import Processes, said, start, started

pytestmark = pytest.mark.long

# what a step cannot write while somebody else has the table: the step before has its words then
TABLES = {
    "before its points": "ledger",
    "after the points, before its steps": "saga_steps",
    "after the steps, before the figures": "ways",
    "before the claim is attached": "saga_steps",
    "before the welcome is told": "facts",
}
# what comes first of these is done before anything is in the way
AFTER_POINTS = {"before the claim is attached", "before the welcome is told"}
BLOCKED = """
SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = $1::text::regclass
"""


@pytest.fixture
def processes(stores: db.Stores, tmp_path: Path) -> Iterator[Processes]:
    with started(tmp_path, "relay", "points") as running:
        yield running


@pytest.mark.parametrize("place", TABLES)
async def test_killed_with_a_step_under_way_the_welcome_is_whole_and_told_once(
    stores: db.Stores, processes: Processes, tmp_path: Path, place: str
) -> None:
    await program()
    await way("account", 100)
    # what the worker writes at this place waits for us, and the worker is killed meanwhile
    blocker = await asyncpg.connect(stores.config.database_url)
    try:
        async with blocker.transaction():
            if place in AFTER_POINTS:
                await emit(created())
                assert await until(_points_given), said(tmp_path)
            else:
                await emit(created(), claim())
            await blocker.execute(f"LOCK TABLE {TABLES[place]} IN SHARE ROW EXCLUSIVE MODE")
            if place == "before the claim is attached":
                await emit(claim())
            assert await until(lambda: _is_blocked(blocker, TABLES[place])), said(tmp_path)
            processes["points"].kill()
            processes["points"].wait(5)
    finally:
        await blocker.close()
    before = await told("member.welcomed")
    assert before == []
    processes["points"] = start("points", tmp_path)

    async def is_told() -> bool:
        return bool(await told("member.welcomed"))

    assert await until(is_told, 30), said(tmp_path)
    await asyncio.sleep(1)
    assert await figures() == {"available": 100}
    assert [one["points"] for one in await told("member.welcomed")] == [100]
    assert len(await told("points.earned")) == 1
    (saga,) = await steps.of_customer(ALICE, BOB)
    assert {step.state for step in saga.steps} == {"done"}
    if place != "before the welcome is told":
        assert "Came through a friend" in {step.title for step in saga.steps}
    await sound()


async def _points_given() -> bool:
    return await figures() == {"available": 100}


async def _is_blocked(conn: asyncpg.Connection, table: str) -> bool:
    return bool(await conn.fetchval(BLOCKED, table))
