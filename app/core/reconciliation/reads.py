"""How far what was lost is compared with Shopify: of a shop, for its page, and of all."""

from datetime import datetime
from typing import NamedTuple

from app import db
from app.flow.lanes import losses
from app.flow.lanes.losses import Noted

OF_SHOP = """
SELECT loss_id, looks, found, told, done_at FROM reconciliations
 WHERE shop = $1 AND loss_id = ANY($2::bigint[])
"""
OF_ALL = """
SELECT loss_id, count(*)::int AS shops, count(done_at)::int AS done,
       coalesce(sum(greatest(found, told)), 0)::bigint AS found,
       coalesce(sum(told), 0)::bigint AS told,
       count(*) FILTER (WHERE done_at IS NULL AND error <> '')::int AS failing
  FROM reconciliations WHERE loss_id = ANY($1::bigint[]) GROUP BY loss_id
"""
WAITING = """
SELECT shop, name, error, tries, next_at FROM reconciliations
 WHERE done_at IS NULL AND error <> '' ORDER BY tries DESC, next_at LIMIT $1
"""
# a shop whose merchant must open the app first is late for a reason of its own
ROUNDS = """
WITH waiting AS (
     SELECT told, error, loss_id IS NULL AS is_round,
            extract(epoch FROM now() - since)::float8 AS seconds
       FROM reconciliations
      WHERE done_at IS NULL AND shop IN (SELECT domain FROM shops WHERE status = 'active'))
SELECT count(*) FILTER (WHERE is_round)::int AS shops,
       coalesce(sum(told) FILTER (WHERE is_round), 0)::bigint AS told,
       coalesce(max(seconds) FILTER (WHERE is_round), 0) AS round_seconds,
       coalesce(max(seconds) FILTER (WHERE NOT is_round), 0) AS loss_seconds,
       count(*) FILTER (WHERE error <> '')::int AS failing
  FROM waiting
"""
SHOWN_MAX = 20


class Progress(NamedTuple):
    """A loss, and how far one shop is compared with Shopify about it."""

    noted: Noted
    looks: int
    found: int
    told: int
    is_done: bool


class OfAll(NamedTuple):
    """A loss, and how far all shops are."""

    noted: Noted
    shops: int
    done: int
    found: int
    told: int
    failing: int


class Failing(NamedTuple):
    """A shop that cannot be looked at yet."""

    shop: str
    name: str
    error: str
    tries: int
    next_at: datetime


class Rounds(NamedTuple):
    """Of the shops that can be asked: how many have rounds, what orders the last ones told, the
    seconds since the start of the earliest time not looked at (by a round, after a loss), and how
    many fail for now.
    """

    shops: int
    told: int
    round_seconds: float
    loss_seconds: float
    failing: int


async def progress(shop: str) -> list[Progress]:
    """The losses of the last days and the open ones, newest first, as far as they are this shop's:
    one that is not booked for it yet stands at nothing.
    """
    noted = await losses.shown()
    if not noted:
        return []
    async with db.connection() as connection:
        rows = await connection.fetch(OF_SHOP, shop, [one.id for one in noted])
    known = {row["loss_id"]: row for row in rows}
    return [_progress(one, known.get(one.id)) for one in noted]


def _progress(noted: Noted, row: db.Row | None) -> Progress:
    if row is None:
        return Progress(noted, 0, 0, 0, noted.reconciled_at is not None)
    is_done = row["done_at"] is not None
    return Progress(noted, row["looks"], row["found"], row["told"], is_done)


async def of_all() -> tuple[list[OfAll], list[Failing], Rounds]:
    """For operators: each loss, the shops that cannot be asked, and the rounds."""
    noted = await losses.shown()
    async with db.connection() as connection:
        rows = await connection.fetch(OF_ALL, [one.id for one in noted])
        failing = await connection.fetch(WAITING, SHOWN_MAX)
    known = {row["loss_id"]: row for row in rows}
    found = []
    for one in noted:
        row = known.get(one.id) or dict.fromkeys(OfAll._fields[1:], 0)
        found.append(OfAll(one, *(row[name] for name in OfAll._fields[1:])))
    return found, [Failing(**row) for row in failing], await rounds()


async def rounds() -> Rounds:
    async with db.connection() as connection:
        return Rounds(**await connection.fetchrow(ROUNDS))
