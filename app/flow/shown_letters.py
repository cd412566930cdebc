"""Dead letters for people: a shop's, a page at a time, each payload as readable text."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from app import db
from app.db import Row
from app.flow.lanes.lane import LaneItem
from app.flow.models import DeadLetter

SHOWN_LENGTH_MAX = (
    20_000  # characters of a payload on a page: a webhook may have 5 MB, and a page 20 letters
)
PARSED_BYTES_MAX = 64_000  # of a longer one only so much is read, and shown as it is
ID_LENGTH = 20
OPEN_STATES = ("waiting", "dead")
# Of a payload only as much as is read is asked for: a page of twenty webhooks with 5 MB each kept
# everybody else in this process waiting while they came.
READ_BYTES_MAX = PARSED_BYTES_MAX + 1


def columns(bytes_max: str) -> str:
    """What a letter is shown from, of its payload the first `bytes_max` (a placeholder)."""
    return (
        "id, service, topic, reference, reason, state, attempts, history, created_at, "
        f"next_attempt_at, substring(payload FOR {bytes_max}) AS payload, "
        "length(payload) AS payload_bytes"
    )


LIST = f"""
SELECT {columns("$4")} FROM dead_letters
 WHERE shop = $1 AND state IN ('waiting', 'dead')
 ORDER BY id DESC OFFSET $2 LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class About:
    """Whom a letter is about, as far as its payload says; ids are Shopify's, "" unknown."""

    order_id: str = ""
    order_name: str = ""
    customer_id: str = ""


@dataclass(frozen=True, slots=True)
class ShownLetter:
    """A letter for a page; `payload` is readable text, the beginning of a long one; `history` is
    [{at: datetime, reason}].
    """

    id: int
    service: str
    topic: str
    reference: str
    reason: str
    state: str
    attempts: int
    history: list[dict[str, Any]]
    payload: str
    created_at: datetime
    next_attempt_at: datetime | None
    about: About


@dataclass(frozen=True, slots=True)
class LetterPage:
    """Letters newest first; `pages` is at least 1, `page` counts from 1."""

    letters: list[ShownLetter]
    total: int
    page: int
    pages: int


async def list_for_shop(shop: str, page: int = 1, size: int = 20) -> LetterPage:
    """The waiting and dead letters of `shop`, newest first, a page at a time; a page past the
    end is the last one.
    """
    total = await count_for_shop(shop)
    pages = max(1, -(-total // size))
    page = min(max(1, page), pages)
    async with db.connection() as connection:
        rows = await connection.fetch(LIST, shop, (page - 1) * size, size, READ_BYTES_MAX)
    return LetterPage(await shown(rows), total, page, pages)


async def shown(rows: Sequence[Row]) -> list[ShownLetter]:
    """Letters as people read them, from rows of `columns`."""
    # in a thread: indenting twenty payloads would keep everybody else in this process waiting
    return await asyncio.to_thread(lambda: [_shown(row) for row in rows])


def _shown(row: Row) -> ShownLetter:
    fields = dict(row)
    payload, size = fields.pop("payload"), fields.pop("payload_bytes")
    history = [
        {"at": datetime.fromisoformat(one["at"]), "reason": one["reason"]}
        for one in json.loads(fields.pop("history"))
    ]
    return ShownLetter(
        **fields,
        payload=readable(payload, size),
        history=history,
        about=about(fields["topic"], payload),
    )


def about(topic: str, payload: bytes) -> About:
    """Whom a webhook (`orders/paid`, `refunds/create`, ...) or a fact (`order.paid`) is about."""
    said = _parsed(payload)
    kind = topic.partition("/")[0]
    body = said.get("body") if "/" in topic else said.get("data", said)
    if not isinstance(body, dict):
        return About()
    customer = body.get("customer")
    names = {"orders": "id", "customers": "", "refunds": "order_id"}
    customer_id = customer.get("id") if isinstance(customer, dict) else body.get("customer_id")
    if kind == "customers":
        customer_id = body.get("id") or customer_id
    order = body.get(names.get(kind, "order_id"))
    name = body.get("order_name") or (body.get("name") if kind == "orders" else "")
    order_id = _id(order)
    return About(order_id, str(name or "")[:64] if order_id else "", _id(customer_id))


def _id(value: Any) -> str:
    """Shopify's ids are whole numbers; whatever else stands there goes into no address."""
    written = str(value)
    return written if written.isascii() and written.isdigit() and len(written) <= ID_LENGTH else ""


async def count_for_shop(shop: str) -> int:
    """How many letters of `shop` are waiting or dead."""
    return await DeadLetter.filter(shop=shop, state__in=OPEN_STATES).count()


def readable(payload: bytes, size: int | None = None) -> str:
    """A letter's payload as indented text for people: JSON as it is, a lane item with its body
    unfolded; its beginning, where it is long. `size` is that of the whole, where this is a part.
    """
    text = _readable(payload)
    more = len(text) - SHOWN_LENGTH_MAX + max(0, (size or 0) - len(payload))
    return text if more <= 0 else f"{text[:SHOWN_LENGTH_MAX]}\n… and {more:,} characters more"


def _readable(payload: bytes) -> str:
    if len(payload) > PARSED_BYTES_MAX:
        return payload.decode(errors="replace")
    for decode in DECODERS:
        try:
            return json.dumps(_unfold(decode(payload)), indent=2, ensure_ascii=False)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    return payload.decode(errors="replace")


def _parsed(payload: bytes) -> dict[str, Any]:
    """What a payload says, {} when nobody can tell."""
    if len(payload) > PARSED_BYTES_MAX:
        return {}
    for decode in DECODERS:
        try:
            said = _unfold(decode(payload))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        return said if isinstance(said, dict) else {}
    return {}


def _lane_item(payload: bytes) -> dict[str, Any]:
    """The fields of a webhook by their names, with what it says first, because people look for
    that.
    """
    fields = msgspec.structs.asdict(msgspec.msgpack.decode(payload, type=LaneItem))
    return {"body": _unfold(fields.pop("body")), **fields}


def _unfold(value: Any) -> Any:
    if isinstance(value, list):
        return [_unfold(part) for part in value]
    if isinstance(value, bytes):
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return value.decode(errors="replace")
    return value


DECODERS: tuple[Callable[[bytes], Any], ...] = (
    msgspec.json.decode,
    _lane_item,
    msgspec.msgpack.decode,
)
