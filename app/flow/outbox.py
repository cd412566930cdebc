"""The outbox: facts wait here, written with the change that made them true, until the relay has published them."""

from collections.abc import Sequence
from typing import Any

from app.flow import event as events_
from app.flow.event import Event

INSERT = """
INSERT INTO outbox (event_id, topic, shop, body, created_at)
SELECT event_id, topic, shop, body, now()
  FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) AS fresh (event_id, topic, shop, body)
"""


async def emit(connection: Any, events: Sequence[Event]) -> None:
    """Write `events`, in their order, in the transaction open on `connection` (asyncpg); one statement."""
    if not events:
        return
    await connection.execute(
        INSERT,
        [event.id for event in events],
        [event.topic for event in events],
        [event.shop for event in events],
        [events_.encode(event) for event in events],
    )
