"""What pages are told: why each row is there, what was when, and nothing of another shop."""

from datetime import timedelta
from typing import Any

import pytest

from app.errors import NotFoundError
from app.points.earning import actions as earning
from app.points.ledger import actions as ledger
from app.points.ledger import expiry
from app.points.ledger.sentences import sentence
from app.points.members import reads
from app.points.rewards import actions as rewards
from app.points.rewards import settling
from tests.points.world import (
    ALICE,
    BOB,
    cancelled,
    days_ago,
    handle,
    line,
    now,
    paid,
    program,
    refunded,
)

pytestmark = pytest.mark.usefixtures("stores")


async def sentences(customer: str = BOB) -> list[str]:
    return [row.sentence for row in reversed((await reads.member(ALICE, customer)).ledger)]


async def test_every_row_says_why() -> None:
    await program(rate="1.5", rounding="up", clawback="debt")
    await handle(paid("1001", line("49.90", 1, "a"), line("10.00", gift_card=True)))
    earned = (
        "75 points for order #1001: 49.90 USD of merchandise at 1.5 points a unit, rounded "
        "up (rule 1)."
    )
    assert await sentences() == [f"{earned} Gift cards earn nothing."]
    await ledger.adjust(ALICE, BOB, -60, "Wrong order", "a1", "staff-1")
    await handle(refunded("1001", "r1", {"a": 1}))
    await handle(paid("1002", line("20.00")))
    back = "A refund of order #1001: all of the 75 points it earned are taken back"
    assert (await sentences())[1:] == [
        "Taken by staff, 60 points: Wrong order",
        f"{back}, 15 of them from the balance.",
        f"{back}; these were no longer there and are owed.",
        (
            "30 points for order #1002: 20.00 USD of merchandise at 1.5 points a unit, rounded up "
            "(rule 1)."
        ),
        "30 points went to what was owed after an earlier refund; 30 are still owed.",
    ]


async def test_hold_back_and_expiry_and_rewards_say_why(stores: Any) -> None:
    await program(pending_days=3, expiry_days=10)
    await earning.ensure_program(ALICE, "USD", "UTC")
    await handle(paid("1", line("150.00")), paid("2", line("5.00")), cancelled("2"))
    assert "On hold-back until" in (await sentences())[0]
    later = now() + timedelta(days=30)
    await expiry.end_hold_backs(later)
    reward = next(row.id for row in await reads.rewards(ALICE) if row.cost == 100)
    for key, settle in (("k1", settling.capture), ("k2", settling.give_back)):
        if key == "k2":
            await ledger.adjust(ALICE, BOB, 50, "So that it is enough", "a1", "staff-1")
        held = await rewards.redeem(ALICE, BOB, reward, key, "r")
        await settle(stores, held.id, "Shopify said no.")
    await expiry.expire_due(later)
    told = await sentences()
    assert "100 points spent on the reward “5.00 off”; its discount code exists." in told
    assert (
        "100 points given back, as the reward “5.00 off” could not be made: Shopify said no."
        in told
    )
    assert any(one.startswith("50 points from order #1 were not spent by") for one in told)
    assert any("Order #2 was cancelled" in one for one in told)
    assert not any(
        one == row.effect
        for one, row in zip(told, (await reads.member(ALICE, BOB)).ledger, strict=True)
    )


def test_an_effect_nobody_has_a_sentence_for_is_named() -> None:
    assert sentence("something.new", 5, "{}") == "something.new"
    assert sentence("capture", 5, "{}") == "capture"


async def test_the_balance_as_of_any_time_by_either_clock() -> None:
    await handle(paid("1", line("10.00"), at=days_ago(10)))
    between = now()
    await handle(paid("2", line("5.00"), at=days_ago(2)))
    await ledger.adjust(ALICE, BOB, -3, "later", "a1", "staff-1")

    async def available(at: Any, by: str) -> int:
        return (await reads.balance_as_of(ALICE, BOB, at, by)).available

    assert await available(between, "recorded") == 10
    assert await available(days_ago(11), "effective") == 0
    assert await available(days_ago(5), "effective") == 10
    assert await available(days_ago(1), "effective") == 15
    assert await available(now(), "effective") == await available(now(), "recorded") == 12
    assert (await reads.balance_as_of("charlie.myshopify.com", BOB, now())).available == 0


async def test_the_overview_counts_by_the_merchants_days() -> None:
    await program(timezone="Pacific/Auckland")
    await handle(
        paid("1", line("10.00"), at=days_ago(3)),
        paid("2", line("5.00"), at=days_ago(3), customer="charlie"),
    )
    await handle(paid("3", line("2.00")), paid("4", line("99.00"), shop="charlie.myshopify.com"))
    seen = await reads.overview(ALICE, days=7)
    assert (seen.members, seen.outstanding, len(seen.days)) == (2, 17, 7)
    assert [day.earned for day in seen.days] == [0, 0, 0, 15, 0, 0, 2]
    assert seen.newest[0].points == 2
    assert len(seen.newest) == 3


async def test_members_are_found_sorted_and_paged_and_only_of_this_shop() -> None:
    people = [f"c{number:02d}" for number in range(60)]
    await handle(
        *(paid(one, line(f"{place + 1}.00"), customer=one) for place, one in enumerate(people))
    )
    await handle(paid("x", line("1.00"), customer="stranger", shop="charlie.myshopify.com"))
    first = await reads.members(ALICE, sort="points")
    assert first.total == 60
    assert first.members[0].available == 60
    last = await reads.members(ALICE, sort="points", page=99)
    assert (last.page, last.members[-1].available) == (last.pages, 1)
    assert [row.customer_id for row in (await reads.members(ALICE, "c07")).members] == ["c07"]
    assert (await reads.members(ALICE, "BOB@EXAMPLE")).total == 60
    for nothing in ("100%", "_ob", "stranger", "\\", "'; --", "\x00c07x"):
        assert (await reads.members(ALICE, nothing)).total == 0


async def test_a_member_is_shown_with_lots_in_the_order_they_will_be_spent() -> None:
    await program(expiry_days=90)
    await handle(paid("late", line("8.00")))
    await program(expiry_days=10)
    await handle(paid("soon", line("4.00")))
    detail = await reads.member(ALICE, BOB)
    assert [(lot.source, lot.remaining) for lot in detail.lots] == [
        ("order:soon", 4),
        ("order:late", 8),
    ]
    assert (detail.member.name, detail.balance.available, detail.balance.sequence) == (
        "Bob Buyer",
        12,
        2,
    )
    for shop, customer in (("charlie.myshopify.com", BOB), (ALICE, "stranger")):
        with pytest.raises(NotFoundError):
            await reads.member(shop, customer)
