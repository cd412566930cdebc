"""The lanes: deduped, paced by a bucket, fair, leased with fences, by Redis' own clock."""

import asyncio
from dataclasses import replace

from app import db
from app.flow.lanes import backlog, lane
from app.flow.lanes.lane import LaneItem
from tests.flow.lanes.clock import later

ALICE, BOB, CHARLIE = "alice.myshopify.com", "bob.myshopify.com", "charlie.myshopify.com"
NOW = 1_800_000_000.0


def item(number, shop=ALICE, body=b"{}"):
    return LaneItem(
        received_ms=int(NOW * 1000) + number,
        shop=shop,
        topic="orders/paid",
        webhook_id=f"w{number}",
        api_version="2026-07",
        triggered_at="",
        event_id="",
        request_id="",
        body=body,
    )


def items(count, shop=ALICE, start=0):
    return [item(number, shop) for number in range(start, start + count)]


async def drain(stores, limit=500, borrow_max=0):
    """Claim and acknowledge once; the webhook ids by shop, in order."""
    claims = await lane.claim(stores.queue, limit, stores.config, borrow_max=borrow_max)
    assert await lane.acknowledge(stores.queue, claims, stores.config) == len(claims)
    return {one.shop: [lane.decode_item(raw).webhook_id for raw in one.items] for one in claims}


async def admit(stores, found, **kwargs):
    return await lane.admit(stores.queue, found, stores.config, **kwargs)


async def test_a_webhook_comes_out_as_it_went_in(stores: db.Stores):
    one = item(1, body='{"名": "𝄞"}\x00'.encode() * 1000)
    assert (await admit(stores, [one])).verdicts == ["queued"]
    (claimed,) = await lane.claim(stores.queue, 10, stores.config)
    assert [lane.decode_item(raw) for raw in claimed.items] == [one]


async def test_a_repeat_is_dropped_within_a_call_across_calls_and_after_it_was_drained(
    stores: db.Stores,
):
    assert (await admit(stores, [item(1), item(1), item(2)])).verdicts == [
        "queued",
        "duplicate",
        "queued",
    ]
    assert (await admit(stores, [item(2)])).verdicts == ["duplicate"]
    await drain(stores)
    assert (await admit(stores, [item(1)])).verdicts == ["duplicate"]
    assert (await admit(stores, [item(1, BOB)])).verdicts == ["queued"], (
        "the same id in another shop is another webhook"
    )


async def test_a_replayed_webhook_may_enter_again(stores: db.Stores):
    await admit(stores, [item(1)])
    await drain(stores)
    assert (await admit(stores, [item(1)], again=True)).verdicts == ["queued"]
    assert await drain(stores) == {ALICE: ["w1"]}


async def test_a_full_lane_refuses_and_does_not_take_the_refused_for_seen(stores: db.Stores):
    small = replace(stores.config, lane_max_length=2)
    verdicts = (await lane.admit(stores.queue, items(3), small)).verdicts
    assert verdicts == ["queued", "queued", "full"]
    assert await drain(stores) == {ALICE: ["w0", "w1"]}
    assert (await lane.admit(stores.queue, [item(2)], small)).verdicts == ["queued"]


async def test_many_admissions_of_the_same_webhooks_at_once_keep_one_of_each(stores: db.Stores):
    answers = await asyncio.gather(*(admit(stores, items(40)) for _ in range(10)))
    verdicts = [verdict for answer in answers for verdict in answer.verdicts]
    assert verdicts.count("queued") == 40
    assert verdicts.count("duplicate") == 360
    assert (await drain(stores))[ALICE] == [f"w{number}" for number in range(40)]


async def test_a_shop_spends_its_burst_and_then_goes_at_its_pace(stores: db.Stores):
    await admit(stores, items(60))
    assert len((await drain(stores))[ALICE]) == 50
    assert await drain(stores) == {}
    await later(stores.queue, 0.21)
    assert await drain(stores) == {ALICE: ["w50"]}
    assert await drain(stores) == {}
    await later(stores.queue, 0.61)
    assert await drain(stores) == {ALICE: ["w51", "w52", "w53"]}


async def test_in_any_minute_a_shop_gets_no_more_than_burst_plus_rate(stores: db.Stores):
    slow = replace(stores, config=replace(stores.config, lane_rate_per_second=0.5))
    await admit(slow, items(1000))
    taken, began = 0, asyncio.get_running_loop().time()
    for _ in range(200):
        for found in (await drain(slow)).values():
            taken += len(found)
        await later(stores.queue, 0.5)
    seconds = 100 + asyncio.get_running_loop().time() - began
    assert 99 <= taken <= 51 + 0.5 * seconds  # 50 + 1 every two seconds


