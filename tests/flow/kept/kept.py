"""What the tests of kept webhooks share: webhooks as ingest takes them in, and what is kept."""

import json
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from app import db
from app.flow.kept import bodies
from app.flow.kept.bodies import Packed
from app.flow.lanes import lane, receipts, translation
from app.flow.lanes.lane import LaneItem
from app.flow.lanes.translation import Translate
from app.shopify import payloads
from tests.points.webhooks import Webhook

INCLUDED = b'"taxes_included": true'


def item(webhook: Webhook, *, hours_ago: float = 1.0) -> LaneItem:
    name = uuid.uuid4().hex
    return LaneItem(
        received_ms=int((time.time() - hours_ago * 3600) * 1000),
        shop=webhook.shop,
        topic=webhook.topic,
        webhook_id=name,
        api_version="2026-07",
        triggered_at="2026-07-01T00:00:00Z",
        event_id="",
        request_id=f"request-{name}",
        body=webhook.body,
    )


def with_tax_counted(webhook: LaneItem) -> Sequence[Any]:
    """The translation with the rule switched off that tax inside prices earns nothing."""
    body = webhook.body.replace(INCLUDED, b'"taxes_included": false')
    return payloads.translate(msgspec.structs.replace(webhook, body=body))


async def take_in(
    *items: LaneItem, translate: Translate = payloads.translate, is_known: bool = True
) -> None:
    """As ingest does it with one batch."""
    found = [
        translation.of(one.shop, lane.encode_item(one), translate, is_known=is_known)
        for one in items
    ]
    async with db.transaction() as connection:
        await receipts.write_on(connection, found)


async def rows() -> list[Packed]:
    async with db.connection() as connection:
        found = await connection.fetch("SELECT * FROM webhook_bodies ORDER BY part, id")
    return [bodies.opened(row) for row in found]


async def kept() -> list[LaneItem]:
    return [lane.decode_item(one) for row in await rows() for one in row.items]


def changed(webhook: Webhook, change: Callable[[dict[str, Any]], None]) -> Webhook:
    body = json.loads(webhook.body)
    change(body)
    return Webhook(webhook.topic, json.dumps(body).encode(), webhook.shop)
