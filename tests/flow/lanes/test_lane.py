"""The lanes: deduped, paced by a bucket, fair, leased with fences; the clock is given by the
tests.
"""

import asyncio
from dataclasses import replace

from app import db
from app.flow.lanes import lane
from app.flow.lanes.lane import LaneItem

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


async def drain(stores, now, limit=500):
    """Claim and acknowledge once; the webhook ids by shop, in order."""
    claims = await lane.claim(stores.queue, limit, now, stores.config)
    assert await lane.acknowledge(stores.queue, claims, now, stores.config) == len(claims)
    return {one.shop: [lane.decode_item(raw).webhook_id for raw in one.items] for one in claims}


async def admit(stores, found, now=NOW, **kwargs):
    return await lane.admit(stores.queue, found, now, stores.config, **kwargs)


async def test_a_webhook_comes_out_as_it_went_in(stores: db.Stores):
    one = item(1, body='{"名": "𝄞"}\x00'.encode() * 1000)
    assert (await admit(stores, [one])).outcomes == ["queued"]
    (claimed,) = await lane.claim(stores.queue, 10, NOW, stores.config)
    assert [lane.decode_item(raw) for raw in claimed.items] == [one]


async def test_a_repeat_is_dropped_within_a_call_across_calls_and_after_it_was_drained(
    stores: db.Stores,
):
    assert (await admit(stores, [item(1), item(1), item(2)])).outcomes == [
        "queued",
        "duplicate",
        "queued",
    ]
    assert (await admit(stores, [item(2)])).outcomes == ["duplicate"]
    await drain(stores, NOW)
    assert (await admit(stores, [item(1)])).outcomes == ["duplicate"]
    assert (await admit(stores, [item(1, BOB)])).outcomes == ["queued"], (
        "the same id in another shop is another webhook"
    )
    ttl = await stores.queue.pttl(f"seen:{ALICE}:w1")
    assert 0 < ttl <= lane.SEEN_MILLISECONDS


async def test_a_replayed_webhook_may_enter_again(stores: db.Stores):
    await admit(stores, [item(1)])
    await drain(stores, NOW)
    assert (await admit(stores, [item(1)], again=True)).outcomes == ["queued"]
    assert await drain(stores, NOW) == {ALICE: ["w1"]}


async def test_a_full_lane_refuses_and_does_not_take_the_refused_for_seen(stores: db.Stores):
    small = replace(stores.config, lane_max_length=2)
    outcomes = (await lane.admit(stores.queue, items(3), NOW, small)).outcomes
    assert outcomes == ["queued", "queued", "full"]
    assert await drain(stores, NOW) == {ALICE: ["w0", "w1"]}
    assert (await lane.admit(stores.queue, [item(2)], NOW, small)).outcomes == ["queued"]


async def test_many_admissions_of_the_same_webhooks_at_once_keep_one_of_each(stores: db.Stores):
    answers = await asyncio.gather(*(admit(stores, items(40)) for _ in range(10)))
    outcomes = [outcome for answer in answers for outcome in answer.outcomes]
    assert outcomes.count("queued") == 40
    assert outcomes.count("duplicate") == 360
    assert (await drain(stores, NOW))[ALICE] == [f"w{number}" for number in range(40)]


async def test_a_shop_spends_its_burst_and_then_goes_at_its_pace(stores: db.Stores):
    await admit(stores, items(60))
    assert len((await drain(stores, NOW))[ALICE]) == 50
    assert await drain(stores, NOW + 0.19) == {}
    assert await drain(stores, NOW + 0.2) == {ALICE: ["w50"]}
    assert await drain(stores, NOW + 0.399) == {}
    assert await drain(stores, NOW + 1.0) == {ALICE: ["w51", "w52", "w53", "w54"]}


async def test_in_any_minute_a_shop_gets_no_more_than_burst_plus_rate(stores: db.Stores):
    await admit(stores, items(1000))
    taken = 0
    for step in range(600):
        for found in (await drain(stores, NOW + step * 0.1)).values():
            taken += len(found)
    assert 345 <= taken <= 350  # 50 + 5 a second, for 59.9 seconds


