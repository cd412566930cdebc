"""What comes back of codes whose orders were exchanged, edited or given back in parts, as Shopify's
webhooks tell it and in whatever order these come.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from app import db
from app.points.ledger.audit import verify
from app.points.rewards import actions, offers, redemption, settling
from app.points.rewards.rules import Details
from app.points.views import RedemptionView
from tests.points.webhooks import Json, Shop, Webhook, adjustment, line, tell, transaction
from tests.points.world import BOB, figures, handle, paid, program
from tests.points.world import line as plain

pytestmark = pytest.mark.usefixtures("stores")
numbers = itertools.count(1)
MANY = 4  # of so many webhooks some orders of arrival do
LINES = 4_400  # the ids of these orders' lines begin here


async def code(stores: db.Stores, policy: str = "share", points: int = 100) -> RedemptionView:
    """A code of Bob's for 100 of his 250 points, in a shop of its own."""
    shop = f"changed-{next(numbers)}.myshopify.com"
    await program(shop)
    await handle(paid("1", plain("250.00", line_id="l0"), shop=shop))
    details = Details(on_return=policy)  # type: ignore[arg-type]
    reward = await offers.save_reward(shop, None, "Ten off", points, "10.00", details=details)
    held = await actions.redeem(shop, BOB, reward.id, "k1", "r")
    await settling.capture(stores, held.id, "gid://x/1")
    return await redemption.view(held.id)


async def shop_of(done: RedemptionView) -> str:
    async with db.connection() as conn:
        return str(await conn.fetchval("SELECT shop FROM redemptions WHERE id = $1", done.id))


def item(number: int, price: str, off: str = "", quantity: int = 1, **more: Any) -> Json:
    offs = (off,) if off else ()
    return line(price, quantity, LINES + number, off=offs, **more)


class Bought(Shop):
    """Orders with a code, whatever else is told of them."""

    def coded(self, done: RedemptionView, *lines: Json, **more: Any) -> Webhook:
        applied = {"type": "discount_code", "code": done.code, "value": "10.0"}
        codes = [{"code": done.code, "amount": "10.00", "type": "fixed_amount"}]
        topic = more.pop("topic", "orders/updated")
        told = {"discount_codes": codes, "discount_applications": [applied], **more}
        return self.order(topic, *lines, **told)


async def returned(stores: db.Stores, policy: str, make: Any) -> set[int]:
    """What comes back, in every order of arrival."""
    found = set()
    length = len(make(Bought(), await code(stores, policy)))
    ways = list(itertools.permutations(range(length)))
    for way in ways if length < MANY else ways[:: length + 1]:
        done = await code(stores, policy)
        bought = Bought(await shop_of(done))
        told: Sequence[Webhook] = make(bought, done)
        await tell(*(told[place] for place in way))
        await tell(*(told[place] for place in way))
        found.add((await redemption.view(done.id)).returned_points)
        report = await verify(bought.shop)
        assert report.problems == []
    return found


def swapped(bought: Bought, done: RedemptionView) -> list[Webhook]:
    """Everything is exchanged for something else, which costs as much after the discount."""
    old, new = item(1, "100.00", "10.00"), item(2, "90.00")
    gone = item(1, "100.00", "10.00", kept=0)
    return [
        bought.coded(done, old, topic="orders/paid"),
        bought.refund([(old, 1)]),
        bought.coded(done, gone, new),
    ]


@pytest.mark.parametrize("policy", ["whole", "never"])
async def test_an_exchange_of_everything_is_no_order_that_came_back(stores, policy) -> None:
    assert await returned(stores, policy, swapped) == {0}


async def test_in_proportion_what_the_code_took_off_decides(stores) -> None:
    """The discount went back with the goods it was for: what came instead cost its full price."""
    assert await returned(stores, "share", swapped) == {100}


async def test_an_edit_that_swaps_the_only_line_gives_nothing_back_of_a_whole_order(stores) -> None:
    def make(bought: Bought, done: RedemptionView) -> list[Webhook]:
        old, new = item(1, "100.00", "10.00"), item(2, "120.00")
        edit = {
            "id": 77,
            "order_id": bought.order_id,
            "committed_at": bought.now.isoformat(timespec="seconds"),
            "line_items": {
                "additions": [{"id": LINES + 2, "delta": 1}],
                "removals": [{"id": LINES + 1, "delta": 1}],
            },
        }
        gone = item(1, "100.00", "10.00", kept=0)
        return [
            bought.coded(done, old, topic="orders/paid"),
            bought.told("orders/edited", {"order_edit": edit}),
            bought.coded(done, gone, new, status="partially_paid", outstanding="30.00"),
        ]

    assert await returned(stores, "whole", make) == {0}


async def test_half_comes_back_and_more_is_added_after_it(stores) -> None:
    def make(bought: Bought, done: RedemptionView) -> list[Webhook]:
        two = item(1, "50.00", "10.00", quantity=2)
        left = item(1, "50.00", "10.00", quantity=2, kept=1)
        return [
            bought.coded(done, two, topic="orders/paid"),
            bought.refund([(two, 1)], transactions=[transaction("45.00")]),
            bought.coded(done, left, item(2, "500.00"), topic="orders/paid"),
        ]

    assert await returned(stores, "share", make) == {50}


