"""The first qualifying order of a friend makes the reward, in whatever order facts come."""

import itertools
from datetime import timedelta
from typing import Any

import pytest

from app.db import Stores
from app.referrals.orders import rewarding
from tests.points.world import cancelled, now, one, refunded
from tests.referrals.world import (
    BOB,
    CAROL,
    FRIDA,
    claim,
    handle,
    hours_ago,
    link_of,
    offer,
    order,
    person,
    referral,
    told,
)


async def state() -> tuple[str, str]:
    row = await referral()
    return row["state"], row["verdict"]


async def pass_days(days: float) -> None:
    await rewarding.reward_due(now() + timedelta(days=days))


async def test_an_order_waits_out_its_hold_and_is_rewarded_once(stores: Stores) -> None:
    await offer(hold_days=14)
    await claim(stores, await link_of(stores))
    await handle(stores, order("1"), order("1"), order("1", topic="order.updated"))
    assert await state() == ("ordered", "allow")
    await pass_days(13)
    assert await told("referral.completed") == []
    await pass_days(15)
    await pass_days(16)
    await handle(stores, order("1"))
    await pass_days(17)
    completed = await told("referral.completed")
    assert [(one["advocate_id"], one["friend_id"], one["points"]) for one in completed] == [
        (BOB, FRIDA, 100)
    ]
    assert await state() == ("completed", "allow")


@pytest.mark.parametrize("by", ["code", "e-mail", "guest", "customer"])
async def test_the_friends_order_is_known_by(stores: Stores, by: str) -> None:
    await offer()
    await claim(stores, await link_of(stores))
    code = (await referral())["code"]
    if by == "customer":
        await one("UPDATE referrals SET friend_id = $1 RETURNING id", FRIDA)
    event = {
        "code": lambda: order("1", "7555", "else@example.org", discount_codes=[code.lower()]),
        "e-mail": lambda: order("1", "7555", "Frida@Example.com"),
        "guest": lambda: order("1", None),
        "customer": lambda: order("1", FRIDA, "new@example.org"),
    }[by]()
    await handle(stores, event)
    assert (await state())[0] == "ordered"


@pytest.mark.parametrize(
    "more",
    [
        {"amount": "19.99"},
        {"test": True},
        {"financial_status": "pending"},
        {"at": hours_ago(2)},
    ],
    ids=["too small", "a test", "not paid", "of before the claim"],
)
async def test_an_order_that_does_not_qualify_counts_for_nothing(
    stores: Stores, more: dict[str, Any]
) -> None:
    await offer(order_minimum=20)
    await claim(stores, await link_of(stores))
    await handle(stores, order("1", **more))
    assert (await state())[0] == "claimed"


async def test_a_later_order_counts_when_the_first_was_too_small(stores: Stores) -> None:
    await offer(order_minimum=20)
    await claim(stores, await link_of(stores))
    await handle(stores, order("1", amount="5.00"))
    await handle(stores, order("2", amount="25.00"))
    row = await referral()
    assert (row["state"], row["order_id"]) == ("ordered", "2")


@pytest.mark.parametrize("places", list(itertools.permutations(range(4))))
async def test_facts_in_any_order_and_twice_come_to_the_same(
    stores: Stores, places: tuple[int, ...]
) -> None:
    await offer(order_minimum=20)
    await claim(stores, await link_of(stores))
    facts = [
        order("1", at=now() - timedelta(seconds=5)),
        refunded("1", "r1", {"l1": 1}),
        order("2", amount="30.00"),
        order("1", at=now() - timedelta(seconds=4), topic="order.updated", financial_status="paid"),
    ]
    for place in (*places, *places):
        await handle(stores, facts[place])
    row = await referral()
    assert (row["state"], row["verdict"], row["order_id"]) == ("ordered", "allow", "2")


async def test_a_refund_or_cancellation_during_the_hold_leaves_nothing_to_reward(
    stores: Stores,
) -> None:
    await offer(hold_days=14)
    await claim(stores, await link_of(stores))
    await handle(stores, cancelled("1"))
    await handle(stores, order("1"))
    assert (await state())[0] == "claimed"
    await handle(stores, order("2"))
    assert (await state())[0] == "ordered"
    await handle(stores, refunded("2", "r1", {"l1": 1}))
    assert (await state())[0] == "claimed"
    await pass_days(20)
    assert await told("referral.completed") == []


async def test_a_refund_inside_the_window_takes_back_what_was_given_and_once(
    stores: Stores,
) -> None:
    await offer(order_minimum=20)
    await claim(stores, await link_of(stores))
    await handle(stores, order("1"))
    await pass_days(0)
    assert (await state())[0] == "completed"
    await handle(stores, refunded("1", "r1", amount="10.00"))
    assert (await state())[0] == "completed", "40 are left, which is enough"
    await handle(stores, refunded("1", "r2", amount="25.00"))
    await handle(stores, refunded("1", "r2", amount="25.00"))
    assert (await state())[0] == "reversed"
    reversed_ = await told("referral.reversed")
    completed = await told("referral.completed")
    assert [one["referral_id"] for one in reversed_] == [completed[0]["referral_id"]]


