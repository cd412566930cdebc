"""Lanes: one of each webhook, each shop at its pace, and what is left goes to who has more."""

import asyncio
from dataclasses import replace

from app import db
from app.flow.lanes import backlog, lane
from tests.flow.lanes.clock import later
from tests.flow.lanes.numbered import ALICE, BOB, CHARLIE, NOW, admit, drain, item, items


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
