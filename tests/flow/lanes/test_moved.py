"""Spilled webhooks that came back to their lanes, and a Redis that forgets right after."""

from datetime import timedelta
from typing import Any

import pytest

from app import db
from app.flow.lanes import epoch, lane, spill
from tests.flow.lanes.numbered import items

COUNT = "SELECT count(*) FROM spilled_webhooks"
RECEIPT = """
INSERT INTO receipts (shop, webhook_id, day, topic, outcome, request_id, received_at, recorded_at)
VALUES ($1, $2, current_date, 'orders/paid', 'facts', '', now(), now())
"""


async def spilled_and_moved(stores: db.Stores) -> None:
    """Received while Redis was away; a look later they are back in their lanes."""
    await spill.spill([(one.shop, one.webhook_id, lane.encode_item(one)) for one in items(3)])
    assert await epoch.look(stores) is None
    moved, _ = await spill.unspill(stores)
    assert moved == 3


async def count() -> int:
    async with db.connection() as connection:
        found: int = await connection.fetchval(COUNT)
    return found


async def in_lanes(stores: db.Stores) -> int:
    client: Any = stores.queue
    return sum([await client.llen(key) async for key in client.scan_iter("lane:*")])


async def test_what_redis_forgets_right_after_it_came_back_comes_back_again(
    stores: db.Stores,
) -> None:
    await spilled_and_moved(stores)
    assert await in_lanes(stores) == 3
    assert await spill.waiting() == (0, 0.0)
    await stores.queue.flushall()
    assert await in_lanes(stores) == 0
    loss = await epoch.look(stores)
    assert loss
    assert loss.kind == "lost"
    moved, is_wake_needed = await spill.unspill(stores)
    assert moved == 3
    assert is_wake_needed
    assert await in_lanes(stores) == 3


async def test_what_has_its_receipt_is_kept_nowhere_else_and_the_rest_comes_again(
    stores: db.Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    await spilled_and_moved(stores)
    monkeypatch.setattr(spill, "MOVED_KEPT", timedelta(0))
    first, *_ = items(3)
    async with db.connection() as connection:
        await connection.execute(RECEIPT, first.shop, first.webhook_id)
    await stores.queue.flushall()  # and whoever would have noticed is gone
    await spill.unspill(stores)
    assert await in_lanes(stores) == 2
    assert await count() == 2, "until they have theirs"