async def test_a_refund_after_the_window_takes_nothing_back(stores: Stores) -> None:
    await offer(window_days=0)
    await claim(stores, await link_of(stores))
    await handle(stores, order("1"))
    await pass_days(0)
    await one("UPDATE referrals SET ordered_at = ordered_at - interval '40 days' RETURNING id")
    await handle(stores, refunded("1", "r1", {"l1": 1}))
    assert await state() == ("completed", "allow")


@pytest.mark.parametrize(
    ("event", "rule"),
    [
        (order("1", BOB, "bobs-other@example.org"), "own_order"),
        (order("1", "7600", "bob@example.com"), "own_order"),
    ],
)
async def test_an_advocates_own_order_with_the_friends_code_is_blocked(
    stores: Stores, event: Any, rule: str
) -> None:
    import msgspec

    await offer()
    await handle(stores, person(BOB, "bob@example.com"))
    await claim(stores, await link_of(stores))
    code = (await referral())["code"]
    data = {**msgspec.json.decode(event.data), "discount_codes": [code]}
    data["processed_at"] = data["updated_at"] = now().isoformat()
    from tests.points.world import fact

    await handle(stores, fact("order.paid", data))
    assert await state() == ("ordered", "block")
    assert rule in (await referral())["reasons"]
    await pass_days(30)
    assert await told("referral.completed") == []


async def test_an_earlier_order_that_is_told_late_is_found_before_the_reward(
    stores: Stores,
) -> None:
    await offer(hold_days=14)
    await claim(stores, await link_of(stores))
    await handle(stores, order("2"))
    await handle(stores, order("1", at=hours_ago(24 * 400)))
    assert await state() == ("ordered", "allow")
    await pass_days(15)
    assert await state() == ("ordered", "block")
    assert await told("referral.completed") == []


async def test_the_limits_of_an_advocate_are_kept_also_when_all_are_due_at_once(
    stores: Stores,
) -> None:
    import asyncio

    await offer(day_max=2, month_max=2, all_max=2)
    code = await link_of(stores)
    for number in range(5):
        email = f"friend{number}@example.com"
        await claim(stores, code, email)
        await handle(stores, order(str(number), str(8000 + number), email))
    await asyncio.gather(*(rewarding.reward_due() for _ in range(3)))
    assert len(await told("referral.completed")) == 2
    assert await one("SELECT count(*) FROM referrals WHERE verdict = 'hold'") == 3
    await pass_days(400)
    assert len(await told("referral.completed")) == 2, "unanswered stays held"


async def test_a_claim_nobody_orders_with_is_let_go_and_the_friend_may_be_anothers(
    stores: Stores,
) -> None:
    await offer(code_days=10)
    await claim(stores, await link_of(stores))
    await pass_days(12)
    assert (await state())[0] == "claimed"
    await pass_days(14)
    assert (await state())[0] == "lapsed"
    assert not (await claim(stores, await link_of(stores, CAROL))).is_held


async def test_what_came_back_inside_the_window_counts_whatever_came_back_after_it(
    stores: Stores,
) -> None:
    import msgspec

    from app import db
    from app.referrals.handlers import handle as read
    from tests.points.world import fact

    await offer(window_days=30, order_minimum=20)
    await claim(stores, await link_of(stores), at=hours_ago(24 * 61))
    placed = hours_ago(24 * 60)
    await handle(stores, order("1", at=placed))
    await pass_days(0)
    assert (await state())[0] == "completed"
    back = {"order_id": "1", "lines": [], "adjustment": "-40.00"}
    inside = fact("order.refunded", {**back, "refund_id": "r1"}, at=hours_ago(24 * 50))
    after = {**back, "refund_id": "r2", "adjustment": "-1.00"}
    late = fact("order.refunded", after, at=hours_ago(24))
    assert msgspec.json.decode(late.data)["refund_id"] == "r2"
    async with db.transaction() as conn:  # both at once, as after a day without webhooks
        await read(conn, [late, inside], stores)
    assert (await state())[0] == "reversed"


async def test_an_own_order_is_found_also_when_another_one_of_before_counts_again(
    stores: Stores,
) -> None:
    await offer()
    await handle(stores, person(BOB, "bob@example.com"))
    await claim(stores, await link_of(stores))
    code = (await referral())["code"]
    await handle(stores, order("1"))
    # bought as a guest with the advocate's own address; it counts only once the first came back
    await handle(stores, order("2", None, "b.o.b@example.com"))
    guest = order("3", None, "Bob+gift@example.com", discount_codes=[code])
    await handle(stores, guest)
    await handle(stores, refunded("1", "r1", {"l1": 1}))
    row = await referral()
    assert (row["order_id"], row["verdict"]) == ("3", "block")
    assert "own_order" in row["reasons"]
