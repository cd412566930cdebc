"""What is told again may be older than what is known, or come beside it: the newest word counts."""

from collections.abc import Coroutine, Sequence
from typing import Any

import msgspec

from app import db
from app.core.reconciliation import asking
from devstore.shop import orders, refunds, sold, things
from devstore.shop.state import State
from devstore.webhooks import payload_refunds, payloads
from tests.core.reconciliation.standin import StandIn
from tests.points.arrivals import come_to
from tests.points.webhooks import Shop, Webhook
from tests.points.world import BOB


def now(reading: Coroutine[Any, Any, Any]) -> Any:
    """What it comes to, for the stand-in of this process never waits."""
    try:
        reading.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waited")


def half_comes_back(shop: Shop) -> Sequence[Webhook]:
    """An order as its webhook told it, and as it was found before and after a piece came back."""
    here = StandIn(State(None), shop.shop)
    at = things.now()
    bob = things.Customer(int(BOB), shop.shop, "Bob", "Buyer", "bob@example.com", at, at)
    here.state.put("customer", bob.id, bob)
    how = sold.Placing(tax_percent=0, shipping_cents=0)
    basket = things.Basket([things.Item("Mug", 5000, 2)], bob)
    order = orders.place(here.state, here.shop, basket, how=how)

    def found() -> Webhook:
        body = msgspec.json.encode(now(asking.order(here.ask, here.gid(order))))
        return Webhook("orders/updated", body, shop.shop)

    paid = msgspec.json.encode(payloads.order(here.state, order))
    before = found()
    refunds.refund_lines(here.state, order, [(order.lines[0].id, 1)])
    after = found()
    back = msgspec.json.encode(payload_refunds.refund(order, order.refunds[0]))
    told = [Webhook("orders/paid", paid, shop.shop), before, after]
    return [*told, Webhook("refunds/create", back, shop.shop)]


async def test_a_state_that_is_told_again_late_changes_nothing(stores: db.Stores) -> None:
    await come_to(half_comes_back, 50, may_miss=(0, 1, 3))