async def test_a_shop_may_have_limits_of_its_own(stores: db.Stores):
    await stores.queue.hset("lanes:limits", ALICE, "1:2:0")
    await stores.queue.hset("lanes:limits", BOB, "nonsense")
    await admit(stores, items(10) + items(60, BOB))
    found = await drain(stores, NOW)
    assert (len(found[ALICE]), len(found[BOB])) == (2, 50)
    assert await drain(stores, NOW + 0.15) == {}
    assert len((await drain(stores, NOW + 1.0))[ALICE]) == 1


async def test_a_shop_on_the_schedule_takes_one_place_however_much_it_has_waiting(
    stores: db.Stores,
):
    await admit(stores, items(10_000))
    await admit(stores, items(3, BOB) + items(3, CHARLIE))
    assert await stores.queue.zcard("lanes:schedule") == 3
    found = await drain(stores, NOW, limit=30)
    assert found[BOB] == found[CHARLIE] == ["w0", "w1", "w2"], (
        "ten thousand webhooks of Alice do not delay Bob's three"
    )
    assert len(found[ALICE]) == 24, "what the others leave is hers"


async def test_lanes_take_turns_when_more_are_due_than_fit(stores: db.Stores):
    shops = [f"shop{number}.myshopify.com" for number in range(10)]
    for number, shop in enumerate(shops):
        await admit(stores, items(5, shop), NOW + number / 1000)
    served = []
    for step in range(4):
        served += await drain(stores, NOW + 1 + step / 1000, limit=5)
    assert sorted(served[:10]) == sorted(shops), "everybody once before anybody twice"


async def test_a_leased_lane_is_not_claimed_again_until_its_lease_ends(stores: db.Stores):
    await admit(stores, items(3))
    (first,) = await lane.claim(stores.queue, 10, NOW, stores.config)
    await admit(stores, items(1, start=3))
    assert await lane.claim(stores.queue, 10, NOW + 1, stores.config) == []
    (second,) = await lane.claim(
        stores.queue, 10, NOW + lane.LEASE_MILLISECONDS / 1000, stores.config
    )
    assert [lane.decode_item(raw).webhook_id for raw in second.items] == ["w0", "w1", "w2", "w3"]
    assert second.fence > first.fence


async def test_a_late_acknowledgement_takes_nothing(stores: db.Stores):
    await admit(stores, items(3))
    (late,) = await lane.claim(stores.queue, 10, NOW, stores.config)
    later = NOW + lane.LEASE_MILLISECONDS / 1000
    (holder,) = await lane.claim(stores.queue, 2, later, stores.config)
    assert await lane.acknowledge(stores.queue, [late], later, stores.config) == 0
    assert await lane.lane_depth(stores.queue, ALICE) == 3
    assert await lane.acknowledge(stores.queue, [holder], later, stores.config) == 1
    assert await lane.acknowledge(stores.queue, [holder], later, stores.config) == 0, (
        "nor does a repeated one"
    )
    assert await drain(stores, later) == {ALICE: ["w2"]}


async def test_a_part_of_a_claim_can_be_acknowledged(stores: db.Stores):
    await admit(stores, items(3))
    claims = await lane.claim(stores.queue, 10, NOW, stores.config)
    await lane.acknowledge(stores.queue, claims, NOW, stores.config, counts=[1])
    assert await drain(stores, NOW) == {ALICE: ["w1", "w2"]}


async def test_two_drains_at_once_share_the_lanes_and_take_each_webhook_once(stores: db.Stores):
    shops = [f"shop{number}.myshopify.com" for number in range(20)]
    for shop in shops:
        await admit(stores, items(30, shop))
    seen = []

    async def one_drain():
        while True:
            found = await drain(stores, NOW, limit=40)
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


