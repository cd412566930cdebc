"""Webhooks become receipts and facts in one transaction, each once however often it comes."""

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from redis.asyncio import Redis

from app import db
from app.flow import dead_letters, event
from app.flow.bus import log as fact_log
from app.flow.bus import wakes
from app.flow.kept import bodies, packing, redaction
from app.flow.kept.bodies import Kept
from app.flow.lanes.lane import LaneItem
from app.flow.lanes.translation import Fact, Translation
from app.telemetry import carriers, logs, metrics, traces
from app.writes import Writes

SERVICE = "ingest"
log = logs.logger()
_ingest_seconds = metrics.ROAD_SECONDS.labels("ingest")

# A repeat changes nothing, except that a webhook that was dead may become facts. Its day is that of
# the webhook it repeats, and one that Shopify delivers again after midnight is looked for there.
RECEIPTS = """
INSERT INTO receipts (shop, webhook_id, day, topic, outcome, request_id, received_at, recorded_at)
SELECT shop, webhook_id, (received_at AT TIME ZONE 'UTC')::date, topic, outcome, request_id,
       received_at, now()
  FROM (SELECT shop, webhook_id, topic, outcome, request_id,
               to_timestamp(received_ms / 1000.0) AS received_at
          FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])
               AS given (shop, webhook_id, topic, outcome, request_id, received_ms)) AS fresh
 WHERE NOT $7 OR NOT EXISTS (
       SELECT FROM receipts AS earlier
        WHERE earlier.shop = fresh.shop AND earlier.webhook_id = fresh.webhook_id
          AND earlier.day = (fresh.received_at AT TIME ZONE 'UTC')::date - 1)
ON CONFLICT (shop, webhook_id, day) DO UPDATE SET outcome = excluded.outcome
   WHERE receipts.outcome = 'dead' AND excluded.outcome <> 'dead'
RETURNING shop, webhook_id
"""
REPEATED_WITHIN_MS = 6 * 3600 * 1000  # Shopify repeats a delivery for four hours
DAY_MS = 24 * 3600 * 1000


async def write(translations: Sequence[Translation], redis: Redis) -> None:
    traces.gather(one.item.request_id for one in translations)
    with fact_log.noting() as written, traces.span("transaction"):
        async with db.transaction() as connection:
            fresh = await write_on(connection, translations)
    if written:
        await wakes.tell(redis, written)
    outcomes = Counter(translation.outcome for translation in fresh)
    outcomes["duplicate"] = len(translations) - len(fresh)
    for outcome, count in outcomes.items():
        metrics.INGESTED.labels(outcome).inc(count)
    # one line a batch, which still says for every request what became of it
    log.info(
        "webhooks drained",
        count=len(translations),
        outcomes=dict(outcomes),
        request_ids=[carriers.request_id_of(one.item.request_id) for one in fresh],
    )
    now = time.time()
    for translation in fresh:
        _ingest_seconds.observe(max(0.0, now - translation.item.received_ms / 1000))


async def write_on(connection: Any, translations: Sequence[Translation]) -> list[Translation]:
    """Receipts, and the facts and dead letters of those that are new, on an open transaction;
    returns the new ones.
    """
    unique = {
        (translation.item.shop, translation.item.webhook_id): translation
        for translation in reversed(translations)
    }
    rows = sorted(
        unique.items()
    )  # one order for everybody: two drains of the same lane cannot deadlock
    items = [translation.item for _, translation in rows]
    returned = await connection.fetch(
        RECEIPTS,
        [item.shop for item in items],
        [item.webhook_id for item in items],
        [item.topic for item in items],
        [translation.outcome for _, translation in rows],
        [carriers.request_id_of(item.request_id) for item in items],
        [item.received_ms for item in items],
        any(item.received_ms % DAY_MS < REPEATED_WITHIN_MS for item in items),
    )
    new = {(row["shop"], row["webhook_id"]) for row in returned}
    fresh = [
        found for key, found in reversed(unique.items()) if key in new
    ]  # in the order of their lanes
    told = [[event_of(one.item, fact) for fact in one.facts] for one in fresh]
    writes = Writes()
    fact_log.add(writes, [event for events in told for event in events])
    bodies.add(writes, _kept(fresh, told))
    await writes.send(connection)
    await redaction.ask(connection, [one.item for one in fresh if one.facts])
    for translation in fresh:
        if translation.error is not None:
            if not dead_letters.is_waiting(translation.error):
                traces.failed("set aside", translation.item.request_id, translation.error)
            await dead_letters.add(
                connection,
                translation.error,
                service=SERVICE,
                shop=translation.item.shop,
                topic=translation.item.topic,
                reference=translation.item.webhook_id,
                payload=translation.encoded,
            )
    return fresh


def _kept(fresh: Sequence[Translation], told: Sequence[Sequence[event.Event]]) -> list[Kept]:
    """Webhooks to be kept as they came: not what Shopify asks about personal data, and what was
    set aside only once it is replayed: until then it stands with its dead letter.
    """
    return [
        Kept(one.item, one.encoded, packing.of_events(events))
        for one, events in zip(fresh, told, strict=True)
        if one.error is None and one.item.topic not in redaction.NEVER_KEPT
    ]


def event_of(item: LaneItem, fact: Fact) -> event.Event:
    """A fact of a webhook as it is told."""
    return event.new(
        fact.topic,
        item.shop,
        item.shop,
        fact.data,
        trace=traces.onward(item.request_id),
        occurred_at=fact.occurred_at or _triggered_at(item),
        received_ms=item.received_ms,
    )


def _triggered_at(item: LaneItem) -> str:
    received = datetime.fromtimestamp(item.received_ms / 1000, UTC)
    try:
        found = datetime.fromisoformat(item.triggered_at)
    except ValueError:
        return received.isoformat()
    # nobody signed it: at least it is no later than we know of it
    return min(found if found.tzinfo else found.replace(tzinfo=UTC), received).isoformat()
