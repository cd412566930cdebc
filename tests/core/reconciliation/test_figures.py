"""What comparing an hour with Shopify costs; printed, and within what Shopify allows."""

import asyncio
import time

import pytest

from app import db
from app.shopify import graphql
from tests.core.reconciliation.world import drain, is_noted, look, loses, opened, told
from tests.devstore.conftest import Store

pytestmark = pytest.mark.long
ORDERS = 300


async def test_an_hour_of_a_shop(quick: db.Stores, store: Store, monkeypatch) -> None:
    await opened(store, quick.config)
    await loses(store, "*")
    lines = [{"title": f"Mug {number}", "price": "10.00", "quantity": 2} for number in range(2)]
    bob = await store.customer()
    for _ in range(ORDERS):
        await store.order(bob, lines=lines)
    budgets = store.http._transport.app.state.budgets  # type: ignore[attr-defined]
    spent: list[float] = []
    monkeypatch.setattr(budgets, "available", lambda _: 2000.0)
    monkeypatch.setattr(budgets, "take", lambda _, cost: spent.append(cost))
    await is_noted()
    stop = asyncio.Event()

    async def ingest() -> None:
        while not stop.is_set():
            await drain(quick)
            await asyncio.sleep(0.05)

    draining = asyncio.create_task(ingest())
    began, processor = time.monotonic(), time.process_time()
    while len(await told("order.updated")) < ORDERS:
        await look(quick, store)
    stop.set()
    await draining
    print(
        f"\n{ORDERS} orders told in {time.monotonic() - began:.1f} s, "
        f"{(time.process_time() - processor) / ORDERS * 1000:.1f} ms of CPU an order with the "
        f"stand-in's; {sum(spent) / ORDERS:.1f} points an order in {len(spent)} calls; asked for: "
        f"{ {name: graphql.budgets.cost(name) for name in graphql.DOCUMENTS if 'told' in name} }"
    )
    spent.clear()
    began, processor = time.monotonic(), time.process_time()
    await look(quick, store)
    print(
        f"looked once more, all known: {time.monotonic() - began:.1f} s, "
        f"{(time.process_time() - processor) / ORDERS * 1000:.2f} ms of CPU and "
        f"{sum(spent) / ORDERS:.2f} points an order in {len(spent)} calls"
    )
    assert max(graphql.budgets.cost(name) for name in graphql.DOCUMENTS) <= 1000
    assert len(await told("order.updated")) == ORDERS
