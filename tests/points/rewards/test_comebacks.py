"""Points come back with the order their code was used for, once, in whatever order it is told; and
when a code was not used by its end.
"""

import asyncio
import itertools
import random
from typing import Any

import pytest

from app import db
from app.flow.event import Event
from app.points import steps
from app.points.ledger import expiry
from app.points.ledger.audit import verify
from app.points.members import reads
from app.points.rewards import actions, offers, redemption, settling
from app.points.rewards.rules import Choose, Details
from app.points.views import RedemptionView
from tests.points.rewards.discounts import CLIENT, Shopify, make_due
from tests.points.world import (
    ALICE,
    BOB,
    cancelled,
    days_ago,
    fact,
    figures,
    handle,
    line,
    now,
    one,
    paid,
    program,
    refunded,
)

pytestmark = pytest.mark.usefixtures("stores", "shopify")
WHOLE = {"l1": 2, "l2": 1}


async def code(stores: db.Stores, points: int = 100, key: str = "k1", **details: Any) -> Any:
    """A code of Bob's for 100 of 250 points; his reward has these details."""
    if not await figures():
        await program(expiry_days=details.pop("expiry_days", None))
        await handle(paid("1", line("250.00", line_id="l0")))
    reward = await offers.save_reward(
        ALICE, None, "Five off", points, "5.00", details=Details(**details)
    )
    held = await actions.redeem(ALICE, BOB, reward.id, key, "r")
    return await redemption.complete(stores, CLIENT, held.id)


def order(
    done: RedemptionView, order_id: str = "2", kept: tuple[int, int] = (2, 1), **more: Any
) -> Event:
    lines = [line("40.00", 2, "l1"), line("10.00", 1, "l2")]
    told = [{**one, "kept": left} for one, left in zip(lines, kept, strict=True)]
    return paid(order_id, *told, discount_codes=[done.code], **more)


async def shown(done: RedemptionView) -> RedemptionView:
    return await redemption.view(done.id)


async def test_a_cancelled_order_gives_all_points_back_to_the_same_lots_once(stores) -> None:
    done = await code(stores)
    await handle(order(done))
    assert await figures() == {"available": 200, "spent": 100}
    for _ in range(3):
        await handle(cancelled("2"))
    assert await figures() == {"available": 250, "reversed": 50}
    assert await one("SELECT remaining FROM lots WHERE source = 'order:1'") == 250
    found = await shown(done)
    assert (found.state, found.returned_points) == ("used", 100)
    assert found.message == "Order #2 was cancelled: 100 of 100 points came back."
    (saga,) = [one for one in await steps.of_customer(ALICE, BOB) if one.saga == "redemption"]
    assert {step.title: step.state for step in saga.steps} == {
        "Points set aside": "done",
        "Code at Shopify": "done",
        "Points spent": "undone",
        "Points given back": "done",
    }
    sentence = (await reads.member(ALICE, BOB)).ledger[0].sentence
    assert "order #2, for which the reward “Five off” was used, was cancelled" in sentence
    assert (await verify(ALICE)).problems == []


@pytest.mark.parametrize("wrong", ["returned_points = 99", "returned_points = 0", "points = 101"])
async def test_verification_names_who_got_other_points_back_than_the_redemption_says(
    stores, wrong
) -> None:
    done = await code(stores)
    await handle(order(done), cancelled("2"))
    assert (await verify(ALICE)).problems == []
    await one(f"UPDATE redemptions SET {wrong} RETURNING 1")
    (problem,) = (await verify(ALICE)).problems
    assert problem.startswith(f"{ALICE} customer {BOB}: held or spent points without a redemption")


