"""The daily verification: once over any number of processes, gone on with where it was left, and
what it tells.
"""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from app import db, rooms
from app.flow import verified
from app.points.ledger import audit, heads
from app.points.ledger.audit import Place
from tests.flow.helpers import emit
from tests.points.world import ALICE, handle, line, paid, program
from tests.workers.test_verify import order, read_on, receive
from workers import daily, verify


@pytest.fixture(autouse=True)
def _without_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daily, "REST", 0.0)


async def look(stores: db.Stores) -> None:
    await daily.verify_when_due(stores, asyncio.Event())


async def found(stores: db.Stores) -> verified.Verified:
    known = await verified.last(stores.queue)
    assert known
    assert abs(known.ended_at.timestamp() - time.time()) < 10
    return known.found


async def let_a_day_pass(stores: db.Stores) -> None:
    ended = int(await stores.queue.hget(verified.KEY, "ended"))
    await stores.queue.hset(verified.KEY, "ended", ended - verified.EVERY_MILLISECONDS)


async def change(sql: str) -> None:
    async with db.connection() as connection:
        assert (await connection.execute(sql)).split()[-1] != "0"


async def test_what_was_found_is_kept_and_nothing_is_due_for_a_day(stores: db.Stores) -> None:
    await program()
    facts = [order(number) for number in range(3)]
    await emit(*facts)
    await receive(*facts)
    await read_on(stores)
    assert await verified.last(stores.queue) is None
    await look(stores)
    assert await found(stores) == verified.Verified(1, 3, 0, 0, 3, 0, 0)
    await change("UPDATE members SET available = available + 1")
    await receive(order(7))
    await look(stores)
    assert (await found(stores)).problems == 0, "it was not due"
    await let_a_day_pass(stores)
    await look(stores)
    assert await found(stores) == verified.Verified(1, 3, 1, 0, 3, 1, 3)


async def test_what_somebody_verified_by_hand_is_told_and_the_next_run_is_due_a_day_later(
    stores: db.Stores,
) -> None:
    await program()
    await handle(paid("1", line("10.00")))
    mended = verified.Verified(5, 5, 0, 0, 5, 0, 0)
    await verified.note(stores.queue, mended)
    await look(stores)
    assert await found(stores) == mended, "it was not due"
    await let_a_day_pass(stores)
    await look(stores)
    assert (await found(stores)).members == 1


async def test_while_there_is_nothing_to_verify_the_next_look_looks_again(
    stores: db.Stores,
) -> None:
    await look(stores)
    assert await verified.last(stores.queue) is None
    await program()
    await handle(paid("1", line("10.00")))
    await look(stores)
    assert (await found(stores)).members == 1


async def test_of_two_processes_one_verifies(stores: db.Stores, monkeypatch) -> None:
    at_once = most = walks = 0
    walk = verify.walk

    async def counted(*arguments) -> AsyncIterator[Place]:
        nonlocal at_once, most, walks
        walks += 1
        at_once += 1
        most = max(most, at_once)
        async for place in walk(*arguments):
            await asyncio.sleep(0.01)
            yield place
        at_once -= 1

    monkeypatch.setattr(verify, "walk", counted)
    await handle(paid("1", line("10.00")))
    await asyncio.gather(*(look(stores) for _ in range(5)))
    assert (walks, most) == (1, 1)


async def test_whoever_stops_answering_loses_its_turn_and_the_next_goes_on_where_it_was(
    stores: db.Stores, monkeypatch
) -> None:
    monkeypatch.setattr(heads, "SLOT", 1)
    monkeypatch.setattr(verified, "TURN_MILLISECONDS", 300)
    await program()
    for number in range(6):
        await handle(paid(str(number), line("10.00"), customer=f"c{number}"))
    await change("UPDATE members SET available = 1 WHERE customer_id = 'c0'")
    await change("UPDATE members SET available = 1 WHERE customer_id = 'c5'")
    check, checked = audit._check_members, []
    hangs = asyncio.Event()

    async def third_hangs(connection, ids, report) -> None:
        checked.extend(ids)
        if len(checked) == 3:
            hangs.set()
            await asyncio.sleep(60)
        await check(connection, ids, report)

    monkeypatch.setattr(audit, "_check_members", third_hangs)
    first = asyncio.create_task(look(stores))
    await asyncio.wait_for(hangs.wait(), 30)
    await look(stores)
    assert await verified.last(stores.queue) is None, "its turn lasts a while"
    await asyncio.sleep(0.4)
    await look(stores)
    told = await found(stores)
    assert (told.members, told.drift) == (6, 2), "each counted once, by one of the two"
    assert checked == [*checked[:3], *checked[2:3], *checked[4:]]
    assert len(checked) == 7, "what the first had done was not done again"
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


async def test_whoever_lost_its_turn_stops_and_ends_nothing(stores: db.Stores) -> None:
    first, second = verified.Turn(stores.queue), verified.Turn(stores.queue)
    assert await first.take() == b""
    assert await second.take() is None
    assert await first.take(b"half") == b""
    await stores.queue.flushall()
    assert await second.take() == b"", "a Redis that forgot knows of no turn"
    assert await first.take() is None
    await first.end(verified.Verified(0, 0, 0, 0, 0, 0, 0))
    assert await verified.last(stores.queue) is None


async def test_a_step_that_is_never_answered_is_given_up(stores: db.Stores, monkeypatch) -> None:
    monkeypatch.setattr(daily, "STEP_SECONDS_MAX", 0.1)
    monkeypatch.setattr(audit, "_check_members", lambda *_: asyncio.sleep(60))
    await handle(paid("1", line("10.00")))
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await look(stores)
    assert time.monotonic() - began < 5


async def test_it_works_in_the_room_of_audits_and_rests_after_each_step(
    stores: db.Stores, monkeypatch
) -> None:
    seen, rests = [], []
    pause = daily.deadline.pause

    async def resting(seconds: float, stop: asyncio.Event) -> None:
        rests.append(seconds)
        await pause(0, stop)

    async def check(connection, *_) -> None:
        seen.append(await connection.fetchval("SELECT current_setting('application_name')"))

    monkeypatch.setattr(daily, "REST", 4.0)
    monkeypatch.setattr(daily.deadline, "pause", resting)
    monkeypatch.setattr(audit, "_check_members", check)
    await handle(paid("1", line("10.00")))
    await look(stores)
    assert seen == [f"holdfast {rooms.AUDIT.name}"]
    assert rests
    assert 0 < max(rests) <= daily.REST_SECONDS_MAX


async def test_what_another_release_noted_is_begun_anew(stores: db.Stores) -> None:
    await handle(paid("1", line("10.00")))
    await stores.queue.hset(verified.KEY, mapping={"progress": "[what?", "result": "?", "ended": 0})
    await look(stores)
    assert (await found(stores)).members == 1


async def test_it_goes_on_while_the_ledger_is_written_to(stores: db.Stores) -> None:
    await program()
    await handle(*(paid(str(number), line("10.00"), customer=f"c{number}") for number in range(50)))

    async def earn() -> None:
        for number in range(50, 90):
            await handle(paid(str(number), line("10.00"), customer=f"c{number % 50}"))

    await asyncio.gather(look(stores), earn())
    assert (await found(stores)).problems == 0
    assert (await audit.verify(ALICE)).is_sound
