"""A drain turns each webhook into facts exactly once, whatever dies, repeats or is poisoned in
between.
"""

import asyncio
import json
import random
import time
from dataclasses import replace

import asyncpg
import msgspec
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from app import db
from app.flow.lanes import backlog, ingest, lane, spill
from app.flow.lanes import receipts as written
from app.flow.lanes.lane import LaneItem
from app.resilience import health
from tests.flow.lanes.clock import later
from tests.flow.lanes.drains import (
    ALICE,
    BOB,
    admit,
    drain_once,
    emitted,
    fact_ids,
    item,
    known,
    receipts,
    translate,
)


async def drain_late(stores: db.Stores) -> int:
    """After the lease of a drain that died."""
    await later(stores.queue, 6)
    return await drain_once(stores)


async def test_a_webhook_becomes_a_receipt_and_a_fact_that_carries_its_request(stores: db.Stores):
    given = item("w1", body=b'{"total": "9.99"}')
    await admit(stores, given)
    assert await drain_once(stores) == 1
    (found,) = await emitted()
    assert (found.topic, found.shop, found.key, found.trace) == (
        "order.paid",
        ALICE,
        ALICE,
        "request-w1",
    )
    assert found.occurred_at == "2026-07-01T00:00:00+00:00"
    assert found.received_ms == given.received_ms
    assert json.loads(bytes(found.data)) == {"id": "w1", "total": "9.99"}
    assert await receipts() == {"w1": "facts"}
    assert await lane.lane_length(stores.queue, ALICE) == 0
    assert await drain_once(stores) == 0


async def test_facts_of_a_shop_come_in_the_order_its_webhooks_came(stores: db.Stores):
    names = [f"w{number}" for number in range(40)]
    random.Random(1).shuffle(names)
    await admit(stores, *(item(name) for name in names), *(item(f"b{name}", BOB) for name in names))
    await drain_once(stores)
    found = await fact_ids()
    assert [name for name in found if name.startswith("w")] == names
    assert [name for name in found if name.startswith("b")] == [f"b{name}" for name in names]


async def test_a_drain_that_died_before_its_acknowledgement_is_repeated_without_effect(
    stores: db.Stores, monkeypatch
):
    async def die(*_args, **_kwargs):
        raise RedisConnectionError("killed")

    await admit(stores, item("w1"), item("w2"))
    with monkeypatch.context() as patched:
        patched.setattr(lane, "acknowledge", die)
        with pytest.raises(RedisConnectionError):
            await drain_once(stores)
    assert await fact_ids() == ["w1", "w2"]
    assert await lane.lane_length(stores.queue, ALICE) == 2
    assert await drain_late(stores) == 2
    assert await fact_ids() == ["w1", "w2"]
    assert await lane.lane_length(stores.queue, ALICE) == 0


async def test_a_drain_that_died_before_its_commit_loses_nothing(stores: db.Stores, monkeypatch):
    def die(*_args, **_kwargs):
        raise asyncpg.ConnectionDoesNotExistError("killed")

    await admit(stores, item("w1"))
    with monkeypatch.context() as patched:
        patched.setattr(written.fact_log, "add", die)
        with pytest.raises(asyncpg.ConnectionDoesNotExistError):
            await drain_once(stores)
    assert (await receipts(), await fact_ids()) == ({}, []), "nothing is half-written"
    await drain_late(stores)
    assert await fact_ids() == ["w1"]


async def test_a_webhook_that_redis_forgot_and_got_again_has_no_second_effect(stores: db.Stores):
    await admit(stores, item("w1"))
    await drain_once(stores)
    await stores.queue.flushall()
    assert await admit(stores, item("w1"), item("w2")) == ["queued", "queued"]
    await drain_once(stores)
    assert await fact_ids() == ["w1", "w2"]


async def test_a_large_batch_of_new_webhooks_and_repeats_writes_each_once(stores: db.Stores):
    def of_both(first: int, last: int) -> list[LaneItem]:
        found = range(first, last)
        return [item(f"{shop[0]}{one}", shop) for one in found for shop in (ALICE, BOB)]

    await admit(stores, *of_both(0, 40))
    assert await drain_once(stores) == 80
    await stores.queue.flushdb()
    await admit(stores, *of_both(30, 70))
    assert await drain_once(stores) == 80
    found = await fact_ids()
    assert [name for name in found if name[0] == "a"] == [f"a{one}" for one in range(70)]
    assert await receipts() == {one.webhook_id: "facts" for one in of_both(0, 70)}
    assert sorted(await receipts()) == sorted(found)


async def test_the_same_webhook_twice_in_one_batch_has_one_effect(stores: db.Stores):
    await admit(stores, item("w1"), again=True)
    await admit(stores, item("w1"), item("w2"), again=True)
    assert await drain_once(stores) == 3
    assert await fact_ids() == ["w1", "w2"]


async def test_drains_at_once_write_every_webhook_once(stores: db.Stores):
    shops = [f"shop{number}.myshopify.com" for number in range(10)]
    small = replace(stores, config=replace(stores.config, drain_batch=17))
    await admit(stores, *(item(f"{shop}-{number}", shop) for number in range(20) for shop in shops))

    async def until_empty():
        while await ingest.drain_once(small, translate, known):
            pass

    await asyncio.gather(*(until_empty() for _ in range(4)))
    found = await fact_ids()
    assert len(found) == len(set(found)) == 200
    for shop in shops:
        assert [name for name in found if name.startswith(f"{shop}-")] == [
            f"{shop}-{number}" for number in range(20)
        ]


