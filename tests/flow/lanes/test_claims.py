"""Claims on lanes: leased, renewed, acknowledged once, shared between drains and bounded."""

import asyncio

from app import db
from app.flow.lanes import backlog, lane
from tests.flow.lanes.clock import later
from tests.flow.lanes.numbered import ALICE, BOB, CHARLIE, admit, drain, item, items


async def test_a_leased_lane_is_not_claimed_again_until_its_lease_ends(stores: db.Stores):
    await admit(stores, items(3))
    (first,) = await lane.claim(stores.queue, 10, stores.config)
    await admit(stores, items(1, start=3))
    await later(stores.queue, 1.0)
    assert await lane.claim(stores.queue, 10, stores.config) == []
    await later(stores.queue, lane.LEASE_MILLISECONDS / 1000)
    (second,) = await lane.claim(stores.queue, 10, stores.config)
    assert [lane.decode_item(raw).webhook_id for raw in second.items] == ["w0", "w1", "w2", "w3"]
    assert second.fence != first.fence


async def test_a_late_acknowledgement_takes_nothing(stores: db.Stores):
    await admit(stores, items(3))
    (late,) = await lane.claim(stores.queue, 10, stores.config)
    await later(stores.queue, lane.LEASE_MILLISECONDS / 1000)
    (holder,) = await lane.claim(stores.queue, 2, stores.config)
    assert await lane.acknowledge(stores.queue, [late], stores.config) == 0
    assert await lane.lane_length(stores.queue, ALICE) == 3
    assert await lane.acknowledge(stores.queue, [holder], stores.config) == 1
    assert await lane.acknowledge(stores.queue, [holder], stores.config) == 0, (
        "nor does a repeated one"
    )
    assert await drain(stores) == {ALICE: ["w2"]}


async def test_an_acknowledgement_from_before_redis_forgot_everything_takes_nothing(
    stores: db.Stores,
):
    await admit(stores, items(3))
    (before,) = await lane.claim(stores.queue, 10, stores.config)
    await stores.queue.flushall()
    await admit(stores, items(3, start=3))
    await lane.claim(stores.queue, 10, stores.config)
    assert await lane.acknowledge(stores.queue, [before], stores.config) == 0
    assert await lane.lane_length(stores.queue, ALICE) == 3


async def test_a_lease_that_is_renewed_outlasts_its_time(stores: db.Stores):
    await admit(stores, items(3))
    claims = await lane.claim(stores.queue, 10, stores.config)
    for _ in range(3):
        await later(stores.queue, lane.LEASE_MILLISECONDS / 1000 - 1)
        assert await lane.renew(stores.queue, claims, stores.config) == 1
    assert await lane.claim(stores.queue, 10, stores.config) == []
    assert await lane.acknowledge(stores.queue, claims, stores.config) == 1
    assert await lane.renew(stores.queue, claims, stores.config) == 0


async def test_leases_are_renewed_as_long_as_a_batch_is_written(stores: db.Stores, monkeypatch):
    monkeypatch.setattr(lane, "LEASE_MILLISECONDS", 150)
    await admit(stores, items(3))
    claims = await lane.claim(stores.queue, 10, stores.config)
    async with lane.kept(stores.queue, claims, stores.config):
        await asyncio.sleep(0.4)
        assert await lane.claim(stores.queue, 10, stores.config) == []
        assert await lane.acknowledge(stores.queue, claims, stores.config) == 1


async def test_a_part_of_a_claim_can_be_acknowledged(stores: db.Stores):
    await admit(stores, items(3))
    claims = await lane.claim(stores.queue, 10, stores.config)
    await lane.acknowledge(stores.queue, claims, stores.config, counts=[1])
    assert await drain(stores) == {ALICE: ["w1", "w2"]}


async def test_two_drains_at_once_share_the_lanes_and_take_each_webhook_once(stores: db.Stores):
    shops = [f"shop{number}.myshopify.com" for number in range(20)]
    for shop in shops:
        await admit(stores, items(30, shop))
    seen = []

    async def one_drain():
        while True:
            found = await drain(stores, limit=40)
            if not found:
                return
            seen.extend((shop, webhook) for shop, ids in found.items() for webhook in ids)
            await asyncio.sleep(0)

    await asyncio.gather(one_drain(), one_drain(), one_drain())
    assert sorted(seen) == sorted((shop, f"w{number}") for shop in shops for number in range(30))
    for shop in shops:
        assert [webhook for owner, webhook in seen if owner == shop] == [
            f"w{number}" for number in range(30)
        ]


