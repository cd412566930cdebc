"""Drains the lanes: webhooks become receipts and facts in one transaction, and only then leave
their lane.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Protocol

import msgspec
from redis.asyncio import Redis

from app import db
from app.db import Connection
from app.errors import BadInputError
from app.flow import dead_letters, event
from app.flow.bus import log as fact_log
from app.flow.bus import wakes
from app.flow.dead_letters import Letter
from app.flow.lanes import bodies, lane
from app.flow.lanes.lane import Claim, LaneItem
from app.resilience import failures, health
from app.resilience.progress import Progress
from app.services import SERVICES
from app.telemetry import logs, metrics

SERVICE = "ingest"
DRAIN_SECONDS_MAX = 8.0  # then another job goes on, well before arq's time limit
LINGER_SECONDS = 0.5  # looking a while longer is cheaper than waking the next drain
LOOK_EVERY_SECONDS = 0.01
# A small batch costs twice as much a webhook as a large one: when webhooks come quickly, a moment
# lets more gather
GATHER_SECONDS = 0.02
GATHER_FROM, GATHER_BELOW = 8, 500
BORROW_LAG_SECONDS_MAX = 1.0
# what Shopify says of the installation itself counts whether or not we know the shop
ALWAYS_FACTS = frozenset(
    {"app/uninstalled", "customers/data_request", "customers/redact", "shop/redact"}
)

log = logs.logger()
_ingest_seconds = metrics.ROAD_SECONDS.labels("ingest")
_versions_noticed: set[str] = set()

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


class Fact(Protocol):
    """What a translation gives: topic and data of an event, and when it happened (ISO 8601),
    where that is told.
    """

    @property
    def topic(self) -> str: ...
    @property
    def data(self) -> dict[str, Any]: ...
    @property
    def occurred_at(self) -> str | None: ...


Translate = Callable[
    [LaneItem], Sequence[Fact]
]  # none for an unknown topic; raises when it cannot be done
KnownShops = Callable[[Iterable[str]], Awaitable[set[str]]]


@dataclass(slots=True)
class Translation:
    """A webhook and what becomes of it: `facts`, `recorded` (not a shop of ours), `unknown`
    (topic) or `dead`.
    """

    item: LaneItem
    encoded: bytes
    outcome: str
    facts: Sequence[Fact] = ()
    error: Exception | None = None


async def drain(
    stores: db.Stores,
    translate: Translate,
    known_shops: KnownShops,
    *,
    stop: asyncio.Event | None = None,
    progress: Progress | None = None,
) -> bool:
    """Go on while something is due, for a few seconds at most; returns whether there is more to do
    at once. Raises when a store is away.
    """
    ends = time.monotonic() + DRAIN_SECONDS_MAX
    idle_since = time.monotonic()
    progress = progress or Progress()
    while time.monotonic() < ends and not (stop and stop.is_set()):
        borrow = await _may_borrow(stores)
        with progress.busy():
            count = await drain_once(
                stores, translate, known_shops, borrow=borrow, made=progress.made
            )
        if count:
            progress.made()
            idle_since = time.monotonic()
            if GATHER_FROM <= count < GATHER_BELOW:
                await asyncio.sleep(GATHER_SECONDS)
        elif time.monotonic() - idle_since < LINGER_SECONDS:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        elif not await lane.finish(stores.queue, stores.config, borrow=borrow):
            return False
    return True


async def drain_once(
    stores: db.Stores,
    translate: Translate,
    known_shops: KnownShops,
    *,
    borrow: bool = True,
    made: Callable[[], None] = lambda: None,
) -> int:
    """Claim what is due, write it in one transaction, acknowledge; returns how many webhooks were
    claimed.

    A crash before the acknowledgement repeats the batch, and the unique receipts make the repeat a
    no-op. The leases are kept while the batch is written, however long that takes.
    """
    claims = await lane.claim(
        stores.queue,
        stores.config.drain_batch,
        stores.config,
        borrow_max=lane.BORROW_MAX if borrow else 0,
    )
    if not claims:
        return 0
    async with lane.kept(stores.queue, claims, stores.config):
        try:
            translations = await _translate_all(stores, claims, translate, known_shops)
            _notice_versions(translations, stores.config.api_version)
            await _write(translations, stores.queue)
        except Exception as error:
            if failures.is_passing(error):
                raise  # the leases end by themselves, and the lanes are drained again
            log.warning(
                "batch failed, going lane by lane", lanes=len(claims), reason=failures.reason(error)
            )
            for claim in claims:
                await _drain_lane(stores, claim, translate, known_shops, made)
        else:
            await _acknowledge(stores, claims)
    return sum(len(claim.items) for claim in claims)


async def _may_borrow(stores: db.Stores) -> bool:
    """Whether a shop beyond its pace may have what nobody else waits for: not while a service is
    behind, for there the others would wait behind it.
    """
    board = await health.board(stores.queue)
    return all(
        line.beat_at is None or (line.alive and line.lag_seconds < BORROW_LAG_SECONDS_MAX)
        for line in (board[one.name] for one in SERVICES)
    )


async def _acknowledge(
    stores: db.Stores,
    claims: Sequence[Claim],
    counts: Sequence[int] | None = None,
) -> None:
    ours = await lane.acknowledge(stores.queue, claims, stores.config, counts=counts)
    if ours < len(claims):
        log.warning(
            "lease ended before the acknowledgement; the receipts drop the repeat",
            lanes=len(claims) - ours,
        )


async def _drain_lane(
    stores: db.Stores,
    claim: Claim,
    translate: Translate,
    known_shops: KnownShops,
    made: Callable[[], None],
) -> None:
    """One merchant's part of a batch that failed: whole if that works, else webhook by webhook."""
    translations = await _translate_all(stores, [claim], translate, known_shops)
    done = 0
    try:
        await _write(translations, stores.queue)
        done = len(translations)
    except Exception as error:
        if failures.is_passing(error):
            raise
        for translation in translations:
            await _write_or_set_aside(stores, translation)
            done += 1
            made()
    finally:
        if done:
            await _acknowledge(stores, [claim], [done])