async def test_two_drains_with_the_same_webhooks_neither_double_them_nor_deadlock(
    stores: db.Stores, monkeypatch
):
    names = [f"w{number}" for number in range(50)]
    await admit(stores, *(item(name) for name in names))
    write = written.write

    async def slow(readings, *rest):
        await asyncio.sleep(random.random() / 50)
        await write(readings, *rest)

    monkeypatch.setattr(written, "write", slow)

    async def after_the_lease() -> int:
        await later(stores.queue, 6)
        return await drain_once(stores)

    await asyncio.gather(*(after_the_lease() for _ in range(5)))
    found = await fact_ids()
    assert found == names
    assert await lane.lane_length(stores.queue, ALICE) == 0


async def test_a_drain_goes_on_while_something_is_due_and_then_ends(stores: db.Stores, monkeypatch):
    monkeypatch.setattr(ingest, "LINGER_SECONDS", 0.02)
    small = replace(stores, config=replace(stores.config, drain_batch=4))
    await stores.queue.hset("lanes:limits", ALICE, "0.5:10:0")
    await admit(stores, *(item(f"w{number}") for number in range(11)))
    await ingest.drain(small, translate, known)
    assert len(await fact_ids()) == 10
    await later(stores.queue, 2)
    await ingest.drain(small, translate, known)
    assert len(await fact_ids()) == 11


async def test_a_lone_shop_with_a_backlog_is_drained_at_full_speed(stores: db.Stores, monkeypatch):
    monkeypatch.setattr(ingest, "LINGER_SECONDS", 0.02)
    await admit(stores, *(item(f"w{number}") for number in range(1000)))
    began = time.monotonic()
    await ingest.drain(stores, translate, known)
    assert time.monotonic() - began < 30, "at its own pace it would be three minutes"
    assert await fact_ids() == [f"w{number}" for number in range(1000)]


async def test_nobody_borrows_while_a_service_is_behind(stores: db.Stores, monkeypatch):
    monkeypatch.setattr(ingest, "LINGER_SECONDS", 0.02)
    await health.beat(stores.queue, "points", 30.0)
    health.forget()
    await admit(stores, *(item(f"w{number}") for number in range(100)))
    await ingest.drain(stores, translate, known)
    assert 50 <= len(await fact_ids()) < 60
    health.forget()


async def test_a_batch_that_takes_longer_than_its_lease_is_not_drained_by_another_meanwhile(
    stores: db.Stores, monkeypatch
):
    monkeypatch.setattr(lane, "LEASE_MILLISECONDS", 150)
    calls = []

    async def slow(translations, *_):
        calls.append(len(translations))
        await asyncio.sleep(0.5)

    monkeypatch.setattr(written, "write", slow)
    await admit(stores, item("w1"), item("w2"))
    first = asyncio.create_task(drain_once(stores))
    await asyncio.sleep(0.3)
    assert await drain_once(stores) == 0
    assert await first == 2
    assert calls == [2]


async def test_a_webhook_delivered_again_after_midnight_has_no_second_effect(stores: db.Stores):
    midnight_ms = int(time.time() * 1000) // written.DAY_MS * written.DAY_MS
    await admit(stores, at(midnight_ms - 60_000, item("w1")))
    await drain_once(stores)
    await admit(stores, at(midnight_ms + 60_000, item("w1")), item("w2"), again=True)
    await drain_once(stores)
    assert await fact_ids() == ["w1", "w2"]


def at(received_ms: int, one: LaneItem) -> LaneItem:
    return msgspec.structs.replace(one, received_ms=received_ms)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_random_histories_of_repeats_crashes_and_spills_have_each_effect_once(
    stores, monkeypatch, seed
):
    chance = random.Random(seed)
    sent = set()
    acknowledge = lane.acknowledge

    async def shaky(*args, **kwargs):
        if chance.random() < 0.3:
            raise RedisConnectionError("killed before the acknowledgement")
        return await acknowledge(*args, **kwargs)

    monkeypatch.setattr(lane, "acknowledge", shaky)
    for _ in range(60):
        names = [f"w{chance.randrange(80)}" for _ in range(chance.randrange(1, 6))]
        items = [item(name, chance.choice([ALICE, BOB])) for name in names]
        sent.update(f"{one.shop}/{one.webhook_id}" for one in items)
        if chance.random() < 0.2:
            await spill.spill([(one.shop, one.webhook_id, lane.encode_item(one)) for one in items])
        else:
            await admit(stores, *items)
        if chance.random() < 0.1:
            await spill.unspill(stores)
        try:
            await later(stores.queue, 2)
            await drain_once(stores)
        except RedisConnectionError:
            continue
    await spill.unspill(stores)
    monkeypatch.setattr(lane, "acknowledge", acknowledge)
    for _ in range(40):
        await later(stores.queue, 2)
        await drain_once(stores)
    assert (await backlog.depth(stores.queue, stores.config)).waiting == 0
    assert sorted(
        f"{one.shop}/{json.loads(bytes(one.data))['id']}" for one in await emitted()
    ) == sorted(sent)