async def test_a_drain_with_more_than_it_can_take_leaves_half_of_the_lanes_to_another(
    stores: db.Stores,
):
    shops = [f"shop{number}.myshopify.com" for number in range(10)]
    for shop in shops:
        await admit(stores, items(30, shop))
    first = await lane.claim(stores.queue, 100, stores.config)
    assert (await backlog.overdue(stores.queue, stores.config)).is_help_wanted
    second = await lane.claim(stores.queue, 100, stores.config)
    assert [len(one.items) for one in first] == [20] * 5
    assert sum(len(one.items) for one in second) >= 90
    assert not {one.shop for one in first} & {one.shop for one in second}
    for claims in (first, second):
        await lane.acknowledge(stores.queue, claims, stores.config)
    await lane.claim(stores.queue, 1000, stores.config)
    assert not (await backlog.overdue(stores.queue, stores.config)).is_help_wanted


async def test_a_claim_is_bounded_in_bytes_before_it_reads(stores: db.Stores):
    large = [item(number, body=b"x" * 4_000_000) for number in range(20)]
    for number in range(0, 20, 10):
        await admit(stores, large[number : number + 10])
    await admit(stores, items(20, BOB))
    served = 0
    while served < 20:
        before = (await stores.queue.info("stats"))["total_net_output_bytes"]
        claims = await lane.claim(stores.queue, 1000, stores.config)
        read = (await stores.queue.info("stats"))["total_net_output_bytes"] - before
        assert read < lane.CLAIM_BYTES_MAX + 5_000_000
        assert claims, "something always fits"
        served += sum(len(one.items) for one in claims if one.shop == ALICE)
        await lane.acknowledge(stores.queue, claims, stores.config)
    assert await lane.lane_length(stores.queue, BOB) == 0
    assert await stores.queue.exists("lanes:large") == 0


async def test_a_few_large_webhooks_among_many_small_ones_are_measured_too(stores: db.Stores):
    mixed = [
        item(number, body=b"x" * (3_000_000 if number % 5 == 0 else 10)) for number in range(50)
    ]
    await admit(stores, mixed)
    taken = []
    while len(taken) < 50:
        (claimed,) = await lane.claim(stores.queue, 1000, stores.config)
        assert sum(map(len, claimed.items)) < lane.CLAIM_BYTES_MAX + 5_000_000
        await lane.acknowledge(stores.queue, [claimed], stores.config)
        taken += [lane.decode_item(raw).webhook_id for raw in claimed.items]
    assert taken == [f"w{number}" for number in range(50)]


async def test_admission_wakes_one_drain_and_another_when_that_one_has_ended(stores: db.Stores):
    assert (await admit(stores, [item(1)])).is_wake_needed
    assert not (await admit(stores, [item(2, BOB)])).is_wake_needed, "one was woken just now"
    await drain(stores)
    assert not (await admit(stores, [item(3, CHARLIE)])).is_wake_needed, "a drain is running"
    await drain(stores)
    assert not await lane.finish(stores.queue, stores.config)
    assert (await admit(stores, [item(4, CHARLIE)])).is_wake_needed


async def test_a_lane_out_of_tokens_wakes_a_drain_only_if_it_may_borrow(stores: db.Stores):
    await stores.queue.hset("lanes:limits", BOB, "5:50:0")
    await admit(stores, items(50) + items(50, BOB))
    await drain(stores)
    assert not await lane.finish(stores.queue, stores.config)
    assert not (await admit(stores, [item(50, BOB)])).is_wake_needed
    assert (await admit(stores, [item(50)])).is_wake_needed


async def test_a_drain_does_not_end_while_something_is_due(stores: db.Stores):
    await lane.claim(stores.queue, 10, stores.config)
    await admit(stores, [item(1)])
    assert await lane.finish(stores.queue, stores.config)


async def test_a_drain_that_died_is_not_waited_for_long(stores: db.Stores):
    await lane.claim(stores.queue, 10, stores.config)
    await admit(stores, [item(1)])
    assert 0 < await stores.queue.pttl("lanes:watch") <= lane.WATCH_MILLISECONDS
    assert (await backlog.overdue(stores.queue, stores.config)).seconds < 3.0
    await later(stores.queue, 3.0)
    assert (await backlog.overdue(stores.queue, stores.config)).seconds > 3.0
    await drain(stores)
    assert (await backlog.overdue(stores.queue, stores.config)).seconds == 0
