"""What campaigns add to the points of an order, by worked figures; and what takes it back."""

import pytest

from app import db
from app.core import handlers as core
from app.points import handlers
from tests.points.arrivals import sentences
from tests.points.earning.campaigns.told import (
    campaign,
    days_ago,
    facts,
    segment,
    stacks,
    tagged,
    told,
)
from tests.points.world import cancelled, figures, line, paid, refunded

pytestmark = pytest.mark.usefixtures("stores", "rules")


async def handle(*events) -> None:
    async with db.transaction() as conn:
        await handlers.handle(conn, list(events))
    async with db.transaction() as conn:
        await core.handle(conn, [one for one in events if one.topic.startswith("order.")])


async def points() -> int:
    return (await figures()).get("available", 0)


async def test_two_campaigns_that_meet_do_not_earn_twice_unless_the_merchant_says_so():
    """A leader's help page warns that two order rules pay both: 100.00 twice and thrice is 500."""
    double, triple = campaign("Double"), campaign("Triple", value="3")
    await handle(*told(double, triple), paid("1", line("100.00")))
    assert await points() == 300
    assert "“Double” does not count: another one gives as much or more" in await sentences()


@pytest.mark.parametrize(
    ("policy", "cap", "expected"),
    [
        ("best_of", "", 300),
        ("add", "", 400),
        ("multiply", "", 600),
        ("multiply", "5", 500),
        ("add", "2.5", 250),
    ],
)
async def test_multipliers_go_together_as_the_merchant_says(policy, cap, expected):
    double, triple = campaign("Double"), campaign("Triple", value="3")
    await handle(stacks(policy, cap), *told(double, triple), paid("1", line("100.00")))
    assert await points() == expected
    (earned,) = await facts("points.earned")
    assert sum(share for _, _, share in earned["bonuses"]) == expected - 100


async def test_points_that_are_added_come_beside_whatever_multiplies():
    await handle(
        *told(campaign("Double"), campaign("Hello", effect="add", value="50")),
        paid("1", line("10.00")),
    )
    assert await points() == 70
    assert "“Hello” (50 to add) gives 50 more." in await sentences()


async def test_a_refund_after_a_campaign_was_edited_and_ended_takes_back_what_it_gave():
    """The leader that re-computes by the rule of today takes back twice as much, or nothing."""
    double = campaign("Double")
    mugs, cups = line("30.00", 3, "mugs"), line("19.90", 1, "cups")
    await handle(*told(double), paid("1", mugs, cups, at=days_ago(1)))
    assert await points() == 99  # 49.90 twice is 99.80
    edited = campaign("Ten times", campaign_id=double.campaign_id, version=2, value="10")
    gone = campaign("Gone", campaign_id=double.campaign_id, version=3, state="ended")
    await handle(*told(edited, at=days_ago(0.5)), *told(gone, at=days_ago(0.1)))
    await handle(refunded("1", "r1", {"mugs": 1}))
    assert await points() == 79  # 39.90 twice
    await handle(refunded("1", "r2", {"cups": 1}))
    assert await points() == 40
    await handle(refunded("1", "r3", {"mugs": 2}))
    assert await figures() == {"reversed": 99}
    taken = [share for fact in await facts("points.reversed") for share in fact["bonuses"]]
    assert [share[:2] for share in taken] == [[double.campaign_id, 1]] * 3
    assert sum(share[2] for share in taken) == 50, "the half of 99 that was the bonus"


async def test_a_delayed_webhook_still_gets_the_bonus_and_an_order_outside_the_window_none():
    weekend = campaign("Weekend", starts_at=days_ago(3), ends_at=days_ago(1))
    await handle(*told(weekend))
    await handle(paid("1", line("10.00"), at=days_ago(2)))
    assert await points() == 20
    for order_id, days in (("2", 3.1), ("3", 0.9), ("4", 1)):
        await handle(paid(order_id, line("10.00"), at=days_ago(days)))
    assert await points() == 50
    text = await sentences()
    assert "“Weekend” does not count: it had not started" in text
    assert "“Weekend” does not count: it was over" in text


async def test_the_version_that_counts_is_the_one_in_force_when_the_order_was_placed():
    first = campaign("Double")
    second = campaign("Triple", campaign_id=first.campaign_id, version=2, value="3")
    paused = campaign("Triple", campaign_id=first.campaign_id, version=3, state="paused")
    await handle(*told(paused, at=days_ago(1)), *told(second, at=days_ago(2)), *told(first))
    for order_id, days in (("1", 3), ("2", 1.5), ("3", 0.5)):
        await handle(paid(order_id, line("10.00"), at=days_ago(days)))
    assert await points() == 20 + 30 + 10
    assert "“Triple” does not count: it was paused" in await sentences()


