"""A shop that rewards a friend's second order: the first one alone gives nothing."""

import itertools
from datetime import timedelta

import pytest

from app.db import Stores
from tests.points.world import now, one, refunded
from tests.referrals.test_orders import pass_days, state
from tests.referrals.world import claim, handle, link_of, offer, order, referral, told


async def test_the_second_order_is_rewarded_and_the_first_one_alone_is_not(stores: Stores) -> None:
    await offer(order_number=2)
    await claim(stores, await link_of(stores))
    await handle(stores, order("1"))
    assert await state() == ("claimed", "allow")
    await pass_days(100)
    assert await state() == ("claimed", "allow"), "it waits longer than an offer nobody used"
    await handle(stores, order("1"), order("2", at=now() + timedelta(seconds=1)))
    await pass_days(1)
    assert [one["order_id"] for one in await told("referral.completed")] == ["2"]
    said = await one("SELECT string_agg(words, ' ' ORDER BY id) FROM referral_events")
    assert "Order #1 is the first; the second one counts." in said
    assert said.count("is the first") == 1


@pytest.mark.parametrize("places", list(itertools.permutations(range(3))))
async def test_two_orders_in_any_order_of_arrival_count_as_they_were_placed(
    stores: Stores, places: tuple[int, ...]
) -> None:
    await offer(order_number=2)
    await claim(stores, await link_of(stores))
    facts = [
        order("1", at=now() - timedelta(seconds=9)),
        order("2", at=now() - timedelta(seconds=5)),
        refunded("1", "r1", amount="10.00"),
    ]
    for place in (*places, *places):
        await handle(stores, facts[place])
    row = await referral()
    assert (row["state"], row["order_id"]) == ("ordered", "2")


async def test_without_a_second_order_it_is_let_go_after_half_a_year(stores: Stores) -> None:
    await offer(order_number=2)
    await claim(stores, await link_of(stores))
    await handle(stores, order("1"))
    await pass_days(179)
    assert (await state())[0] == "claimed"
    await pass_days(181)
    assert (await state())[0] == "lapsed"
    said = await one("SELECT words FROM referral_events WHERE kind = 'lapsed'")
    assert said == "The friend did not order a second time in time."


async def test_a_first_order_that_comes_back_takes_the_reward_back_too(stores: Stores) -> None:
    await offer(order_number=2)
    await claim(stores, await link_of(stores))
    await handle(stores, order("1"), order("2", at=now() + timedelta(seconds=1)))
    await pass_days(1)
    assert (await state())[0] == "completed"
    await handle(stores, refunded("1", "r1", {"l1": 1}))
    assert (await state())[0] == "reversed"
    (reversed_,) = await told("referral.reversed")
    assert reversed_["reason"] == "The order before #2 came back."


async def test_a_first_order_that_comes_back_before_the_second_begins_anew(stores: Stores) -> None:
    await offer(order_number=2)
    await claim(stores, await link_of(stores))
    await handle(stores, order("1"))
    await handle(stores, refunded("1", "r1", {"l1": 1}))
    await handle(stores, order("2"))
    assert (await state())[0] == "claimed"
    await handle(stores, order("3", at=now() + timedelta(seconds=1)))
    row = await referral()
    assert (row["state"], row["order_id"]) == ("ordered", "3")


async def test_an_advocate_who_places_the_first_order_themselves_is_blocked(stores: Stores) -> None:
    from tests.referrals.world import BOB, person

    await offer(order_number=2)
    await handle(stores, person(BOB, "bob@example.com"))
    await claim(stores, await link_of(stores))
    code = (await referral())["code"]
    await handle(stores, order("1", BOB, "bob@example.com", discount_codes=[code]))
    await handle(stores, order("2", at=now() + timedelta(seconds=1)))
    assert (await state())[1] == "block"
    await pass_days(30)
    assert await told("referral.completed") == []
