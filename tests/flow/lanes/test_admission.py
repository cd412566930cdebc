"""Admission: durable before it answers, together, and in Postgres when Redis does not take it."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from app import db
from app.errors import UnavailableError
from app.flow.lanes import admission as admissions
from app.flow.lanes import lane, spill
from app.flow.lanes.admission import Admission
from app.resilience import deadline
from tests.flow.helpers import until
from tests.flow.lanes.numbered import ALICE, BOB, item, items
from tests.paused import paused

NOWHERE = "redis://127.0.0.1:9/0"
WAITING = "SELECT webhook_id FROM spilled_webhooks WHERE moved_at IS NULL ORDER BY id"


@pytest.fixture
async def admission(stores: db.Stores) -> AsyncIterator[Admission]:
    made = Admission(stores)
    yield made
    await asyncio.gather(*made.waking)  # or it wakes a drain of the next test


@pytest.fixture
async def away(stores: db.Stores):
    """The same stores with a Redis that is not there."""
    lost = replace(stores, queue=db.redis_client(NOWHERE))
    yield lost
    await lost.queue.aclose()


async def spilled() -> list[str]:
    async with db.connection() as connection:
        return [row["webhook_id"] for row in await connection.fetch(WAITING)]


async def lane_ids(stores, shop=ALICE) -> list[str]:
    return [
        lane.decode_item(raw).webhook_id for raw in await stores.queue.lrange(f"lane:{shop}", 0, -1)
    ]


async def drains_waiting(stores) -> int:
    return await stores.queue.zcard(admissions.QUEUE)


async def test_a_webhook_is_in_its_lane_when_admission_answers(
    stores: db.Stores, admission: Admission
):
    assert await admission.admit(item(1)) == "queued"
    assert await lane_ids(stores) == ["w1"]
    assert await admission.admit(item(1)) == "duplicate"
    assert await lane_ids(stores) == ["w1"]


async def test_webhooks_that_arrive_together_share_calls_and_keep_their_order(
    stores, admission, monkeypatch
):
    calls = []
    admit_encoded = lane.admit_encoded

    async def counted(redis, rows, *args, **kwargs):
        calls.append(len(rows))
        return await admit_encoded(redis, rows, *args, **kwargs)

    monkeypatch.setattr(lane, "admit_encoded", counted)
    answers = await asyncio.gather(*(admission.admit(one) for one in items(1200)))
    assert answers == ["queued"] * 1200
    assert calls == [512, 512, 176]
    assert await lane_ids(stores) == [f"w{number}" for number in range(1200)]


async def test_of_many_repeats_at_once_one_is_queued(stores: db.Stores, admission: Admission):
    other = Admission(stores)  # a second web process
    answers = await asyncio.gather(
        *(one.admit(item(1)) for _ in range(50) for one in (admission, other))
    )
    assert answers.count("queued") == 1
    assert answers.count("duplicate") == 99
    await asyncio.gather(*other.waking)


async def test_admission_wakes_one_drain(stores: db.Stores, admission: Admission):
    await asyncio.gather(*(admission.admit(one) for one in items(50) + items(50, BOB)))
    assert await until(lambda: drains_waiting(stores))
    await admission.admit(item(99))
    await asyncio.gather(*admission.waking)
    assert await drains_waiting(stores) == 1


async def test_with_redis_away_webhooks_are_kept_in_postgres_and_come_back(
    stores: db.Stores, away: db.Stores
):
    admission = Admission(away)
    answers = await asyncio.gather(*(admission.admit(one) for one in items(20) + items(1)))
    assert answers == ["spilled"] * 21
    assert len(await spilled()) == 20
    moved, is_wake_needed = await spill.unspill(stores)
    assert moved == 20
    assert is_wake_needed, "somebody must drain them"
    assert await spilled() == []
    assert sorted(await lane_ids(stores)) == sorted(f"w{number}" for number in range(20))


async def test_after_a_failure_redis_is_avoided_for_a_moment_and_then_tried_again(
    stores, away, monkeypatch
):
    monkeypatch.setattr(admissions, "AVOID_REDIS_SECONDS", 60.0)
    admission = Admission(away)
    assert await admission.admit(item(1)) == "spilled"
    admission.stores = stores
    assert await admission.admit(item(2)) == "spilled", "the circuit is open"
    admission.avoid_redis_until -= 60.0
    assert await admission.admit(item(3)) == "queued"


async def test_a_redis_that_is_slow_counts_as_away(
    stores: db.Stores, admission: Admission, monkeypatch
):
    monkeypatch.setattr(admissions, "REDIS_SECONDS", 0.1)

    async def hang(*_args, **_kwargs):
        await asyncio.sleep(60)

    monkeypatch.setattr(lane, "admit_encoded", hang)
    began = time.monotonic()
    assert await admission.admit(item(1)) == "spilled"
    assert time.monotonic() - began < 30


async def test_a_full_lane_overflows_into_postgres_and_flows_back_when_there_is_room(
    stores: db.Stores,
):
    small = replace(stores, config=replace(stores.config, lane_max_length=3))
    admission = Admission(small)
    answers = await asyncio.gather(*(admission.admit(one) for one in items(5) + items(2, BOB)))
    assert answers == ["queued"] * 3 + ["spilled"] * 2 + ["queued"] * 2
    assert (await spill.unspill(small))[0] == 0, "the lane is still full"
    assert sorted(await spilled()) == ["w3", "w4"]
    claims = await lane.claim(stores.queue, 10, stores.config)
    await lane.acknowledge(stores.queue, claims, stores.config)
    assert (await spill.unspill(small))[0] == 2
    assert await lane_ids(stores) == ["w3", "w4"]


async def test_one_full_lane_does_not_keep_the_spilled_webhooks_of_others(
    stores: db.Stores, monkeypatch
):
    monkeypatch.setattr(spill, "STEP", 2)
    small = replace(stores, config=replace(stores.config, lane_max_length=1))
    await lane.admit(stores.queue, [item(0)], small.config)
    waiting = items(5, start=1) + items(1, BOB)
    for one in waiting:
        await spill.spill([(one.shop, one.webhook_id, lane.encode_item(one))])
    assert (await spill.unspill(small))[0] == 1
    assert await lane_ids(stores, BOB) == ["w0"]
    assert len(await spilled()) == 5


async def test_a_webhook_that_is_both_in_the_lane_and_spilled_comes_back_once(
    stores: db.Stores, admission: Admission
):
    await admission.admit(item(1))
    await spill.spill([(ALICE, "w1", lane.encode_item(item(1)))])
    await spill.unspill(stores)
    assert await lane_ids(stores) == ["w1"]
    assert await spilled() == []


async def test_large_spilled_webhooks_move_a_few_at_a_time(stores: db.Stores, monkeypatch):
    monkeypatch.setattr(spill, "STEP_BYTES_MAX", 1_000_000)
    sizes = []
    admit_encoded = lane.admit_encoded

    async def counted(redis, rows, *args, **kwargs):
        sizes.append(len(rows))
        return await admit_encoded(redis, rows, *args, **kwargs)

    monkeypatch.setattr(lane, "admit_encoded", counted)
    for number in range(5):
        one = item(number, body=b"x" * 600_000)
        await spill.spill([(one.shop, one.webhook_id, lane.encode_item(one))])
    await spill.unspill(stores)
    assert sizes == [2, 2, 1]


async def test_only_when_both_stores_are_down_is_a_webhook_refused(away: db.Stores, monkeypatch):
    async def down(_rows):
        raise OSError("Postgres is away")

    monkeypatch.setattr(spill, "spill", down)
    admission = Admission(away)
    answers = await asyncio.gather(
        *(admission.admit(one) for one in items(3)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [UnavailableError] * 3
    assert answers[0].status == 503


async def test_a_postgres_that_hangs_while_redis_is_away_is_waited_for_two_seconds_at_most(
    away: db.Stores, embedded, monkeypatch
):
    """asyncpg asks a server that stands still to cancel, and waits: Shopify must have its
    answer all the same.
    """
    monkeypatch.setattr(admissions, "POSTGRES_SECONDS", 0.3)
    admission = Admission(away)
    assert await admission.admit(item(0)) == "spilled", "the pool has a connection"
    with paused(embedded.postgres_port):
        for number in (1, 2):
            began = time.monotonic()
            with pytest.raises(UnavailableError):
                await admission.admit(item(number))
            assert time.monotonic() - began < 5
    for number in (1, 2):  # Shopify delivers again; what came through after all is kept once
        assert await until(lambda number=number: comes_through(admission, number))
    assert await spilled() == ["w0", "w1", "w2"]
    assert await until(lambda: not deadline._left_behind), "what was given up has ended by itself"


async def comes_through(admission: Admission, number: int) -> bool:
    try:
        return await admission.admit(item(number)) == "spilled"
    except UnavailableError:
        return False


async def test_more_webhooks_than_may_wait_are_refused_and_those_before_them_are_kept(
    stores, admission, monkeypatch
):
    monkeypatch.setattr(admissions, "WAITING_MAX", 10)
    answers = await asyncio.gather(
        *(admission.admit(one) for one in items(12)), return_exceptions=True
    )
    assert answers[:10] == ["queued"] * 10
    assert [type(answer) for answer in answers[10:]] == [UnavailableError] * 2


async def test_a_caller_that_hangs_up_does_not_disturb_the_others(
    stores: db.Stores, admission: Admission
):
    tasks = [admission.admit(one) for one in items(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert (answers[0], answers[2]) == ("queued", "queued")
    assert await lane_ids(stores) == ["w0", "w1", "w2"]


async def test_how_much_is_spilled_and_for_how_long_is_told(stores: db.Stores):
    assert await spill.waiting() == (0, 0.0)
    await spill.spill([(ALICE, "w1", b"x")])
    count, age_seconds = await spill.waiting()
    assert count == 1
    assert 0 <= age_seconds < 5
