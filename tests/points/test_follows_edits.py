"""An edit is told by several webhooks, and between them an order is known in part: what its points
do meanwhile, and which reason the merchant reads.
"""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from app.points.ledger import expiry
from app.points.ledger.audit import verify
from tests.points.arrivals import come_to, sentences
from tests.points.webhooks import Json, Shop, Webhook, line, tell
from tests.points.world import ALICE, days_ago, figures, now, one, program

pytestmark = pytest.mark.usefixtures("stores")

MUG, CUP = 77, 78


def edited(shop: Shop, removed: int, added: int | None = None) -> Webhook:
    """A piece of one line is taken out, and one of another line is added."""
    change: Json = {
        "id": 1,
        "order_id": shop.order_id,
        "committed_at": shop.now.isoformat(timespec="seconds"),
        "line_items": {
            "additions": [{"id": added, "delta": 1}] if added else [],
            "removals": [{"id": removed, "delta": 1}],
        },
    }
    return shop.told("orders/edited", {"order_edit": change})


def swap(shop: Shop) -> Sequence[Webhook]:
    """A mug for a cup of the same price, as Shopify tells it."""
    mug, cup = line("100.00", 1, MUG), line("100.00", 1, CUP, title="Cup", name="Cup")
    return [
        shop.order("orders/paid", mug),
        edited(shop, MUG, CUP),
        shop.refund([(mug, 1)]),
        shop.order("orders/updated", {**mug, "current_quantity": 0}, cup),
    ]


async def test_an_even_swap_comes_to_the_same_however_its_webhooks_arrive() -> None:
    await come_to(swap, 100, may_miss=[0, 1, 2])


async def test_a_refund_of_pieces_that_an_edit_has_taken_out_moves_nothing() -> None:
    paid, edit, refund, _ = swap(Shop())
    await tell(paid, edit, refund)
    assert await figures() == {"reversed": 100}
    assert await one("SELECT count(*) FROM ledger WHERE shop = $1", ALICE) == 2
    assert "1 piece was taken out of order #5001: all of the 100 points" in await sentences()
    assert "added" not in await sentences()


async def test_a_refund_of_pieces_the_order_says_are_gone_moves_nothing() -> None:
    shop, sold = Shop(), line("50.00", 3, MUG)
    paid, gone = (
        shop.order("orders/paid", sold),
        shop.order("orders/updated", {**sold, "current_quantity": 1}),
    )
    await tell(paid, gone, shop.refund([(sold, 2)]))
    assert await figures() == {"available": 50, "reversed": 100}
    assert await one("SELECT count(*) FROM ledger WHERE shop = $1", ALICE) == 2
    await tell(shop.refund([(sold, 1)]))
    assert await figures() == {"reversed": 150}
    assert (await verify()).is_sound


async def test_a_line_is_named_when_it_is_paid_though_it_was_told_before() -> None:
    shop = Shop()
    first, added = line("60.00", 1, MUG), line("25.00", 1, CUP, title="Cup", name="Cup")
    await tell(
        shop.order("orders/paid", first),
        shop.order("orders/updated", first, added, status="partially_paid", outstanding="25.00"),
        shop.order("orders/paid", first, added),
    )
    assert "1 piece of Cup was added and paid: 25 points" in await sentences()


async def test_points_that_a_swap_gives_again_wait_no_second_time() -> None:
    await program(pending_days=14)
    shop = Shop(now=days_ago(10))
    paid, edit, refund, updated = swap(shop)
    await tell(paid)
    due = await one("SELECT due_at FROM lots WHERE remaining > 0")
    await tell(edit, refund)
    assert await figures() == {"reversed": 100}
    await tell(updated)
    assert await figures() == {"pending": 100, "reversed": 100}
    assert await one("SELECT due_at FROM lots WHERE remaining > 0") == due
    await expiry.end_hold_backs(due + timedelta(seconds=1))
    assert (await figures())["available"] == 100
    assert (await verify()).is_sound


async def test_points_that_have_expired_do_not_come_again_by_a_swap() -> None:
    await program(expiry_days=30)
    shop = Shop(now=days_ago(40))
    paid, edit, refund, updated = swap(shop)
    await tell(paid)
    await expiry.expire_due(now())
    await tell(edit, refund, updated)
    await expiry.expire_due(now())
    assert (await figures()).get("available", 0) == 0
    assert (await verify()).is_sound


async def test_what_is_paid_later_waits_from_then_on() -> None:
    await program(pending_days=14)
    shop = Shop(now=days_ago(10))
    first, added = line("60.00", 2, MUG), line("25.00", 1, CUP)
    await tell(shop.order("orders/paid", first), shop.refund([(first, 1)]))
    shop.now = now() - timedelta(hours=1)
    left = {**first, "current_quantity": 1}
    await tell(
        shop.order("orders/updated", left, added, status="partially_paid", outstanding="25.00"),
        shop.order("orders/paid", left, added),
    )
    due = await one("SELECT due_at FROM lots WHERE remaining = 25")
    assert due > now() + timedelta(days=13)