@pytest.mark.parametrize(
    ("policy", "first", "then"), [("whole", 0, 100), ("share", 80, 100), ("never", 0, 0)]
)
async def test_a_refund_in_parts_gives_back_by_the_policy_of_the_redemption(
    stores, policy, first, then
) -> None:
    done = await code(stores, on_return=policy)
    reward_id = await one("SELECT reward_id::text FROM redemptions")
    await offers.save_reward(
        ALICE, reward_id, "Now never", 100, "5.00", details=Details(on_return="never")
    )
    await handle(order(done))
    await handle(refunded("2", "r1", {"l1": 2}), order(done, kept=(0, 1)))
    assert (await shown(done)).returned_points == first
    await handle(refunded("2", "r1", {"l1": 2}), refunded("2", "r2", {"l2": 1}))
    assert (await shown(done)).returned_points == first, "perhaps half of an exchange"
    await handle(order(done, kept=(0, 0)))
    assert (await shown(done)).returned_points == then
    assert (await figures()).get("spent", 0) == 100 - then
    assert (await verify(ALICE)).problems == []


async def test_whatever_order_it_is_told_in_and_however_often_it_comes_to_the_same(stores) -> None:
    ends = set()
    dice = random.Random(7)
    for number, facts in enumerate(itertools.permutations(range(4))):
        shop = f"shop-{number}.myshopify.com"
        await program(shop)
        await handle(paid("1", line("250.00", line_id="l0"), shop=shop))
        reward = await offers.save_reward(
            shop, None, "Five off", 100, "5.00", details=Details(on_return="share")
        )
        held = await actions.redeem(shop, BOB, reward.id, "k1", "r")
        await settling.capture(stores, held.id, "gid://x/1")
        done = await redemption.view(held.id)
        told = [
            order(done, kept=(1, 0), shop=shop, at=days_ago(0.1)),
            refunded("2", "r1", {"l1": 1}, shop=shop),
            refunded("2", "r2", {"l2": 1}, shop=shop),
            order(done, shop=shop, financial_status="pending", at=days_ago(0.2)),
        ]
        sequence = [told[index] for index in (*facts, *dice.choices(range(4), k=3))]
        while sequence:
            size = dice.randint(1, 3)
            await handle(*sequence[:size])
            sequence = sequence[size:]
        found = await shown(done)
        has = await figures(shop=shop)
        ends.add((found.state, found.returned_points, has["available"], has["spent"]))
        assert (await verify(shop)).problems == []
    assert len(ends) == 1
    assert ends.pop()[:2] == ("used", 60)


async def test_an_order_that_is_not_paid_yet_uses_its_code_and_its_end_gives_points_back(
    stores,
) -> None:
    done = await code(stores)
    await handle(order(done, financial_status="pending", outstanding="50"))
    assert (await shown(done)).state == "used"
    assert (await shown(done)).returned_points == 0
    await handle(cancelled("2"))
    assert await figures() == {"available": 250}


async def test_an_order_that_cost_nothing_counts_by_its_pieces(stores) -> None:
    done = await code(stores, on_return="share")
    free = [{**line("0.00", 2, "l1"), "kept": 1}, line("0.00", 2, "l2")]
    await handle(paid("2", *free, discount_codes=[done.code]), refunded("2", "r1", {"l1": 1}))
    assert (await shown(done)).returned_points == 25


async def test_points_that_would_be_gone_can_be_spent_for_the_grace(stores) -> None:
    done = await code(stores, grace_days=30, expiry_days=10)
    await handle(order(done))
    await one(
        "UPDATE lots SET expires_at = now() - interval '1 day' WHERE source = 'order:1' RETURNING 1"
    )
    await handle(cancelled("2"))
    grace = "SELECT expires_at - now() FROM lots WHERE source = 'order:1:back'"
    assert 29 < (await one(grace)).total_seconds() / 86_400 < 32
    await expiry.expire_due(now())
    assert (await figures())["available"] >= 100


async def test_points_of_an_order_refunded_meanwhile_are_taken_as_they_come_back(stores) -> None:
    done = await code(stores)
    await handle(order(done))
    await handle(refunded("1", "r1", {"l0": 1}))
    assert await figures() == {"reversed": 200, "spent": 100}
    assert await one("SELECT unmet FROM grants WHERE source = 'order:1'") == 50
    await handle(cancelled("2"))
    assert await one("SELECT unmet FROM grants WHERE source = 'order:1'") == 0
    assert await figures() == {"available": 50, "reversed": 250}
    assert (await verify(ALICE)).problems == []


