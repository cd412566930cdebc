"""Walks receipts and the log side by side: which webhook has no fact, and what was handed on.

Partition by partition, in short reads that lock nothing; in memory at once are a batch of facts,
and the webhooks of one partition that have not met their fact yet.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from app import db
from app.flow import event as envelope
from app.flow.bus.interface import PARTS
from app.flow.bus.log import part_of
from app.flow.event import BadEventError, Event
from app.telemetry import carriers

ENTRIES_AT_ONCE = 50  # of at most 512 kB each, nearly always much less
RECEIPTS_AT_ONCE = 5_000
FIRST_DAY = date(2000, 1, 1)

# What was received before the log began became facts of an earlier release, which are gone.
BEGINS = """
SELECT to_timestamp(min(first.signed_at)) AS begins
  FROM generate_series(0, $1 - 1) AS part CROSS JOIN LATERAL (
       SELECT signed_at FROM facts WHERE facts.part = part.part
        ORDER BY facts.tx, facts.id LIMIT 1) AS first
"""
# skips from shop to shop through the key, one step each
SHOPS = """
WITH RECURSIVE found AS (
     (SELECT shop FROM receipts WHERE day >= $1 ORDER BY shop LIMIT 1)
     UNION ALL
     SELECT (SELECT shop FROM receipts WHERE day >= $1 AND shop > found.shop
              ORDER BY shop LIMIT 1)
       FROM found WHERE found.shop IS NOT NULL)
SELECT shop FROM found WHERE shop IS NOT NULL
"""
RECEIPTS = """
SELECT webhook_id, day, request_id,
       topic = $3 AND outcome = 'facts' AND recorded_at >= $4 AS is_owed FROM receipts
 WHERE shop = $1 AND day >= $2 AND (webhook_id, day) > ($5, $6)
 ORDER BY webhook_id, day LIMIT $7
"""
# a webhook may be received by a clock that is already in the next day
FACTS = """
SELECT facts.tx, facts.id, facts.body,
       COALESCE((facts.tx, facts.id) <= (place.tx, place.id), FALSE) AS is_read
  FROM facts LEFT JOIN places AS place ON place.service = $3 AND place.part = facts.part
 WHERE facts.part = $1 AND facts.day >= $2::date - 1 AND facts.topics && $4::text[]
   AND (facts.tx, facts.id) > ($5, $6)
 ORDER BY facts.tx, facts.id LIMIT $7
"""
# one that is done has had its effect: what is missing in spite of that has no reason
STATED = """
SELECT asked.number
  FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS asked (shop, reference, number)
  JOIN dead_letters AS letter ON letter.service = $1 AND letter.shop = asked.shop
   AND letter.reference = asked.reference
 WHERE letter.state <> 'done' AND letter.reason <> ''
"""


@dataclass(frozen=True, slots=True)
class Question:
    """Whether webhooks of one topic became facts, and whether `service` read those of `topic`.

    What a body says may give a fact of another topic than its webhook's: `others` are those.

    Of the days from `since` on, which the log must still have; of all shops or of one.
    """

    webhook_topic: str
    topic: str
    service: str
    since: date
    shop: str | None = None
    others: tuple[str, ...] = ()


@dataclass(slots=True)
class Batch:
    """Facts of a partition: those that the service has read, and how many it has not.

    `without_fact` are webhooks, as (shop, request id), which the last batch of a partition tells;
    `unreadable` are entries of the log that are no facts and were not set aside.
    """

    part: int
    read: list[Event] = field(default_factory=list)
    waiting: int = 0
    receipts: int = 0
    without_fact: list[tuple[str, str]] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


async def walk(question: Question, first_part: int = 0) -> AsyncIterator[Batch]:
    """The facts asked for, in batches; a receipt's fact is known by the request id in its trace."""
    async with db.connection() as connection:
        begins = await connection.fetchval(BEGINS, PARTS)
        if begins is None:
            return  # an empty log says nothing of any webhook
        rows = [] if question.shop else await connection.fetch(SHOPS, question.since)
    shops: dict[int, list[str]] = defaultdict(list)
    for shop in [question.shop] if question.shop else [row["shop"] for row in rows]:
        shops[part_of(shop)].append(shop)
    for part in [part_of(question.shop)] if question.shop else range(first_part, PARTS):
        # receipts first: the fact of each was written with it, so it is in what is read then
        owed: dict[str, str] = {}
        for shop in shops[part]:
            owed.update(await _owed(question, shop, begins))
        end = Batch(part, receipts=len(owed))
        async for batch, traces in _batches(question, part):
            for trace in traces:
                owed.pop(trace, None)
            yield batch
        end.without_fact = [(shop, trace) for trace, shop in owed.items()]
        yield end


async def without_reason(service: str, events: Sequence[Event]) -> list[Event]:
    """Those of `events` that no dead letter of `service` gives a reason for."""
    stated = await _stated(service, [(event.shop, event.id) for event in events])
    return [event for number, event in enumerate(events, 1) if number not in stated]


async def _stated(service: str, references: Sequence[tuple[str, str]]) -> set[int]:
    """Which of the references (shop, reference) have an open letter, counted from 1."""
    if not references:
        return set()
    async with db.connection() as connection:
        columns = map(list, zip(*references, strict=True))
        return {row["number"] for row in await connection.fetch(STATED, service, *columns)}


async def _owed(question: Question, shop: str, begins: datetime) -> dict[str, str]:
    """Request ids of the shop's webhooks that became facts, with the shop."""
    owed: dict[str, str] = {}
    after = ("", FIRST_DAY)
    while True:
        async with db.connection() as connection:
            rows = await connection.fetch(
                RECEIPTS,
                shop,
                question.since,
                question.webhook_topic,
                begins,
                *after,
                RECEIPTS_AT_ONCE,
            )
        owed.update((row["request_id"], shop) for row in rows if row["is_owed"])
        if len(rows) < RECEIPTS_AT_ONCE:
            return owed
        after = (rows[-1]["webhook_id"], rows[-1]["day"])


async def _batches(question: Question, part: int) -> AsyncIterator[tuple[Batch, list[str]]]:
    """Batches of a partition, each with the traces of all its facts."""
    after = (0, 0)
    while True:
        async with db.connection() as connection:
            rows = await connection.fetch(
                FACTS,
                part,
                question.since,
                question.service,
                [question.topic, *question.others],
                *after,
                ENTRIES_AT_ONCE,
            )
        if not rows:
            return
        after = (rows[-1]["tx"], rows[-1]["id"])
        batch, traces, unreadable = Batch(part), [], []
        for row in rows:
            try:
                events = envelope.unpack(row["body"])
            except BadEventError:
                if row["is_read"]:
                    unreadable.append(("", f"{part}@{row['tx']}.{row['id']}"))
                continue
            for event in events:
                if question.shop not in {None, event.shop}:
                    continue
                traces.append(carriers.request_id_of(event.trace))
                if event.topic == question.topic:
                    if row["is_read"]:
                        batch.read.append(event)
                    else:
                        batch.waiting += 1
        stated = await _stated(question.service, unreadable)
        batch.unreadable = [
            reference for at, (_, reference) in enumerate(unreadable, 1) if at not in stated
        ]
        yield batch, traces