async def test_a_borrower_takes_what_nobody_waits_for_and_nothing_more(stores: db.Stores):
    await stores.queue.hset("lanes:limits", ALICE, "5:50:1")
    await admit(stores, items(300))
    assert len((await drain(stores, NOW, limit=100))[ALICE]) == 50
    assert await lane.finish(stores.queue, NOW) == NOW, "the drain goes on for a borrower"
    assert len((await drain(stores, NOW, limit=100))[ALICE]) == 100
    await admit(stores, items(50, BOB) + items(50, CHARLIE))
    found = await drain(stores, NOW, limit=100)
    assert (len(found[BOB]), len(found[CHARLIE])) == (50, 50)
    assert ALICE not in found, "Bob and Charlie are waiting"
    assert len((await drain(stores, NOW + 0.2))[ALICE]) == 1, "its own tokens come as before"


async def test_a_claim_is_limited_in_bytes(stores: db.Stores):
    await admit(stores, [item(number, body=b"x" * 4_000_000) for number in range(5)])
    (claimed,) = await lane.claim(stores.queue, 100, NOW, stores.config)
    assert len(claimed.items) == 3, "one more than fits in 8 MB, so that something always does"


async def test_admission_wakes_a_drain_once_and_again_for_what_is_due_earlier(stores: db.Stores):
    assert (await admit(stores, [item(1)])).wake_at_ms == NOW * 1000
    assert (await admit(stores, [item(2, BOB)])).wake_at_ms is None, "one was woken just now"
    await drain(stores, NOW)
    assert (await admit(stores, [item(3, CHARLIE)])).wake_at_ms is None, "a drain is running"
    await drain(stores, NOW)
    assert await lane.finish(stores.queue, NOW) is None
    assert (await admit(stores, [item(4, CHARLIE)])).wake_at_ms == NOW * 1000


async def test_admission_books_a_drain_for_a_lane_out_of_tokens_and_another_earlier_one(
    stores: db.Stores,
):
    await admit(stores, items(50))
    await drain(stores, NOW)
    assert await lane.finish(stores.queue, NOW) is None
    assert (await admit(stores, [item(50)])).wake_at_ms == (NOW + 0.2) * 1000
    assert (await admit(stores, [item(1, BOB)])).wake_at_ms == NOW * 1000
    assert (await admit(stores, [item(1, CHARLIE)])).wake_at_ms is None


async def test_a_drain_that_ends_books_the_next_for_the_moment_something_is_due(stores: db.Stores):
    await admit(stores, items(51))
    await drain(stores, NOW)
    assert await lane.finish(stores.queue, NOW) == NOW + 0.2
    assert not await lane.is_neglected(stores.queue, NOW + 1), "the next drain is booked"
    assert (await admit(stores, [item(1, BOB)])).wake_at_ms == NOW * 1000, (
        "Bob does not wait for Alice's bucket"
    )


async def test_a_drain_does_not_end_while_something_is_due(stores: db.Stores):
    await lane.claim(stores.queue, 10, NOW, stores.config)
    await admit(stores, [item(1)])
    assert await lane.finish(stores.queue, NOW) == NOW


async def test_a_drain_that_died_is_not_waited_for_long(stores: db.Stores):
    await lane.claim(stores.queue, 10, NOW, stores.config)
    await admit(stores, [item(1)])
    assert 0 < await stores.queue.pttl("lanes:watch") <= lane.WATCH_MILLISECONDS
    assert not await lane.is_neglected(stores.queue, NOW)
    await stores.queue.delete("lanes:watch")  # what its expiry does
    assert await lane.is_neglected(stores.queue, NOW)
    assert not await lane.is_neglected(stores.queue, NOW - 1)


async def test_the_depth_and_age_of_the_lanes_are_told(stores: db.Stores):
    assert await lane.lane_stats(stores.queue) == lane.LaneStats(0, 0, None, None)
    await admit(stores, items(3, start=7) + items(2, BOB, start=5))
    assert await lane.lane_stats(stores.queue) == lane.LaneStats(5, 2, NOW * 1000 + 5, NOW * 1000)
    assert await lane.lane_depth(stores.queue, ALICE) == 3


async def test_the_scripts_are_sent_again_after_redis_forgot_them(stores: db.Stores):
    await stores.queue.script_flush()
    assert (await admit(stores, [item(1)])).outcomes == ["queued"]
