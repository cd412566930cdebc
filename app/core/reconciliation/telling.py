"""Puts what was found into the lane of its shop, as if Shopify had sent it just now."""

import time
import uuid
from collections.abc import Iterable, Sequence

import msgspec

from app import db
from app.core.reconciliation.asking import TooLargeError
from app.db import Stores
from app.errors import UnavailableError
from app.flow import dead_letters, jobs
from app.flow.lanes import admission, lane, nodes, receipts
from app.flow.lanes.lane import LaneItem
from app.shopify.retold.parts import Json
from app.telemetry import logs, traces

# behind so many of the shop's own webhooks at most: nothing found waits in a crowd, nor makes one
LANE_MAX = 20
BODY_BYTES_MAX = 2 * 1024 * 1024  # as much as is taken of a webhook
FULL = "The shop's lane is full."

log = logs.logger()


async def has_room(stores: Stores, shop: str) -> bool:
    """Whether the shop has little waiting. Raises redis errors."""
    return await lane.lane_length(nodes.of(stores, shop).lane, shop) < LANE_MAX


async def taken_in(shop: str, webhook_ids: Sequence[str]) -> set[str]:
    """Those that ingest has written down, whatever became of them."""
    return await receipts.received(shop, webhook_ids)


def item(stores: Stores, shop: str, topic: str, webhook_id: str, body: Json, at: str) -> LaneItem:
    """A webhook of ours; `at` is when what it tells happened (ISO 8601)."""
    return LaneItem(
        received_ms=int(time.time() * 1000),
        shop=shop,
        topic=topic,
        webhook_id=webhook_id,
        api_version=stores.config.api_version,
        triggered_at=at,
        event_id="",
        request_id=traces.carrier() or uuid.uuid4().hex,
        body=msgspec.json.encode(body),
    )


async def tell(stores: Stores, items: Iterable[LaneItem]) -> int:
    """Admit webhooks of one shop; how many were not in its lane already. Raises redis errors, and
    UnavailableError where the lane is full.
    """
    fit = []
    for one in items:
        if len(one.body) > BODY_BYTES_MAX:
            mb = BODY_BYTES_MAX // 1024 // 1024
            await set_aside(one, TooLargeError(f"What it tells is larger than {mb} MB."))
        else:
            fit.append(one)
    if not fit:
        return 0
    node = nodes.of(stores, fit[0].shop)
    admitted = await lane.admit(node.lane, fit, node.config)
    if admitted.is_wake_needed:
        await admission.enqueue_drain(jobs.sharing(node))
    if "full" in admitted.verdicts:
        raise UnavailableError(FULL)
    return admitted.verdicts.count("queued")


async def set_aside(one: LaneItem, error: Exception) -> None:
    """Keep what cannot be told as a dead letter, for people to see."""
    async with db.connection() as connection:
        await dead_letters.add(
            connection,
            error,
            service=receipts.SERVICE,
            shop=one.shop,
            topic=one.topic,
            reference=one.webhook_id,
            payload=lane.encode_item(one),
        )
