"""What the lanes keep in Redis: little, nothing for ever, and nothing that stops them when it is
damaged.
"""

import pytest

from app import db
from app.flow.lanes import backlog, lane
from tests.flow.lanes.clock import later
from tests.flow.lanes.numbered import ALICE, BOB, CHARLIE, admit, drain, item, items


async def test_a_webhook_is_remembered_for_four_hours_and_forgotten_after_six(
    stores: db.Stores, monkeypatch
):
    await admit(stores, items(100))
    (key,) = await stores.queue.keys("lanes:seen:*")
    window = int(key.rsplit(b":", 1)[1])
    for hours, is_known in ((4, True), (8, False)):
        moved = f"lanes:seen:{window - hours // 2}"
        await stores.queue.copy(key, moved)
        await stores.queue.delete(key)
        verdicts = (await admit(stores, items(100))).verdicts
        assert (set(verdicts) == {"duplicate"}) is is_known, hours
        await stores.queue.delete(moved)
    assert 0 < await stores.queue.pttl(key) <= 4 * lane.SEEN_WINDOW_MILLISECONDS


async def test_the_sieve_is_bounded_and_what_it_does_not_hold_is_admitted(
    stores: db.Stores, monkeypatch
):
    monkeypatch.setattr(lane, "SEEN_MAX", 100)
    await admit(stores, items(100))
    await admit(stores, items(100, start=100))
    (key,) = await stores.queue.keys("lanes:seen:*")
    assert await stores.queue.scard(key) == 100


async def test_a_waiting_webhook_takes_little_more_memory_than_its_body(stores: db.Stores):
    await admit(stores, [item(number, body=b"x" * 2000) for number in range(1000)])
    body = sum(map(len, await stores.queue.lrange(f"lane:{ALICE}", 0, -1)))
    used = await stores.queue.memory_usage(f"lane:{ALICE}", samples=0)
    assert used <= 1.1 * body, used / body


async def test_nothing_is_left_of_what_was_drained_but_the_sieve(stores: db.Stores):
    await admit(stores, [*items(10), item(1, BOB, b"x" * 100_000)])
    await drain(stores)
    await later(stores.queue, 60)
    await drain(stores)
    await admit(stores, [item(1, CHARLIE)])
    await drain(stores)
    left = {key for key in await stores.queue.keys("*") if not key.startswith(b"lanes:seen:")}
    assert left <= {b"lanes:buckets", b"lanes:epoch", b"lanes:watch"}
    assert await stores.queue.zrange("lanes:buckets", 0, -1) == [CHARLIE.encode()]


async def test_what_redis_clock_says_after_it_was_put_back_holds_nobody_up(stores: db.Stores):
    """Two hours ahead and back: what was written meanwhile lies two hours in the future."""
    await admit(stores, items(60) + items(3, BOB))
    leased = await lane.claim(stores.queue, 50, stores.config, borrow_max=0)
    assert [len(one.items) for one in leased] == [47, 3]
    await later(stores.queue, -7200)
    assert (await backlog.overdue(stores.queue, stores.config)).seconds > 1, "somebody looks"
    assert await lane.finish(stores.queue, stores.config), "and no drain ends"
    assert await drain(stores) == {ALICE: [f"w{n}" for n in range(50)], BOB: ["w0", "w1", "w2"]}
    await later(stores.queue, -7200)
    assert await drain(stores) == {}
    await later(stores.queue, 12)
    assert await drain(stores) == {ALICE: [f"w{n}" for n in range(50, 60)]}, (
        "her bucket is empty for ten seconds, not for two hours"
    )


@pytest.mark.parametrize("wrong", ["string", "hash"])
async def test_a_lane_that_is_no_list_is_put_aside_for_its_shop_alone(stores: db.Stores, wrong):
    async def damage(key):
        await stores.queue.delete(key)
        if wrong == "string":
            await stores.queue.set(key, "who wrote this")
        else:
            await stores.queue.hset(key, "who", "wrote this")

    await admit(stores, items(3) + items(3, BOB))
    await damage(f"lane:{ALICE}")
    assert await drain(stores) == {BOB: ["w0", "w1", "w2"]}
    assert await stores.queue.exists(f"lanes:aside:lane:{ALICE}")
    await damage(f"lane:{ALICE}")
    assert (await admit(stores, items(1, start=3))).verdicts == ["queued"]
    claims = await lane.claim(stores.queue, 10, stores.config)
    await damage(f"lane:{ALICE}")
    assert await lane.acknowledge(stores.queue, claims, stores.config) == 1


@pytest.mark.parametrize("key", ["schedule", "owners", "buckets", "large", "limits", "watch"])
async def test_a_shared_key_of_another_kind_is_put_aside_and_the_lanes_go_on(
    stores: db.Stores, key
):
    await admit(stores, [*items(3), item(1, BOB, b"x" * 100_000)])
    name = f"lanes:{key}"
    await stores.queue.delete(name)
    await stores.queue.rpush(name, "who wrote this")
    (verdict,) = (await admit(stores, items(1, start=3))).verdicts
    assert verdict != "full", "queued, or found there because the script had come that far"
    assert await drain(stores) == {ALICE: ["w0", "w1", "w2", "w3"], BOB: ["w1"]}


async def test_a_sieve_of_another_kind_is_put_aside(stores: db.Stores):
    await admit(stores, items(1))
    (key,) = await stores.queue.keys("lanes:seen:*")
    await stores.queue.set(key, "who wrote this")
    assert (await admit(stores, items(2))).verdicts == ["queued", "queued"]
