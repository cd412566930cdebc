"""Dead letters for people: a shop's, a page at a time, each payload as readable text."""

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from app import db
from app.flow.lanes.lane import LaneItem
from app.flow.models import DeadLetter

SHOWN_LENGTH_MAX = (
    20_000  # characters of a payload on a page: a webhook may have 5 MB, and a page 20 letters
)
PARSED_BYTES_MAX = 64_000  # of a longer one only so much is read, and shown as it is
OPEN_STATES = ("waiting", "dead")
# Of a payload only as much as is read is asked for: a page of twenty webhooks with 5 MB each kept
# everybody else in this process waiting while they came.
LIST = """
SELECT id, service, topic, reference, reason, state, attempts, history, created_at, next_attempt_at,
       substring(payload FOR $4) AS payload, length(payload) AS payload_bytes
  FROM dead_letters
 WHERE shop = $1 AND state IN ('waiting', 'dead')
 ORDER BY id DESC OFFSET $2 LIMIT $3
"""


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
        rows = await connection.fetch(LIST, shop, (page - 1) * size, size, PARSED_BYTES_MAX + 1)
    # in a thread: indenting twenty payloads would keep everybody else in this process waiting
    letters = await asyncio.to_thread(lambda: [_shown(row) for row in rows])
    return LetterPage(letters, total, page, pages)


def _shown(row: Any) -> ShownLetter:
    fields = dict(row)
    payload, size = fields.pop("payload"), fields.pop("payload_bytes")
    history = [
        {"at": datetime.fromisoformat(one["at"]), "reason": one["reason"]}
        for one in json.loads(fields.pop("history"))
    ]
    return ShownLetter(**fields, payload=readable(payload, size), history=history)


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
    for decode in (msgspec.json.decode, _lane_item, msgspec.msgpack.decode):
        try:
            return json.dumps(_unfold(decode(payload)), indent=2, ensure_ascii=False)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    return payload.decode(errors="replace")


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