async def _write_or_set_aside(stores: db.Stores, translation: Translation) -> None:
    try:
        await _write([translation], stores.queue)
    except Exception as error:
        if failures.is_passing(error):
            raise
        translation.outcome, translation.facts, translation.error = "dead", (), error
        await _write([translation], stores.queue)


async def _translate_all(
    stores: db.Stores, claims: Sequence[Claim], translate: Translate, known_shops: KnownShops
) -> list[Translation]:
    known = await known_shops({claim.shop for claim in claims})
    translations = [
        _translation(claim.shop, encoded, translate, is_known=claim.shop in known)
        for claim in claims
        for encoded in claim.items
    ]
    await _set_foreign_aside(stores, translations)
    return translations


async def _set_foreign_aside(stores: db.Stores, translations: Sequence[Translation]) -> None:
    """Of what would become facts: a body that came for another shop before is not this one's."""
    asked = [one for one in translations if one.facts]
    said = await bodies.foreign(stores.cache, [one.item for one in asked])
    for one, is_foreign in zip(asked, said, strict=True):
        if is_foreign:
            one.outcome, one.facts = "dead", ()
            one.error = bodies.ForeignBodyError()


def _translation(shop: str, encoded: bytes, translate: Translate, *, is_known: bool) -> Translation:
    try:
        item = lane.decode_item(encoded)
    except msgspec.DecodeError:
        broken = LaneItem(
            int(time.time() * 1000),
            shop,
            "unreadable",
            sha256(encoded).hexdigest(),
            "",
            "",
            "",
            "",
            b"",
        )
        return Translation(
            broken, encoded, "dead", error=BadInputError("What waited in the lane is no webhook.")
        )
    if not is_known and item.topic not in ALWAYS_FACTS:
        log.info(
            "webhook of a shop that is not installed",
            shop=shop,
            topic=item.topic,
            request_id=item.request_id,
        )
        return Translation(item, encoded, "recorded")
    try:
        facts = translate(item)
    except Exception as error:  # noqa: BLE001 - one merchant's poison; it becomes a dead letter with this reason
        return Translation(item, encoded, "dead", error=error)
    return Translation(item, encoded, "facts" if facts else "unknown", facts)


def _notice_versions(translations: Sequence[Translation], expected: str) -> None:
    """Shopify falls forward to a newer version when ours is retired: say so, once a
    version.
    """
    strange = (
        {translation.item.api_version for translation in translations}
        - _versions_noticed
        - {expected, ""}
    )
    for version in strange:
        _versions_noticed.add(version)
        log.warning("webhooks of another API version", version=version, expected=expected)


async def _write(translations: Sequence[Translation], redis: Redis) -> None:
    with fact_log.noting() as written:
        async with db.transaction() as connection:
            fresh = await _write_on(connection, translations)
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
        request_ids=[translation.item.request_id for translation in fresh],
    )
    now = time.time()
    for translation in fresh:
        _ingest_seconds.observe(max(0.0, now - translation.item.received_ms / 1000))


async def _write_on(connection: Any, translations: Sequence[Translation]) -> list[Translation]:
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
        [item.request_id for item in items],
        [item.received_ms for item in items],
        any(item.received_ms % DAY_MS < REPEATED_WITHIN_MS for item in items),
    )
    new = {(row["shop"], row["webhook_id"]) for row in returned}
    fresh = [
        found for key, found in reversed(unique.items()) if key in new
    ]  # in the order of their lanes
    await fact_log.append(
        connection,
        [_event(translation.item, fact) for translation in fresh for fact in translation.facts],
    )
    for translation in fresh:
        if translation.error is not None:
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


def _event(item: LaneItem, fact: Fact) -> event.Event:
    return event.new(
        fact.topic,
        item.shop,
        item.shop,
        fact.data,
        trace=item.request_id,
        occurred_at=fact.occurred_at or _triggered_at(item),
    )


def _triggered_at(item: LaneItem) -> str:
    received = datetime.fromtimestamp(item.received_ms / 1000, UTC)
    try:
        found = datetime.fromisoformat(item.triggered_at)
    except ValueError:
        return received.isoformat()
    # nobody signed it: at least it is no later than we know of it
    return min(found if found.tzinfo else found.replace(tzinfo=UTC), received).isoformat()


def replayer(translate: Translate) -> dead_letters.Attempt:
    """What `dead_letters.retry_due` does with a webhook that was set aside: translate it again,
    and write its facts.
    """

    async def attempt(connection: Connection, letter: Letter) -> None:
        # only webhooks of known shops are ever set aside
        translation = _translation(letter.shop, bytes(letter.payload), translate, is_known=True)
        told = {one["reason"] for one in msgspec.json.decode(letter.history)}
        if bodies.FOREIGN in told | {letter.reason}:
            raise bodies.ForeignBodyError  # it is no more this shop's than it was
        if translation.error is not None:
            raise translation.error
        await _write_on(connection, [translation])

    return attempt
