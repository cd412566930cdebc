"""What pages are told: why each row is there, what was when, and nothing of another shop."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from app import db, paging
from app.errors import NotFoundError
from app.paging import Cursor
from app.points.earning import actions as earning
from app.points.ledger import actions as ledger
from app.points.ledger import expiry, totals
from app.points.ledger.sentences import sentence
from app.points.members import lists, reads
from app.points.rewards import actions as rewards
from app.points.rewards import settling
from app.points.views import MemberList, MemberRow
from tests.points.earning.campaigns.told import campaign, told
from tests.points.world import (
    ALICE,
    BOB,
    cancelled,
    days_ago,
    fact,
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
        "75 points for order #1001: $49.90 of merchandise at 1.5 points a unit, rounded "
        "up (rule 1)."
    )
    assert await sentences() == [f"{earned} Gift cards and tips earn nothing."]
    await ledger.adjust(ALICE, BOB, -60, "Wrong order", "a1", "staff-1")
    await handle(refunded("1001", "r1", {"a": 1}))
    await handle(paid("1002", line("20.00")))
    back = "A refund of order #1001: all of the 75 points it earned are taken back"
    assert (await sentences())[1:] == [
        "Taken by staff, 60 points: Wrong order",
        f"{back}, 15 of them from the balance.",
        f"{back}; these were no longer there and are owed.",
        (
            "30 points for order #1002: $20.00 of merchandise at 1.5 points a unit, rounded up "
            "(rule 1)."
        ),
        "30 points went to what was owed after an earlier refund; 30 are still owed.",
    ]


async def test_an_account_that_is_told_after_its_order_makes_nobody_twice() -> None:
    await program()
    await handle(paid("1", line("10.00")))
    for _ in range(2):
        await handle(fact("customer.created", {"customer_id": BOB}))
    async with db.connection() as conn:
        assert await conn.fetchval("SELECT count(*) FROM members") == 1


async def test_campaigns_that_did_not_count_are_named_also_where_a_row_has_their_names() -> None:
    await program()
    over = campaign("Over", starts_at=days_ago(3), ends_at=days_ago(2))
    await handle(*told(campaign("Double"), over), paid("1", line("10.00")))
    (text,) = await sentences()
    expected = "“Over” does not count: it was over when the order was placed."
    assert text.endswith(expected)
    base = {"order_id": "1", "order_name": "#1", "base": "10.00", "currency": "USD"}
    why = base | {"rate": "1", "rounding": "down", "rule": 1, "not_counted": [["Over", "late"]]}
    assert sentence("earn", 10, msgspec.json.encode(why).decode()).endswith(expected)


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


async def everybody(
    load: Callable[[str, Cursor | None], Awaitable[MemberList]], keys: int
) -> list[list[MemberRow]]:
    """All pages of a list, following its links."""
    pages, at = [], None
    while True:
        found = await load(ALICE, at)
        pages.append(found.members)
        if not found.links.next:
            return pages
        at = paging.cursor({"after": found.links.next}, keys)


async def sixty_members() -> None:
    people = [f"c{number:02d}" for number in range(60)]
    await handle(
        *(paid(one, line(f"{place // 2 + 1}.00"), customer=one) for place, one in enumerate(people))
    )
    await handle(paid("x", line("1.00"), customer="stranger", shop="charlie.myshopify.com"))


async def test_members_come_in_pages_each_once_and_only_of_this_shop() -> None:
    await sixty_members()
    newest = await everybody(reads.newest_members, 2)
    assert [len(page) for page in newest] == [25, 25, 10]
    assert [row.customer_id for page in newest for row in page] == [
        f"c{number:02d}" for number in reversed(range(60))
    ]
    by_points = [row for page in await everybody(reads.members_by_points, 2) for row in page]
    assert [row.available for row in by_points] == sorted(
        (place // 2 + 1 for place in range(60)), reverse=True
    )
    assert len({row.customer_id for row in by_points}) == 60


async def test_members_who_join_between_two_pages_hide_nobody_and_show_nobody_twice() -> None:
    await sixty_members()
    first = await reads.newest_members(ALICE)
    await handle(paid("new", line("1.00"), customer="newcomer"))
    second = await reads.newest_members(ALICE, paging.cursor({"after": first.links.next}, 2))
    seen = [row.customer_id for row in [*first.members, *second.members]]
    assert seen == [f"c{number:02d}" for number in reversed(range(10, 60))]
    at = paging.cursor({"before": second.links.previous}, 2)
    back = await reads.newest_members(ALICE, at)
    assert back.members == first.members
    assert back.links.previous, "the newcomer is before them now"


async def test_many_members_are_listed_by_points_as_of_a_moment(monkeypatch: Any) -> None:
    monkeypatch.setattr(lists, "LARGE", 50)
    await sixty_members()
    assert not (await reads.members_by_points(ALICE)).is_ready
    await totals.fold()
    assert await lists.refresh_tops() == 1
    assert await lists.refresh_tops() == 0, "not before it is old"
    await handle(paid("late", line("100.00"), customer="c00"))
    pages = await everybody(reads.members_by_points, 1)
    assert [len(page) for page in pages] == [25, 25, 10]
    listed = [row for page in pages for row in page]
    assert len({row.customer_id for row in listed}) == 60
    found = next(row for row in listed if row.customer_id == "c00")
    assert (found.available, listed.index(found)) == (101, 58), "the figure of now, the old place"
    assert (await reads.members_by_points(ALICE)).as_of is not None


@pytest.mark.parametrize(
    "typed", ["", "x", "-1", "1.2.3.4", "9" * 19, "1; DROP TABLE members", "1."]
)
def test_an_address_that_names_no_row_is_the_first_page(typed: str) -> None:
    assert paging.cursor({"after": typed}, 1) is None


async def test_a_member_is_shown_with_what_expires_when_and_what_never_does_once() -> None:
    await handle(paid("never", line("1.00")), paid("never too", line("2.00")))
    await program(expiry_days=90)
    await handle(paid("late", line("8.00")))
    await program(expiry_days=10)
    await handle(paid("soon", line("4.00")), paid("soon too", line("3.00")))
    await program(expiry_days=10, pending_days=3)
    await handle(paid("held back", line("5.00")))
    detail = await reads.member(ALICE, BOB)
    assert [(one.points, one.pending, one.expires_at is None) for one in detail.expiries] == [
        (7, 0, False),
        (5, 5, False),
        (8, 0, False),
        (3, 0, True),
    ]
    assert (detail.balance.available, detail.balance.pending) == (18, 5)
    for shop, customer in (("charlie.myshopify.com", BOB), (ALICE, "stranger")):
        with pytest.raises(NotFoundError):
            await reads.member(shop, customer)