async def test_a_customer_who_was_merged_gets_them_where_the_points_are(stores) -> None:
    done = await code(stores)
    await handle(order(done))
    await handle(fact("customer.merged", {"customer_id": BOB, "kept_id": "7009"}))
    await handle(cancelled("2"))
    assert await figures("7009") == {"available": 250, "reversed": 50}
    assert (await verify(ALICE)).problems == []


async def test_an_order_that_names_the_customer_before_the_merge_uses_the_code_all_the_same(
    stores,
) -> None:
    done = await code(stores)
    merged = {"customer_id": BOB, "kept_id": "7002"}
    await handle(fact("customer.merged", merged))
    await handle(order(done))
    assert (await shown(done)).state == "used"
    await handle(cancelled("2"))
    assert (await figures("7002"))["available"] == 250


async def test_a_code_not_used_by_its_end_gives_its_points_back(stores, shopify: Shopify) -> None:
    done = await code(stores, code_days=30, on_unused="give_back")
    due = "SELECT next_attempt_at - ends_at = interval '15 min' FROM redemptions"
    assert await one(due)
    await make_due()
    assert await redemption.sweep(stores, CLIENT) == 1
    assert (await shown(done)).state == "captured", "it has not ended yet"
    await make_due(ends_at="now()")
    await redemption.sweep(stores, CLIENT)
    assert await figures() == {"available": 250}
    assert (await shown(done)).message == "The code was not used by its end."
    (node,) = shopify.discounts.values()
    assert node["codeDiscount"]["status"] == "EXPIRED"
    assert (await verify(ALICE)).problems == []


async def test_a_code_that_was_used_and_whose_order_is_late_stays_spent(
    stores, shopify: Shopify
) -> None:
    done = await code(stores, code_days=30, on_unused="give_back")
    for node in shopify.discounts.values():
        node["codeDiscount"]["asyncUsageCount"] = 1
    await make_due(ends_at="now()")
    await redemption.sweep(stores, CLIENT)
    assert await figures() == {"available": 150, "spent": 100}
    await handle(order(done))
    assert (await shown(done)).state == "used"


async def test_while_shopify_is_away_nobody_knows_whether_it_was_used(
    stores, shopify: Shopify
) -> None:
    await code(stores, code_days=30, on_unused="give_back")
    shopify.failures = [ConnectionError()]
    await make_due(ends_at="now()")
    await redemption.sweep(stores, CLIENT)
    assert await figures() == {"available": 150, "spent": 100}
    assert await one("SELECT next_attempt_at > now() FROM redemptions")


async def test_the_amount_of_chosen_points_comes_back_whole(stores) -> None:
    await program()
    await handle(paid("1", line("1000.00", line_id="l0")))
    choose = Choose(points_per_unit=100, unit="1", least=100, most=900, step=100)
    reward = await offers.save_reward(
        ALICE, None, "Money off", 0, details=Details(choose=choose, on_return="share")
    )
    held = await actions.redeem(ALICE, BOB, reward.id, "k1", "r", points=700)
    done = await redemption.complete(stores, CLIENT, held.id)
    await handle(order(done))
    await handle(refunded("2", "r1", {"l1": 1}), order(done, kept=(1, 1)))
    assert (await shown(done)).returned_points == 280


async def test_an_order_uses_the_code_or_staff_cancel_it_never_both(stores) -> None:
    ends = set()
    for number in range(12):
        done = await code(stores, points=10, key=f"k{number}")
        told = order(done, f"2{number}", financial_status="pending", outstanding="50")
        both = [handle(told, cancelled(f"2{number}")), settling.cancel(stores, done.id, "A test.")]
        await asyncio.gather(*(both if number % 2 else both[::-1]))
        found = await shown(done)
        ends.add((found.state, found.returned_points))
    assert ends <= {("used", 10), ("released", 0)}
    assert (await figures())["available"] == 250
    assert (await verify(ALICE)).problems == []
