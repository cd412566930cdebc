"""Links of members: short, one a member, ten an hour a shop and the others in their turn."""

import asyncio
from datetime import timedelta
from functools import partial

from app.db import Stores
from app.referrals.links import actions as links
from app.referrals.links import rules
from app.resilience import limits
from tests.points.world import ALICE, crowd, now, one

READY = "SELECT count(*) FROM referral_links WHERE status = 'ready'"
CODES = "SELECT count(DISTINCT code) FROM referral_links WHERE code IS NOT NULL"


async def test_fifty_links_asked_at_once_are_ten_now_and_forty_in_their_turn_none_twice(
    stores: Stores,
) -> None:
    at = now()
    members = [str(9000 + number) for number in range(50)]
    made = await crowd(*(partial(links.ask, stores, ALICE, one, at) for one in members))
    assert await one(READY) == 10
    assert sum(one.status == "ready" for one in made) <= 10, "each is told how it is just now"

    hours = 0
    while await one(READY) < 50:
        hours += 1
        later = at + timedelta(hours=hours)
        if hours == 2:  # Redis forgets all of its buckets: the hour gets no more than it could
            await stores.cache.flushall()
        before = await one(READY)
        # two processes at once, and one that dies in the middle of it
        doomed = asyncio.create_task(links.make_due(stores, later))
        await asyncio.sleep(0.005)
        doomed.cancel()
        await asyncio.gather(links.make_due(stores, later), links.make_due(stores, later))
        assert await one(READY) - before <= rules.ANY_HOUR_MAX
        assert hours < 12
    assert await one(CODES) == 50
    assert hours >= 3
    again = [await links.ask(stores, ALICE, member, at) for member in members]
    assert {two.code for two in again} == {code async for code in _codes()}, (
        "the same link however often it is asked for"
    )


async def _codes():
    from app import db

    async with db.connection() as conn:
        for row in await conn.fetch("SELECT code FROM referral_links"):
            yield row["code"]


async def test_a_member_has_one_link_however_often_it_is_asked_for_at_once(stores: Stores) -> None:
    made = await crowd(*[partial(links.ask, stores, ALICE, "7001")] * 20)
    assert len({one.id for one in made}) == 1
    assert {one.status for one in made} <= {"ready", "queued"}
    code = (await links.ask(stores, ALICE, "7001")).code
    assert rules.is_code(code)
    assert len(code) == 10


async def test_whoever_asked_first_gets_the_next_link(stores: Stores) -> None:
    at = now()
    for number in range(12):
        await links.ask(stores, ALICE, str(number), at + timedelta(seconds=number))
    late = await links.ask(stores, ALICE, "late", at + timedelta(minutes=7))
    assert late.status == "queued"
    assert (await links.ask(stores, ALICE, "10", at)).status == "ready", "its turn came"


async def test_a_limit_that_cannot_be_asked_makes_a_link_all_the_same_ten_an_hour(
    stores: Stores, monkeypatch
) -> None:
    async def away(*_: object, **__: object) -> limits.Allowance:
        return limits.Allowance(is_allowed=True, is_known=False)

    monkeypatch.setattr(limits, "take", away)
    at = now()
    for number in range(15):
        await links.ask(stores, ALICE, str(number), at)
    assert await one(READY) == 10
    await links.make_due(stores, at + timedelta(minutes=61))
    assert await one(READY) == 15
