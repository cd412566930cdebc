"""Kept webhooks translated again by today's code: what is told otherwise now, and telling it.

A webhook's row has a digest of what was told of it. Where today's words differ they are told
again, marked as a correction, in the transaction that notes the new digest: so once, however often
this ends in the middle, and a second time there is nothing to tell.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from app.db import Connection
from app.errors import HoldfastError
from app.flow.bus import log as fact_log
from app.flow.bus.interface import PARTS
from app.flow.bus.log import part_of
from app.flow.event import Event
from app.flow.kept import bodies, packing
from app.flow.kept.bodies import Packed
from app.flow.kept.packing import NOTHING_TOLD
from app.flow.lanes import lane, receipts
from app.flow.lanes.lane import LaneItem
from app.flow.lanes.translation import Fact, Translate

ROWS_AT_ONCE = 20  # of at most 100 webhooks
# What a shop says of itself, that it left, and what it asks about personal data are never told
# again: they are about their moment, and Shopify can be asked for what holds today.
TOLD_AGAIN = ("order.", "customer.")

SETTLE_RECEIPTS = """
UPDATE receipts SET outcome = 'facts'
  FROM unnest($1::text[], $2::text[]) AS told (shop, webhook_id)
 WHERE receipts.shop = told.shop AND receipts.webhook_id = told.webhook_id
   AND receipts.outcome <> 'facts'
"""

KnownShops = Callable[[Iterable[str]], Awaitable[set[str]]]
_encode = msgspec.json.Encoder().encode


class ChangedMeanwhileError(HoldfastError):
    """Somebody else changed what was read: nothing is written, and it is to be read again."""

    status, code = 409, "changed_meanwhile"


class Window(NamedTuple):
    """What is to be translated again: webhooks received from `since` until before `until`, of
    `shop` or (empty) of all.

    `why` is told to merchants. With `is_whole` also what is told as before is told again, for a
    fault in what was made of it afterwards.
    """

    since: datetime
    until: datetime
    shop: str
    why: str
    is_whole: bool = False


class Place(NamedTuple):
    """How far a window is done: in this partition, up to and with this row."""

    part: int = 0
    row: int = 0


@dataclass(slots=True)
class Difference:
    """What today's translation says otherwise of a few rows."""

    place: Place  # where to go on after them
    webhooks: int = 0
    different: int = 0
    failed: int = 0  # cannot be translated any more: nothing is told of them
    sealed: int = 0  # rows that no key of ours opens
    events: list[Event] = field(default_factory=list)  # marked as corrections, in order
    rows: list[tuple[Packed, bytes]] = field(default_factory=list)  # that differ: new digests
    newly_told: list[tuple[str, str]] = field(default_factory=list)  # shop and webhook id


async def walk(
    window: Window, place: Place, translate: Translate, known_shops: KnownShops
) -> AsyncIterator[Difference]:
    """The differences from `place` on, a few rows at a time; at the end of a partition one whose
    place is the start of the next.
    """
    first, end = place.part, PARTS
    if window.shop:
        end = part_of(window.shop) + 1
        first = max(first, end - 1)
    for part in range(first, end):
        after = place.row if part == place.part else 0
        while rows := await bodies.window(
            part, after, window.since, window.until, window.shop, ROWS_AT_ONCE
        ):
            after = rows[-1].id
            yield await compare(rows, window, Place(part, after), translate, known_shops)
            if len(rows) < ROWS_AT_ONCE:
                break
        yield Difference(Place(part + 1))


async def compare(
    rows: Sequence[Packed],
    window: Window,
    place: Place,
    translate: Translate,
    known_shops: KnownShops,
) -> Difference:
    """What is said otherwise of the webhooks of `rows` that are in the window."""
    found = Difference(place)
    since, until = (moment.timestamp() * 1000 for moment in (window.since, window.until))
    told: list[tuple[int, int, LaneItem, bytes, list[Fact]]] = []
    for number, row in enumerate(rows):
        found.sealed += not row.items
        for at, (encoded, before) in enumerate(zip(row.items, row.digests(), strict=True)):
            item = lane.decode_item(encoded)
            if not since <= item.received_ms < until or window.shop not in {"", item.shop}:
                continue
            found.webhooks += 1
            try:
                facts = list(translate(item))
            except Exception:  # noqa: BLE001 - counted: what it told before stays
                found.failed += 1
                continue
            digest = packing.digest((fact.topic, _encode(fact.data)) for fact in facts)
            if digest != before or (window.is_whole and facts):
                told.append((number, at, item, digest, facts))
    if told:
        known = await known_shops({item.shop for _, _, item, _, _ in told})
        _tell(found, rows, [one for one in told if one[2].shop in known], window.why)
    return found


def _tell(
    found: Difference,
    rows: Sequence[Packed],
    told: Sequence[tuple[int, int, LaneItem, bytes, list[Fact]]],
    why: str,
) -> None:
    digests: dict[int, list[bytes]] = {}
    for number, at, item, digest, facts in told:
        again = [fact for fact in facts if fact.topic.startswith(TOLD_AGAIN)]
        of_row = digests.setdefault(number, rows[number].digests())
        if of_row[at] == NOTHING_TOLD and again:
            found.newly_told.append((item.shop, item.webhook_id))
        of_row[at] = digest
        found.different += 1
        found.events += [corrected(item, fact, why) for fact in again]
    changed = [(rows[number], b"".join(of_row)) for number, of_row in digests.items()]
    found.rows = [(row, now) for row, now in changed if now != row.told]


class Again(NamedTuple):
    """A fact as it is told again."""

    topic: str
    data: dict[str, Any]
    occurred_at: str | None


def corrected(item: LaneItem, fact: Fact, why: str) -> Event:
    """A fact of a webhook as it is told again: the same, with the reason in its data."""
    again = Again(fact.topic, {**fact.data, "corrected": why}, fact.occurred_at)
    return receipts.event_of(item, again)


async def tell(connection: Connection, found: Difference) -> None:
    """Write what is said otherwise, in the transaction open on `connection`.

    Raises ChangedMeanwhileError.
    """
    changed = await bodies.retell(connection, found.rows)
    if len(changed) < len(found.rows):
        raise ChangedMeanwhileError("A row was changed meanwhile.")
    await fact_log.append(connection, found.events)
    if found.newly_told:
        shops, ids = (list(column) for column in zip(*found.newly_told, strict=True))
        await connection.execute(SETTLE_RECEIPTS, shops, ids)
