"""Orders that were paid with gift cards and store credit made from points: when they come back,
Shopify gives that money back to where it came from, and points would be both twice.
"""

import json

import pytest

from app import db
from app.points.ledger.audit import verify
from app.points.rewards import redemption
from devstore.shop import orders, refunds, sold
from devstore.webhooks import payloads
from tests.points.rewards.discounts import CLIENT, make_due
from tests.points.rewards.store import Store
from tests.points.rewards.test_kinds import bobs, hold
from tests.points.webhooks import Webhook, tell
from tests.points.world import ALICE

pytestmark = pytest.mark.usefixtures("stores")


async def told(store: Store, order: sold.Order, topic: str = "orders/updated") -> None:
    body = json.dumps(payloads.order(store.state, order)).encode()
    await tell(Webhook(topic, body, ALICE))


@pytest.mark.parametrize("kind", ["gift_card", "store_credit"])
@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_the_money_is_back_and_the_points_stay_spent(
    stores: db.Stores, store: Store, kind: str, is_cancelled: bool
) -> None:
    held = await hold(store, kind, on_return="whole", on_unused="keep")
    done = await redemption.complete(stores, CLIENT, held.id)
    order = store.buy(store.mug.item(2), cards=(done.code,), with_credit=True)
    await told(store, order, "orders/paid")
    way, paid_cents = order.paid_by[0].way, order.paid_by[0].amount_cents
    assert way == ("gift_card" if kind == "gift_card" else "shopify_store_credit")
    assert paid_cents == (2500 if kind == "gift_card" else 750)
    if is_cancelled:
        orders.cancel(store.state, order)
    refunds.refund_whole(store.state, order)
    await told(store, order, "orders/cancelled" if is_cancelled else "orders/updated")
    await told(store, order)
    left = store.credit_cents if kind == "store_credit" else store.cards[0].balance_cents
    assert left == paid_cents, "Shopify gave it back to where it came from"
    found = await redemption.view(held.id)
    assert (found.state, found.returned_points) == ("captured", 0)
    has = await bobs(store)
    assert (has["available"], has["spent"]) == (150, 100)
    assert (await verify(ALICE)).problems == []


async def test_a_card_that_is_whole_again_at_its_end_was_not_used(
    stores: db.Stores, store: Store
) -> None:
    """Its points come back, and the card is off: never both."""
    held = await hold(store, "gift_card", on_unused="give_back")
    done = await redemption.complete(stores, CLIENT, held.id)
    order = store.buy(store.mug.item(2), cards=(done.code,))
    await make_due(ends_at="now() - interval '1 hour'")
    await redemption.sweep(stores, CLIENT)
    assert (await redemption.view(held.id)).state == "captured", "it is in use"
    refunds.refund_whole(store.state, order)
    await make_due(ends_at="now() - interval '1 hour'")
    await redemption.sweep(stores, CLIENT)
    assert (await bobs(store))["available"] == 250
    assert not store.cards[0].is_enabled
    assert (await verify(ALICE)).problems == []
