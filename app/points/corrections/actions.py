"""Corrections kept for the merchant's page, and what facts that are told again would change."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from app import db
from app.db import Connection
from app.errors import HoldfastError
from app.flow.event import Event
from app.points import facts
from app.points.earning.orders import Corrected, OrderBatch
from app.points.facts import Incoming, News
from app.points.ledger.accounts import Key

ORDERS_AT_ONCE = 500
# whoever earns meanwhile waits for these orders, and for none of them long
LOCK_WAIT = "SET LOCAL lock_timeout = '1s'"
KEEP = """
INSERT INTO corrections (shop, order_id, order_name, customer_id, before, after, reason, made_at)
SELECT shop, order_id, order_name, customer_id, before, after, reason, $1
  FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
              $8::text[])
    AS fresh (shop, order_id, order_name, customer_id, before, after, reason)
"""


@dataclass(slots=True)
class Preview:
    """What facts would change: orders with their points before and after, and facts or orders
    that cannot be used, each with the reason.
    """

    changes: list[Corrected] = field(default_factory=list)
    refused: list[tuple[Key, str]] = field(default_factory=list)


async def keep(connection: Connection, corrected: Sequence[Corrected], now: datetime) -> None:
    """Note what was corrected, in the transaction that corrects it."""
    if corrected:
        columns = map(list, zip(*corrected, strict=True))
        await connection.execute(KEEP, now, *columns)


async def preview(events: Sequence[Event]) -> Preview:
    """What points would make of `events`: decided like any others, in transactions that are rolled
    back. All facts of an order should be among them.
    """
    now = datetime.now(UTC)
    found, incoming = Preview(), Incoming()
    for event in events:
        try:
            facts.read_into(incoming, [event], now)
        except (HoldfastError, msgspec.DecodeError) as error:
            found.refused.append(((event.shop, event.id), str(error)))
    orders = list(incoming.orders.items())
    for start in range(0, len(orders), ORDERS_AT_ONCE):
        await _try(orders[start : start + ORDERS_AT_ONCE], now, found)
    return found


async def _try(orders: Sequence[tuple[Key, News]], now: datetime, found: Preview) -> None:
    """Orders that cannot be decided are found by trying them alone."""
    try:
        found.changes += await _decided(orders, now)
    except HoldfastError as error:
        if len(orders) == 1:
            found.refused.append((orders[0][0], str(error)))
            return
        for one in orders:
            await _try([one], now, found)


async def _decided(orders: Sequence[tuple[Key, News]], now: datetime) -> list[Corrected]:
    batch = OrderBatch(Incoming(orders=dict(orders)), now)
    async with db.connection() as connection:
        trial = connection.transaction()
        await trial.start()
        try:
            await connection.execute(LOCK_WAIT)
            await batch.load(connection)
            batch.decide()
        finally:
            await trial.rollback()
    return batch.corrected
