"""Codes that turn up in an order after their points were given back: paid for all the same."""

from dataclasses import replace

import pytest

from app import db
from app.points.ledger.audit import verify
from app.points.rewards import actions, offers, staff
from tests.points.rewards.discounts import CLIENT
from tests.points.rewards.test_comebacks import code, order, shown
from tests.points.world import ALICE, BOB, cancelled, figures, handle

pytestmark = pytest.mark.usefixtures("stores", "shopify")


async def test_a_code_used_before_its_points_were_back_spends_them_again(
    stores: db.Stores,
) -> None:
    """Shopify counts uses with delay: whoever cancelled the code was told that it was not used."""
    done = await code(stores)
    await staff.cancel(stores, CLIENT, ALICE, done.id, "Alice Owner")
    assert await figures() == {"available": 250}
    for _ in range(3):
        await handle(order(done))
    assert await figures() == {"available": 200, "spent": 100}
    assert (await shown(done)).state == "used"
    assert (await verify(ALICE)).problems == []
    await handle(cancelled("2"))
    assert await figures() == {"available": 250, "reversed": 50}
    assert (await verify(ALICE)).problems == []


async def test_no_more_is_spent_again_than_is_there(stores: db.Stores) -> None:
    done = await code(stores)
    await staff.cancel(stores, CLIENT, ALICE, done.id, "Alice Owner")
    other = await offers.save_reward(ALICE, None, "Big", 240, "9.00")
    await actions.redeem(ALICE, BOB, other.id, "k9", "r")
    await handle(order(done))
    assert await figures() == {"held": 240, "spent": 60}, "what this order earned, too"
    assert (await verify(ALICE)).problems == []


async def test_a_code_in_an_order_of_another_shop_or_customer_is_not_used(
    stores: db.Stores,
) -> None:
    """Nor is one that nobody was given: whatever an order says, nothing of it moves."""
    done = await code(stores)
    await handle(order(done, shop="charlie.myshopify.com"))
    await handle(order(done, "3", customer="7002"))
    unknown = replace(done, code="HF-AAAAAAAAAA")
    await handle(order(unknown, "4"))
    assert (await shown(done)).state == "captured"
    assert (await figures())["spent"] == 100
