"""The figures of a shop are what its orders and points add up to, in any history of them."""

import random
from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest

from app import db
from app.db import Stores
from app.points.figures import actions, reads
from app.points.figures.rules import MICROS, Compared
from app.points.ledger import expiry
from app.points.rewards import actions as rewards
from app.points.rewards import redemption, settling
from tests.points.world import (
    ALICE,
    bob_has,
    cancelled,
    days_ago,
    handle,
    line,
    now,
    paid,
    program,
    refunded,
)

CHARLIE = "charlie.myshopify.com"
DAYS = 30


async def added_up(shop: str = ALICE, days: int = DAYS) -> Compared:
    async with db.connection() as conn:
        return await actions.compute(conn, shop, days, now())


async def test_a_shop_of_nothing_has_nothing(stores: Stores) -> None:
    found = await added_up()
    assert (found.now.earned, found.now.member_buyers, found.now.reward_revenue) == (0, 0, 0)
    assert found.now.redemption_rate is None


async def test_an_order_with_a_reward_counts_with_what_stands_of_it(stores: Stores) -> None:
    reward_id = await bob_has(150)
    held = await rewards.redeem(ALICE, "7001", reward_id, "bob-wants-it", "r")
    await settling.capture(stores, held.id, "gid://shopify/DiscountCodeNode/1")
    code = (await redemption.view(held.id)).code
    mug = line("40.00", quantity=2, line_id="mug")
    await handle(paid("77", mug, discount_codes=[code.lower()]))
    found = (await added_up()).now
    assert (found.reward_orders, found.reward_revenue) == (1, 40 * MICROS)
    assert (found.spent, found.earned) == (100, 190)
    await handle(refunded("77", "r1", {"mug": 1}))
    assert (await added_up()).now.reward_revenue == 20 * MICROS
    await handle(cancelled("77"))
    found = (await added_up()).now
    assert (found.reward_orders, found.reward_revenue) == (0, 0)


async def test_points_that_expired_and_those_outstanding_before(stores: Stores) -> None:
    await program(expiry_days=10, clawback="within_balance")
    await handle(paid("1", line("70.00"), at=days_ago(50)))
    await handle(paid("2", line("30.00"), at=days_ago(20)))
    await handle(paid("3", line("5.00"), at=days_ago(1)))
    while await expiry.expire_due(now(), stores):
        pass
    found = await added_up()
    assert (found.now.expired, found.before.expired) == (30, 70)
    assert (found.now.earned, found.before.earned) == (35, 70)
    assert (found.now.outstanding, found.before.outstanding) == (5, 0)


@pytest.mark.parametrize("seed", [1, 2])
async def test_any_history_adds_up_to_what_it_was(stores: Stores, seed: int) -> None:
    chance = random.Random(seed)
    await program(clawback="debt")
    sums: dict[str, Any] = defaultdict(lambda: [0, 0])
    orders: dict[str, list[float]] = defaultdict(list)
    for number in range(60):
        customer = chance.choice([None, *(str(8000 + one) for one in range(12))])
        days = chance.uniform(0.1, 75)
        amount = chance.randint(1, 90)
        fact = paid(str(number), line(f"{amount}.00"), customer=customer, at=days_ago(days))
        again = [fact] if chance.random() < 0.2 else []
        await handle(fact, *again)
        is_gone = chance.random() < 0.15
        if is_gone:
            await handle(cancelled(str(number)))
        if customer is None:
            continue
        _count(sums["earned"], days, amount)
        if not is_gone:
            orders[customer].append(days)
    await handle(paid("x", line("9.00"), customer="9", shop=CHARLIE))
    found = await added_up()
    for place, seen in enumerate((found.before, found.now)):
        assert seen.earned == sums["earned"][place]
        ends, begins = (edge(1 - place), edge(2 - place))
        active = [one for one in orders.values() if any(ends < days < begins for days in one)]
        back = [one for one in active if sum(days > ends for days in one) > 1]
        assert (seen.member_buyers, seen.member_repeats) == (len(active), len(back))
        assert (seen.other_buyers, seen.reward_orders) == (0, 0)
    async with db.connection() as conn:
        owed = await conn.fetchval(
            "SELECT sum(available + pending + held) FROM members WHERE shop = $1", ALICE
        )
    assert found.now.outstanding == owed


def edge(ranges: int) -> float:
    """How many days ago so many ranges began: today is a day of the newest one."""
    if not ranges:
        return 0
    midnight = now().replace(hour=0, minute=0, second=0, microsecond=0)
    return ranges * DAYS - 1 + (now() - midnight) / timedelta(days=1)


def _count(sums: list[int], days: float, amount: int) -> None:
    if days < edge(2):
        sums[1 if days < edge(1) else 0] += amount


async def test_orders_of_a_programme_that_was_not_live_are_those_of_others(stores: Stores) -> None:
    await program(state="paused")
    for number, days in enumerate((3, 5, 40)):
        await handle(paid(str(number), line("10.00"), customer="9001", at=days_ago(days)))
    await handle(paid("9", line("10.00"), customer=None))
    found = await added_up()
    assert (found.now.other_buyers, found.now.other_repeats, found.now.member_buyers) == (1, 1, 0)
    assert (found.before.other_buyers, found.before.other_repeats) == (1, 0)


# kept for who looks


async def test_they_are_added_up_for_who_looks_and_not_again_at_once(stores: Stores) -> None:
    await handle(paid("1", line("50.00")))
    assert not await actions.compute_due()
    assert await reads.newest(ALICE, DAYS) is None
    assert await actions.compute_due()
    assert not await actions.compute_due()
    kept = await reads.newest(ALICE, DAYS)
    assert kept
    assert kept.compared.now.earned == 50
    await handle(paid("2", line("7.00")))
    assert not await actions.compute_due(), "it is fresh yet"
    async with db.connection() as conn:
        await conn.execute("UPDATE figures SET due_at = now()")
    assert await actions.compute_due()
    again = await reads.newest(ALICE, DAYS)
    assert again
    assert again.compared.now.earned == 57


async def test_two_processes_do_not_add_up_the_same_and_who_died_over_it_is_followed(
    stores: Stores,
) -> None:
    await reads.newest(ALICE, DAYS)
    async with db.connection() as conn:
        await conn.execute("UPDATE figures SET claimed_at = now()")
    assert not await actions.compute_due()
    async with db.connection() as conn:
        await conn.execute("UPDATE figures SET claimed_at = $1", now() - timedelta(minutes=3))
    assert await actions.compute_due()


async def test_a_shop_with_too_many_orders_keeps_its_other_figures(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "ORDERS_MAX", 2)
    monkeypatch.setattr(actions, "ORDERS_AT_ONCE", 1)
    monkeypatch.setattr(actions, "ROWS_AT_ONCE", 1)
    for number in range(3):
        await handle(paid(str(number), line("10.00")))
    found = (await added_up()).now
    assert (found.earned, found.outstanding) == (30, 30)
    assert (found.member_buyers, found.reward_revenue) == (None, None)
