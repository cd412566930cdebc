"""Webhooks become receipts and facts in one transaction, each once however often it comes."""

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import asyncpg
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

COLUMNS = {
    "shop": "text",
    "webhook_id": "text",
    "day": "date",
    "topic": "text",
    "outcome": "text",
    "request_id": "text",
    "received_at": "timestamptz",
    "recorded_at": "timestamptz",
}
# A repeat changes nothing, except that a webhook that was dead may become facts.
INSERT = f"""
INSERT INTO receipts ({", ".join(COLUMNS)}) SELECT {", ".join(COLUMNS)} FROM {{fresh}}
ON CONFLICT (shop, webhook_id, day) DO UPDATE SET outcome = excluded.outcome
   WHERE receipts.outcome = 'dead' AND excluded.outcome <> 'dead'
RETURNING shop, webhook_id
"""
# The day of a receipt is that of its webhook's arrival, so one that Shopify delivers again after
# midnight is looked for under the day before.
OF_THE_DAY_BEFORE = """
SELECT shop, webhook_id FROM receipts
  JOIN unnest($1::text[], $2::text[], $3::date[]) AS given (shop, webhook_id, before)
 USING (shop, webhook_id)
 WHERE receipts.day = given.before
"""
RECEIVED = "SELECT webhook_id FROM receipts WHERE shop = $1 AND webhook_id = ANY($2::text[])"
REPEATED_WITHIN_MS = 6 * 3600 * 1000  # Shopify repeats a delivery for four hours
DAY_MS = 24 * 3600 * 1000
FIRST_DAY = date(1970, 1, 1).toordinal()


async def write(translations: Sequence[Translation], redis: Redis) -> None:
    """All of it in one transaction of its own, and what follows its commit.

    They are taken to be new at first, for repeats are rare here: new rows can be copied and go with
    everything else. A repeat ends that, and then each is looked at.
    """
    traces.gather(one.item.request_id for one in translations)
    with fact_log.noting() as written, traces.span("transaction"):
        try:
            async with db.transaction() as connection:
                fresh = await write_on(connection, translations, are_new=True)
        except asyncpg.UniqueViolationError:
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
    metrics.observe_all(
        _ingest_seconds, [max(0.0, now - one.item.received_ms / 1000) for one in fresh]
    )


async def write_on(
    connection: Any, translations: Sequence[Translation], *, are_new: bool = False
) -> list[Translation]:
    """Receipts, and the facts and dead letters of those that are new, on an open transaction;
    returns the new ones. With `are_new` a repeat raises asyncpg.UniqueViolationError.
    """
    unique = {
        (translation.item.shop, translation.item.webhook_id): translation
        for translation in reversed(translations)
    }
    for key in await _of_the_day_before(connection, [one.item for one in unique.values()]):
        unique.pop(key)
    recorded_at = datetime.now(UTC)
    # one order for everybody: two drains of the same lane cannot deadlock
    rows = [_receipt(unique[key], recorded_at) for key in sorted(unique)]
    writes = Writes()
    if are_new:
        writes.insert("receipts", COLUMNS, rows)
    else:
        given = Writes()
        query = INSERT.format(fresh=given.rows("fresh", COLUMNS, rows))
        returned = await connection.fetch(query, *given.values) if rows else []
        new = {(row["shop"], row["webhook_id"]) for row in returned}
        unique = {key: found for key, found in unique.items() if key in new}
    fresh = list(reversed(unique.values()))  # in the order of their lanes
    told = [[event_of(one.item, fact) for fact in one.facts] for one in fresh]
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


async def received(shop: str, webhook_ids: Sequence[str]) -> set[str]:
    """Those of the shop's webhooks that were taken in, whatever became of them."""
    if not webhook_ids:
        return set()
    async with db.connection() as connection:
        rows = await connection.fetch(RECEIVED, shop, list(webhook_ids))
    return {row["webhook_id"] for row in rows}


async def _of_the_day_before(connection: Any, items: Sequence[LaneItem]) -> list[tuple[str, str]]:
    """Those that came the day before already, as shop and webhook id; asked for only when Shopify
    may repeat what it delivered then.
    """
    early = [item for item in items if item.received_ms % DAY_MS < REPEATED_WITHIN_MS]
    if not early:
        return []
    rows = await connection.fetch(
        OF_THE_DAY_BEFORE,
        [item.shop for item in early],
        [item.webhook_id for item in early],
        [_day(item.received_ms - DAY_MS) for item in early],
    )
    return [(row["shop"], row["webhook_id"]) for row in rows]


def _receipt(one: Translation, recorded_at: datetime) -> tuple[Any, ...]:
    """As COLUMNS."""
    item = one.item
    return (
        item.shop,
        item.webhook_id,
        _day(item.received_ms),
        item.topic,
        one.outcome,
        carriers.request_id_of(item.request_id),
        datetime.fromtimestamp(item.received_ms / 1000, UTC),
        recorded_at,
    )


def _day(received_ms: int) -> date:
    return date.fromordinal(FIRST_DAY + received_ms // DAY_MS)


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
