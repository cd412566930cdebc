"""What the tests of drains share: webhooks of three shops, a small translation, and what became
of them.
"""

import json
import time
from dataclasses import dataclass
from typing import Any

from app import db
from app.errors import BadInputError
from app.flow import event
from app.flow.lanes import ingest, lane
from app.flow.lanes.lane import LaneItem

ALICE, BOB, STRANGER = "alice.myshopify.com", "bob.myshopify.com", "stranger.myshopify.com"


@dataclass
class Fact:
    topic: str
    data: dict[str, Any]
    occurred_at: str | None = None


def translate(item: LaneItem) -> list[Fact]:
    if item.topic == "carts/update":
        return []
    if item.body == b"poison":
        raise BadInputError("This payload is poison.")
    return [Fact("order.paid", {"id": item.webhook_id, **json.loads(item.body)})]


async def known(shops):
    return set(shops) - {STRANGER}


def item(
    name: str, shop: str = ALICE, *, topic: str = "orders/paid", body: bytes = b"{}"
) -> LaneItem:
    return LaneItem(
        received_ms=int(time.time() * 1000),
        shop=shop,
        topic=topic,
        webhook_id=name,
        api_version="2026-07",
        triggered_at="2026-07-01T00:00:00Z",
        event_id="",
        request_id=f"request-{name}",
        body=body,
    )


async def admit(stores, *items, **kwargs):
    return (await lane.admit(stores.queue, items, stores.config, **kwargs)).verdicts


async def drain_once(stores, **kwargs):
    return await ingest.drain_once(stores, translate, known, **kwargs)


async def emitted() -> list[event.Event]:
    """Shop by shop: over shops the log has no order."""
    async with db.connection() as connection:
        rows = await connection.fetch("SELECT body FROM facts ORDER BY tx, id")
    return [one for row in rows for one in event.unpack(row["body"])]


async def fact_ids() -> list[str]:
    return [json.loads(bytes(one.data))["id"] for one in await emitted()]


async def receipts() -> dict[str, str]:
    async with db.connection() as connection:
        return {
            row["webhook_id"]: row["outcome"]
            for row in await connection.fetch("SELECT * FROM receipts")
        }
