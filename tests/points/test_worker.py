"""The points process: events, time and redemptions in one, and how promptly it ends."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import db
from app.points.earning import actions as earning
from app.points.earning.campaigns import late
from app.points.ledger import balances
from app.points.members import reads
from app.points.rewards import actions as rewards
from app.resilience import health
from tests.flow.helpers import emit, until
from tests.points.world import ALICE, BOB, figures, handle, line, one, paid, program
from tests.workers.started import Processes, said, started
from workers import points as worker


@pytest.fixture
def processes(stores: db.Stores, tmp_path: Path) -> Iterator[Processes]:
    with started(tmp_path, "relay", "points") as running:
        yield running


async def test_the_process_posts_releases_keeps_trying_and_ends_promptly(
    stores: db.Stores, processes: Processes, tmp_path: Path
) -> None:
    await program(pending_days=3)
    await handle(paid("1", line("30.00")))
    await program()
    await earning.ensure_program(ALICE, "USD", "UTC")
    async with db.connection() as conn:
        await conn.execute("UPDATE lots SET available_at = now(), due_at = now()")
    await emit(paid("2", line("120.00")))

    async def posted() -> bool:
        return await figures() == {"available": 150}

    assert await until(posted), said(tmp_path)
    assert await stores.cache.get(balances.cache_key(ALICE, BOB))
    assert await until(lambda: "trace-1" in said(tmp_path)), (
        "the request id is followed into the log"
    )

    # a shop whose token nobody has: the points stay held, and it is tried again and again
    reward = next(row.id for row in await reads.rewards(ALICE) if row.cost == 100)
    await rewards.redeem(ALICE, BOB, reward, "k1", "r")
    async with db.connection() as conn:
        await conn.execute("UPDATE redemptions SET next_attempt_at = now()")

    async def tried_twice() -> bool:
        return await one("SELECT attempts FROM redemptions") >= 2

    assert await until(tried_twice), said(tmp_path)
    assert await figures() == {"available": 50, "held": 100}

    health.forget()
    assert (await health.board(stores.queue))["points"].alive
    asked_at = time.monotonic()
    processes["points"].terminate()
    assert processes["points"].wait(30) == 0, said(tmp_path)
    assert time.monotonic() - asked_at < 10, "usually half a second"


async def test_what_is_looked_through_late_has_a_third_of_a_core_at_most(monkeypatch) -> None:
    took, rested = [], []

    async def pause(seconds: float, _stop: asyncio.Event) -> None:
        rested.append(seconds)

    async def step() -> int:
        began = time.monotonic()
        while time.monotonic() - began < 0.003 * (len(took) + 1):
            pass
        took.append(time.monotonic() - began)
        return len(took) < 4

    monkeypatch.setattr(worker, "pause", pause)
    await worker.to_its_end(step, asyncio.Event(), rest=late.REST)()
    assert len(took) == 4
    assert all(rest >= 2 * used for rest, used in zip(rested, took, strict=False))
    assert sum(took[:3]) <= (sum(rested) + sum(took[:3])) / 3


async def test_what_time_does_goes_on_where_one_kind_of_it_fails(stores, monkeypatch) -> None:
    went, kinds = [], [(worker.expiry, "expire_due"), (worker.birthdays, "give_due")]

    async def fails(_now, _stores) -> int:
        raise ValueError

    for module, name in kinds:

        async def goes(_now, _stores, name=name) -> int:
            went.append(name)
            return 0

        monkeypatch.setattr(module, name, goes)
    monkeypatch.setattr(worker.expiry, "end_hold_backs", fails)
    monkeypatch.setattr(worker.welcome, "go_on", fails)
    await worker.passing_time(stores, asyncio.Event())()
    assert went == ["expire_due", "give_due"]
