"""The rows of kept webhooks: written beside their receipts, read by the window they came in."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

from app import db
from app.db import Connection, Row
from app.flow.bus.log import part_of
from app.flow.kept import packing
from app.flow.kept.packing import TOLD_BYTES
from app.flow.lanes.lane import LaneItem
from app.writes import Writes

ROW_WEBHOOKS_MAX = 100
ROW_BYTES_MAX = 512 * 1024  # before they are packed; a larger webhook is alone in its row

ROW = {
    "part": "smallint",
    "first_ms": "bigint",
    "last_ms": "bigint",
    "shops": "text",
    "told": "bytea",
    "body": "bytea",
}
INSERT = """
INSERT INTO webhook_bodies (part, day, first_ms, last_ms, shops, told, body)
SELECT part, {day}, first_ms, last_ms, string_to_array(shops, ','), told, body FROM {fresh}
"""
# Webhooks may be written long after they were received, never before; a day more for clocks.
WINDOW = """
SELECT part, day, id, shops, told, body FROM webhook_bodies
 WHERE part = $1 AND id > $2 AND day >= $3 AND last_ms >= $4 AND first_ms < $5
   AND ($6 = '' OR shops @> ARRAY[$6])
 ORDER BY id LIMIT $7
"""
# what somebody else has changed meanwhile is left to be read again
RETELL = """
UPDATE webhook_bodies AS kept SET told = fresh.told
  FROM unnest($1::smallint[], $2::date[], $3::bigint[], $4::bytea[], $5::bytea[])
    AS fresh (part, day, id, before, told)
 WHERE kept.part = fresh.part AND kept.day = fresh.day AND kept.id = fresh.id
   AND kept.told = fresh.before
RETURNING kept.id
"""
SIZES = """
SELECT day, count(*) AS rows, sum(octet_length(told) / $1)::bigint AS webhooks,
       sum(octet_length(body) + octet_length(told))::bigint AS bytes
  FROM webhook_bodies GROUP BY day ORDER BY day
"""


class Kept(NamedTuple):
    """A webhook to be kept: as it came, as its lane had it, and the digest of what was told."""

    item: LaneItem
    encoded: bytes
    told: bytes


class Packed(NamedTuple):
    """A row: its webhooks, encoded, and the digest of what was told of each."""

    part: int
    day: date
    id: int
    told: bytes
    items: list[bytes]

    def digests(self) -> list[bytes]:
        return [self.told[at : at + TOLD_BYTES] for at in range(0, len(self.told), TOLD_BYTES)]


class Size(NamedTuple):
    day: date
    rows: int
    webhooks: int
    bytes: int


def add(writes: Writes, webhooks: Iterable[Kept]) -> None:
    """Write `webhooks`, a shop's in their order, with `writes`."""
    today = datetime.now(UTC).date()
    if rows := [_row(part, today, piece) for part, piece in _pieces(webhooks)]:
        day, fresh = writes.value(today, "date"), writes.rows("fresh", ROW, rows)
        writes.add(INSERT.format(day=day, fresh=fresh))


async def window(
    part: int, after: int, since: datetime, until: datetime, shop: str, rows_max: int
) -> list[Packed]:
    """The next rows of a partition that hold webhooks received in a window, of `shop` or (empty)
    of all. One that no key of ours opens comes without any.
    """
    async with db.connection() as connection:
        rows = await connection.fetch(
            WINDOW,
            part,
            after,
            since.astimezone(UTC).date(),
            _milliseconds(since),
            _milliseconds(until),
            shop,
            rows_max,
        )
    return [_opened_if_possible(row) for row in rows]


def _opened_if_possible(row: Row) -> Packed:
    try:
        return opened(row)
    except packing.SealedError:
        return Packed(row["part"], row["day"], row["id"], b"", [])


def opened(row: Row) -> Packed:
    """Raises SealedError."""
    part, day = row["part"], row["day"]
    items = packing.unpack(row["body"], part, day)
    return Packed(part, day, row["id"], row["told"], items)


async def retell(connection: Connection, rows: Sequence[tuple[Packed, bytes]]) -> set[int]:
    """Note what is told of the webhooks of `rows` from now on; returns the ids of those that
    nobody else had changed.
    """
    changed = await connection.fetch(
        RETELL,
        [row.part for row, _ in rows],
        [row.day for row, _ in rows],
        [row.id for row, _ in rows],
        [row.told for row, _ in rows],
        [told for _, told in rows],
    )
    return {row["id"] for row in changed}


async def sizes() -> list[Size]:
    """What is kept, by day: rows, webhooks, and bytes of them without indexes."""
    async with db.connection() as connection:
        return [Size(**row) for row in await connection.fetch(SIZES, TOLD_BYTES)]


def _pieces(webhooks: Iterable[Kept]) -> list[tuple[int, list[Kept]]]:
    pieces: dict[int, list[list[Kept]]] = defaultdict(list)
    sizes: dict[int, int] = {}
    for one in webhooks:
        part, size = part_of(one.item.shop), len(one.encoded)
        of_part = pieces[part]
        is_full = not of_part or len(of_part[-1]) >= ROW_WEBHOOKS_MAX
        if is_full or sizes[part] + size > ROW_BYTES_MAX:
            of_part.append([])
            sizes[part] = 0
        of_part[-1].append(one)
        sizes[part] += size
    return [(part, piece) for part, of_part in sorted(pieces.items()) for piece in of_part]


def _row(part: int, day: date, piece: Sequence[Kept]) -> tuple[int, int, int, str, bytes, bytes]:
    received = [one.item.received_ms for one in piece]
    return (
        part,
        min(received),
        max(received),
        ",".join({one.item.shop for one in piece}),
        b"".join(one.told for one in piece),
        packing.pack([one.encoded for one in piece], part, day),
    )


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