async def test_a_return_fee_is_kept_and_the_code_comes_back(stores) -> None:
    def make(bought: Bought, done: RedemptionView) -> list[Webhook]:
        one = item(1, "100.00", "10.00")
        return [
            bought.coded(done, one, topic="orders/paid"),
            bought.refund([(one, 1)], [adjustment("15.00")], [transaction("75.00")]),
            bought.coded(done, item(1, "100.00", "10.00", kept=0), status="partially_refunded"),
        ]

    assert await returned(stores, "whole", make) == {100}


async def test_shipping_alone_and_refunds_without_lines_give_nothing_of_the_code_back(
    stores,
) -> None:
    def make(bought: Bought, done: RedemptionView) -> list[Webhook]:
        one = item(1, "100.00", "10.00")
        return [
            bought.coded(done, one, topic="orders/paid"),
            bought.refund([], [adjustment("-5.00", "shipping_refund")], [transaction("5.00")]),
            bought.refund([]),
            bought.coded(done, one, status="partially_refunded"),
        ]

    for policy in ("share", "whole"):
        assert await returned(stores, policy, make) == {0}


async def test_several_refunds_give_back_what_the_code_took_off_each_line(stores) -> None:
    """Of ten off, one line had nine and another one: money given as such takes its share."""

    def make(bought: Bought, done: RedemptionView) -> list[Webhook]:
        dear, cheap = item(1, "90.00", "9.00"), item(2, "10.00", "1.00")
        gone = [item(1, "90.00", "9.00"), item(2, "10.00", "1.00", kept=0)]
        return [
            bought.coded(done, dear, cheap, topic="orders/paid"),
            bought.refund([(cheap, 1)], transactions=[transaction("9.00")]),
            bought.refund([], [adjustment("-40.50")], [transaction("40.50")]),
            bought.coded(done, *gone, status="partially_refunded"),
        ]

    assert await returned(stores, "share", make) == {55}


async def test_a_piece_for_nothing_stands_until_it_is_back(stores) -> None:
    """Its price was taken off whole: it costs nothing, and is all that the code gave."""
    done = await code(stores)
    bought = Bought(await shop_of(done))
    dear, free = item(1, "100.00"), item(2, "10.00", "10.00")
    await tell(bought.coded(done, dear, free, topic="orders/paid"))
    await tell(bought.coded(done, item(1, "100.00", kept=0), free))
    assert (await redemption.view(done.id)).returned_points == 0
    await tell(bought.coded(done, item(1, "100.00", kept=0), item(2, "10.00", "10.00", kept=0)))
    assert (await redemption.view(done.id)).returned_points == 100
    assert await figures(shop=bought.shop) == {"available": 250, "reversed": 100}


async def test_of_two_codes_in_one_order_each_comes_back_by_what_it_took_off(stores) -> None:
    """In whatever case and however often an order names them; a test order counts like another."""
    first = await code(stores)
    bought = Bought(await shop_of(first))
    reward = await offers.save_reward(
        bought.shop, None, "Two off", 50, "2.00", details=Details(on_return="share")
    )
    held = await actions.redeem(bought.shop, BOB, reward.id, "k2", "r")
    await settling.capture(stores, held.id, "gid://x/2")
    second = await redemption.view(held.id)
    names = [first.code.lower(), second.code, first.code, second.code.lower()]
    more = {
        "discount_codes": [{"code": name, "amount": "1.00"} for name in names],
        "discount_applications": [
            {"type": "automatic", "title": "Sale"},
            {"type": "discount_code", "code": first.code.lower()},
            {"type": "discount_code", "code": second.code},
            "nonsense",
        ],
        "test": True,
        "currency": "JPY",
    }
    offs = [("5.00", 0), ("8.00", 1), ("2.00", 2), ("1.00", 7), ("1.00", None)]
    both = [item(1, "60.00"), item(2, "60.00")]
    for one, taken in zip(both, (offs, [("5.00", 0), ("2.00", 1)]), strict=True):
        one["discount_allocations"] = [
            {"amount": off, "discount_application_index": place} for off, place in taken
        ]
    await tell(bought.order("orders/paid", *both, **more))
    both[1]["current_quantity"] = 0
    await tell(bought.order("orders/updated", *both, **more))
    found = [(await redemption.view(one.id)).returned_points for one in (first, second)]
    assert found == [20, 0]
    both[0]["current_quantity"] = 0
    await tell(bought.order("orders/updated", *both, **more))
    assert await figures(shop=bought.shop) == {"available": 250}
    assert (await verify(bought.shop)).problems == []


async def test_an_order_that_is_heard_of_only_when_it_is_cancelled_gives_its_code_back(
    stores,
) -> None:
    """What came before was lost: the code is used at Shopify, and nobody can use it again."""

    def make(bought: Bought, done: RedemptionView) -> list[Webhook]:
        one = item(1, "100.00", "10.00")
        more = {"cancelled_at": bought.now.isoformat(timespec="seconds")}
        return [
            bought.coded(done, one, topic="orders/cancelled", status="refunded", **more),
            bought.coded(done, one, status="refunded", **more),
        ]

    for policy, back in (("whole", 100), ("share", 100), ("never", 0)):
        assert await returned(stores, policy, make) == {back}