async def test_a_shop_may_have_limits_of_its_own(stores: db.Stores):
    await stores.queue.hset("lanes:limits", ALICE, "1:2:0")
    await stores.queue.hset("lanes:limits", BOB, "nonsense")
    await admit(stores, items(10) + items(60, BOB))
    found = await drain(stores)
    assert (len(found[ALICE]), len(found[BOB])) == (2, 50)
    assert ALICE not in await drain(stores, borrow_max=100), "she may not borrow"
    await later(stores.queue, 1.0)
    assert len((await drain(stores))[ALICE]) == 1


async def test_a_shop_on_the_schedule_takes_one_place_however_much_it_has_waiting(
    stores: db.Stores,
):
    await admit(stores, items(10_000))
    await admit(stores, items(3, BOB) + items(3, CHARLIE))
    assert await stores.queue.zcard("lanes:schedule") == 3
    found = await drain(stores, limit=30)
    assert found[BOB] == found[CHARLIE] == ["w0", "w1", "w2"], (
        "ten thousand webhooks of Alice do not delay Bob's three"
    )
    assert len(found[ALICE]) == 24, "what the others leave is hers"


async def test_lanes_take_turns_when_more_are_due_than_fit(stores: db.Stores):
    shops = [f"shop{number}.myshopify.com" for number in range(10)]
    for shop in shops:
        await admit(stores, items(5, shop))
    served = []
    for _ in range(4):
        served += await drain(stores, limit=5)
        await asyncio.sleep(0.002)
    assert sorted(served[:10]) == sorted(shops), "everybody once before anybody twice"


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


async def test_who_has_a_backlog_borrows_what_nobody_waits_for_and_nothing_more(stores: db.Stores):
    await admit(stores, items(400))
    assert len((await drain(stores, limit=100, borrow_max=100))[ALICE]) == 50
    assert await lane.finish(stores.queue, stores.config), "the drain goes on for a borrower"
    assert not await lane.finish(stores.queue, stores.config, borrow=False)
    assert len((await drain(stores, limit=100, borrow_max=100))[ALICE]) == 100
    assert len((await drain(stores, limit=100, borrow_max=30))[ALICE]) == 30
    await admit(stores, items(50, BOB) + items(50, CHARLIE))
    found = await drain(stores, limit=100, borrow_max=100)
    assert (len(found[BOB]), len(found[CHARLIE])) == (50, 50)
    assert ALICE not in found, "Bob and Charlie are waiting"
    await later(stores.queue, 0.2)
    assert len((await drain(stores))[ALICE]) == 1, "her own tokens come as before"


async def test_borrowers_share_what_is_left(stores: db.Stores):
    await admit(stores, items(200) + items(200, BOB))
    await drain(stores)
    found = await drain(stores, borrow_max=100)
    assert (len(found[ALICE]), len(found[BOB])) == (50, 50)


async def test_a_claim_is_bounded_in_bytes_before_it_reads(stores: db.Stores):
    large = [item(number, body=b"x" * 4_000_000) for number in range(50)]
    for number in range(0, 50, 10):
        await admit(stores, large[number : number + 10])
    await admit(stores, items(20, BOB))
    served = 0
    while served < 50:
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
    assert (await backlog.overdue(stores.queue, stores.config)).seconds < 0.5
    await later(stores.queue, 3.0)
    assert 3.0 < (await backlog.overdue(stores.queue, stores.config)).seconds < 4.0
    await drain(stores)
    assert (await backlog.overdue(stores.queue, stores.config)).seconds == 0


async def test_the_depth_and_age_of_the_lanes_are_told(stores: db.Stores):
    assert await backlog.depth(stores.queue, stores.config) == backlog.Depth(0, 0, None, 0.0)
    await admit(stores, items(3, start=7) + items(2, BOB, start=5))
    found = await backlog.depth(stores.queue, stores.config)
    assert (found.waiting, found.lanes, found.oldest_ms) == (5, 2, NOW * 1000 + 5)
    assert await lane.lane_length(stores.queue, ALICE) == 3


async def test_the_backlog_of_a_shop_is_told_with_the_age_of_its_head(stores: db.Stores):
    assert await backlog.backlog(stores.queue, stores.config, ALICE) == (0, None)
    await admit(stores, items(3, start=7) + items(2, BOB, start=5))
    assert await backlog.backlog(stores.queue, stores.config, ALICE) == (3, NOW * 1000 + 7)


async def test_the_scripts_are_sent_again_after_redis_forgot_them(stores: db.Stores):
    await stores.queue.script_flush()
    assert (await admit(stores, [item(1)])).verdicts == ["queued"]
