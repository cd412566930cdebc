"""Kept webhooks that must not be kept any longer: a redacted shop's all, a customer's those that
name them.

Noted in the transaction that takes the request in, done soon afterwards, row by row. A customer's
webhooks are found by their number and those of their orders, wherever in a body they stand: rather
one too many than one too few, for what is missing can only not be translated again.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from app import db
from app.db import Connection, Row
from app.flow.bus.log import part_of
from app.flow.kept import bodies, packing
from app.flow.kept.bodies import Packed
from app.flow.kept.packing import TOLD_BYTES
from app.flow.lanes import lane
from app.flow.lanes.lane import LaneItem
from app.telemetry import logs

EVERY_SECONDS = 60.0
ROWS_AT_ONCE = 20
NUMBERS_MAX = 1_000  # of one request; Shopify says one customer and their orders
# what Shopify asks about personal data is kept as a request of its own, never here
NEVER_KEPT = frozenset({"customers/data_request", "customers/redact", "shop/redact"})

log = logs.logger()

ASK = "INSERT INTO body_redactions (shop, numbers) VALUES ($1, $2)"
OLDEST = "SELECT id, shop, numbers, after_id, asked_at FROM body_redactions ORDER BY id LIMIT 1"
ROWS = """
SELECT part, day, id, shops, told, body FROM webhook_bodies
 WHERE part = $1 AND id > $2 AND shops @> ARRAY[$3::text] AND day <= $4::timestamptz::date + 1
 ORDER BY id LIMIT $5 FOR UPDATE
"""
REWRITE = """
UPDATE webhook_bodies SET told = $4, body = $5, shops = string_to_array($6, ',')
 WHERE part = $1 AND day = $2 AND id = $3
"""
DELETE = "DELETE FROM webhook_bodies WHERE part = $1 AND day = $2 AND id = $3"
GO_ON = "UPDATE body_redactions SET after_id = $2 WHERE id = $1"
DONE = "DELETE FROM body_redactions WHERE id = $1"


class Payload(msgspec.Struct):
    """What a redaction names; of other shapes nothing is needed."""

    customer: dict[str, Any] = {}
    orders_to_redact: list[int | str] = []


class Asked(NamedTuple):
    """A redaction: of a customer and their orders by number, of the whole shop without any."""

    shop: str
    numbers: list[str]


async def ask(connection: Connection, items: Iterable[LaneItem]) -> None:
    """Note the redactions among webhooks, in the transaction open on `connection`."""
    for item in items:
        if item.topic == "shop/redact":
            await connection.execute(ASK, item.shop, [])
        elif item.topic == "customers/redact" and (numbers := _numbers(item.body)):
            await connection.execute(ASK, item.shop, numbers)


async def work() -> int:
    """Do all redactions that are asked; how many rows were changed. A crash repeats a few."""
    changed = 0
    while True:
        done = await step()
        if done is None:
            return changed
        changed += done


async def step() -> int | None:
    """A few rows of the oldest redaction in one transaction; None when nothing is asked."""
    async with db.transaction() as connection:
        asked = await connection.fetchrow(f"{OLDEST} FOR UPDATE")
        if asked is None:
            return None
        rows = await connection.fetch(
            ROWS,
            part_of(asked["shop"]),
            asked["after_id"],
            asked["shop"],
            asked["asked_at"],
            ROWS_AT_ONCE,
        )
        for row in rows:
            await _redact(connection, row, Asked(asked["shop"], asked["numbers"]))
        if len(rows) < ROWS_AT_ONCE:
            await connection.execute(DONE, asked["id"])
            log.info("kept webhooks redacted", shop=asked["shop"])
        else:
            await connection.execute(GO_ON, asked["id"], rows[-1]["id"])
    return len(rows)


async def _redact(connection: Connection, row: Row, asked: Asked) -> None:
    try:
        packed = bodies.opened(row)
    except packing.SealedError:  # nobody can read it any more: it need not be kept
        await connection.execute(DELETE, row["part"], row["day"], row["id"])
        return
    named = _named(asked.numbers)
    stays = [
        at
        for at, encoded in enumerate(packed.items)
        if not _is_redacted(lane.decode_item(encoded), asked.shop, named)
    ]
    key = packed.part, packed.day, packed.id
    if not stays:
        await connection.execute(DELETE, *key)
    elif len(stays) < len(packed.items):
        await connection.execute(REWRITE, *key, *_without(packed, stays))


def _without(packed: Packed, stays: Sequence[int]) -> tuple[bytes, bytes, str]:
    items = [packed.items[at] for at in stays]
    told = b"".join(packed.told[at * TOLD_BYTES : (at + 1) * TOLD_BYTES] for at in stays)
    shops = {lane.decode_item(one).shop for one in items}
    return told, packing.pack(items, packed.part, packed.day), ",".join(shops)


def _is_redacted(item: LaneItem, shop: str, named: re.Pattern[bytes] | None) -> bool:
    return item.shop == shop and (named is None or named.search(item.body) is not None)


def _named(numbers: Sequence[str]) -> re.Pattern[bytes] | None:
    """A pattern of whole numbers; None for none, which is everything."""
    if not numbers:
        return None
    either = "|".join(map(re.escape, numbers)).encode()
    return re.compile(rb"(?<![0-9])(?:" + either + rb")(?![0-9])")


def _numbers(body: bytes) -> list[str]:
    try:
        payload = msgspec.json.decode(body, type=Payload)
    except msgspec.DecodeError:  # a dead letter already, with its reason
        return []
    found = [payload.customer.get("id"), *payload.orders_to_redact]
    return [str(one) for one in found if one][:NUMBERS_MAX]