async def test_who_was_in_the_segment_when_the_order_was_placed_gets_the_bonus():
    await handle(*told(campaign("Win back", audience=("segments", "at_risk"))))
    await handle(segment(days_ago(3), "loyal", "at_risk"), segment(days_ago(1), "at_risk", "loyal"))
    for order_id, days in (("1", 4), ("2", 2), ("3", 0.5)):
        await handle(paid(order_id, line("10.00"), at=days_ago(days)))
    assert await points() == 10 + 20 + 10
    assert "in none of its segments at that time" in await sentences()


async def test_tags_count_from_when_to_when_they_were_there_in_whatever_order_that_is_told():
    await handle(*told(campaign("VIPs", audience=("tags", "VIP"))))
    gone, given = tagged(days_ago(1), removed="vip"), tagged(days_ago(3), added="Vip")
    await handle(gone)
    await handle(given, gone)
    for order_id, days in (("1", 4), ("2", 2), ("3", 0.5)):
        await handle(paid(order_id, line("10.00"), at=days_ago(days)))
    assert await points() == 10 + 20 + 10


async def test_a_campaign_for_products_counts_their_lines_alone():
    mugs = {**line("30.00", 3, "mugs"), "product_id": "11"}
    cups = {**line("10.00", 1, "cups"), "product_id": "12"}
    await handle(*told(campaign("Mugs", scope="products", ids=["11"])), paid("1", mugs, cups))
    assert await points() == 70
    await handle(paid("2", cups))
    assert await points() == 80
    assert "none of its products was in the order" in await sentences()
    await handle(refunded("1", "r1", {"cups": 1}))
    assert await points() == 70
    await handle(refunded("1", "r2", {"mugs": 1}))
    assert await points() == 50


async def test_the_first_order_gets_a_welcome_and_the_second_none():
    hello = campaign("Hello", trigger="first_order", effect="add", value="100")
    third = campaign("Third", trigger="nth_order", nth=3, effect="add", value="7")
    await handle(*told(hello, third))
    await handle(paid("1", line("10.00")), paid("2", line("10.00")))
    assert await points() == 120
    await handle(paid("3", line("10.00")), paid("4", line("10.00")))
    assert await points() == 147
    await handle(cancelled("1"))
    await handle(paid("5", line("10.00")))
    assert await points() == 47, "who gave the first one back has no first one again"


async def test_a_goal_is_for_one_order_or_for_all_of_the_window():
    at_once = campaign("Big", trigger="goal_order", goal="50", effect="add", value="5")
    in_all = campaign("All", trigger="goal_total", goal="60", effect="add", value="1000")
    await handle(*told(at_once, in_all))
    await handle(paid("1", line("49.99")))
    assert await points() == 49
    await handle(paid("2", line("50.00")))
    assert await points() == 49 + 50 + 5 + 1000
    await handle(paid("3", line("60.00")))
    assert await points() == 49 + 50 + 5 + 1000 + 65
    assert "its goal had been reached by an earlier order" in await sentences()


async def test_nobody_gets_more_than_the_cap_and_all_together_no_more_than_the_budget():
    capped = campaign("Capped", effect="add", value="30", cap=50)
    await handle(*told(capped))
    for order_id in "123":
        await handle(paid(order_id, line("1.00", 1, f"l{order_id}")))
    assert await points() == 3 + 50
    assert "what one customer gets from it, was used up" in await sentences()
    await handle(refunded("1", "r1", {"l1": 1}))
    assert await points() == 2 + 20
    await handle(paid("4", line("1.00")))
    assert await points() == 3 + 50, "what comes back can be given again"


async def test_an_order_that_goes_to_another_customer_takes_the_bonus_of_that_one():
    await handle(*told(campaign("VIPs", audience=("tags", "vip"))), tagged(days_ago(3), "vip"))
    await handle(paid("1", line("10.00"), updated_at=days_ago(0.2).isoformat()))
    assert await points() == 20
    await handle(paid("1", line("10.00"), customer="7002", updated_at=days_ago(0.1).isoformat()))
    assert await figures() == {"reversed": 20}
    assert await figures("7002") == {"available": 10}
