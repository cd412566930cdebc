"""The timeline of referrals, and the facts they tell the others."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from app import text
from app.db import Connection
from app.flow import event as envelope
from app.flow.bus import log as fact_log
from app.flow.event import Event
from app.telemetry import traces

WORDS_LENGTH = 500
NOTE = """
INSERT INTO referral_events (shop, referral_id, kind, by, words, at)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[],
                     $6::timestamptz[])
"""


class Happened(NamedTuple):
    """A line of a referral's timeline; `by` is staff, empty for Holdfast."""

    shop: str
    referral_id: int
    kind: str
    words: str
    at: datetime
    by: str = ""


async def note(conn: Connection, happened: Iterable[Happened]) -> None:
    """Write lines of timelines, in their order."""
    rows = [
        (one.shop, one.referral_id, one.kind, one.by, text.clean(one.words, WORDS_LENGTH), one.at)
        for one in happened
    ]
    if rows:
        await conn.execute(NOTE, *(list(column) for column in zip(*rows, strict=True)))


def fact(topic: str, shop: str, data: Any, trace: str) -> Event:
    """A fact of ours, of this moment."""
    return envelope.new(topic, shop, shop, data, trace=traces.onward(trace))


async def tell(conn: Connection, facts: Sequence[Event]) -> None:
    """Write facts in the transaction that makes them true."""
    await fact_log.append(conn, facts)
