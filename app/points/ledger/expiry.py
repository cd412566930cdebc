"""What time does to points: hold-backs end and lots expire, in bounded batches that never wait
for a busy member, and that one bad member does not hold up.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from app import db
from app.db import Connection, Stores
from app.points import facts
from app.points.ledger import balances, freezing, lots
from app.points.ledger.accounts import Account, BrokenAccountError
from app.points.ledger.lots import Lot
from app.points.ledger.posting import Batch
from app.resilience import failures
from app.telemetry import logs

MEMBERS_MAX = 500  # of one transaction
LOTS_MAX = 5_000  # of one transaction, however many a member has
# two indexes, one a kind: what is due of the other kind is not looked through
DUE = {True: "is_pending AND due_at <= $1", False: "NOT is_pending AND due_at <= $1"}
SELECT_MEMBERS = {
    is_pending: f"SELECT member_id FROM lots WHERE {due} ORDER BY due_at LIMIT $2"
    for is_pending, due in DUE.items()
}
SELECT_LOTS = {
    is_pending: (
        f"SELECT {lots.COLUMNS} FROM lots WHERE {due} AND member_id = ANY($2::bigint[]) "
        "AND remaining > 0 ORDER BY id LIMIT $3"
    )
    for is_pending, due in DUE.items()
}
SELECT_NAMES = """
SELECT found.source, found.shop, found.name
  FROM unnest($1::text[], $2::text[]) AS wanted (shop, source)
  JOIN grants AS found ON found.shop = wanted.shop AND found.source = wanted.source
"""
# what is gone by time is not asked back later; whoever asks back has the member's lock, too
LAPSE = """
UPDATE grants SET lapsed = grants.lapsed + gone.points
  FROM (SELECT shop, source, sum(points)::bigint AS points
          FROM unnest($1::text[], $2::text[], $3::bigint[]) AS part (shop, source, points)
         GROUP BY shop, source) AS gone
 WHERE grants.shop = gone.shop AND grants.source = gone.source
RETURNING grants.source, grants.shop, grants.name
"""
OF_GRANTS = ("order:", "way:", "referral:")  # lots whose grant says what expired of it
log = logs.logger()


async def end_hold_backs(
    now: datetime, stores: Stores | None = None, limit: int = MEMBERS_MAX
) -> int:
    """Make the points available whose hold-back has ended by `now`; how many lots, of at most
    `limit` members.

    Call until it answers 0; what a busy member holds is left for the next time. A member whose
    points do not add up is frozen, and the others go on.
    """
    return await _run(now, stores, limit, is_pending=True)


async def expire_due(now: datetime, stores: Stores | None = None, limit: int = MEMBERS_MAX) -> int:
    """Expire what remains of lots whose expiry has come by `now` (half-open: at that instant
    they are gone). Otherwise as `end_hold_backs`.
    """
    return await _run(now, stores, limit, is_pending=False)


async def _run(now: datetime, stores: Stores | None, limit: int, *, is_pending: bool) -> int:
    async with db.connection() as conn:
        rows = await conn.fetch(SELECT_MEMBERS[is_pending], now, limit)
    due = sorted({row["member_id"] for row in rows})
    return await _change(now, stores, due, is_pending=is_pending) if due else 0


async def _change(
    now: datetime, stores: Stores | None, member_ids: Sequence[int], *, is_pending: bool
) -> int:
    """Change what is due of these members; a batch that fails is halved until the bad member is
    alone.
    """
    try:
        batch, count = await _post(now, member_ids, is_pending=is_pending)
    except Exception as error:
        if failures.is_passing(error) or isinstance(error, asyncpg.QueryCanceledError):
            raise  # a store's trouble
        if len(member_ids) == 1:
            await _set_aside(member_ids[0], error)
            return 0
        middle = len(member_ids) // 2
        first = await _change(now, stores, member_ids[:middle], is_pending=is_pending)
        return first + await _change(now, stores, member_ids[middle:], is_pending=is_pending)
    if stores is not None:
        await balances.publish(stores, batch.moved.values(), now)
    return count


async def _set_aside(member_id: int, error: Exception) -> None:
    """Freeze a member whose data is at fault. What may be our own mistake is only told: it might
    freeze everybody.
    """
    if isinstance(error, BrokenAccountError):
        await freezing.freeze(member_id, error.message)
    elif isinstance(error, asyncpg.IntegrityConstraintViolationError | asyncpg.DataError):
        await freezing.freeze(member_id, failures.reason(error))
    else:
        log.error("what is due of a member was left", member_id=member_id, exc_info=error)


async def _post(now: datetime, member_ids: Sequence[int], *, is_pending: bool) -> tuple[Batch, int]:
    batch = Batch(now)
    async with db.transaction() as conn:
        await batch.lock_free(conn, member_ids)
        rows = await conn.fetch(SELECT_LOTS[is_pending], now, list(batch.accounts), LOTS_MAX)
        due = [lots.from_row(row) for row in rows]
        names = await _order_names(conn, due, is_pending=is_pending)
        for lot in due:
            batch.add(lot)
            change = _end_hold_back if is_pending else _expire
            name = names.get((lot.shop, lots.grant_of(lot)), "")
            change(batch, batch.accounts[lot.member_id], lot, name)
        await batch.write(conn)
    return batch, len(due)


def _end_hold_back(batch: Batch, account: Account, lot: Lot, order_name: str) -> None:
    lot.is_pending = False
    lot.changed = True
    why = {"lot": lot.source, "order_name": order_name}
    points, at = lot.remaining, lot.available_at
    batch.move(account, lot.source, "release", "pending", "available", points, why, at)
    batch.repay(account, [lot], lot.source, points, at)


def _expire(batch: Batch, account: Account, lot: Lot, order_name: str) -> None:
    assert lot.expires_at is not None
    points = lot.remaining
    lot.take(points)
    lot.lapses += 1
    # a cancelled spend may have put points back into a lot that had expired: that is another expiry
    source = f"lot:{lot.id}" if lot.lapses == 1 else f"lot:{lot.id}:{lot.lapses}"
    why = {"lot": lot.source, "order_name": order_name, "expires_at": lot.expires_at.isoformat()}
    batch.move(account, source, "expire", "available", "expired", points, why, lot.expires_at)
    batch.facts.append(facts.made("points.expired", account, source, points, "", lot=lot.source))


async def _order_names(
    conn: Connection, due: Sequence[Lot], *, is_pending: bool
) -> dict[tuple[str, str], str]:
    """The names of what `due` are from, by shop and grant; what expires is noted there."""
    orders = [lot for lot in due if lot.source.startswith(OF_GRANTS)]
    if not orders:
        return {}
    keys = [lot.shop for lot in orders], [lots.grant_of(lot) for lot in orders]
    if is_pending:
        found = await conn.fetch(SELECT_NAMES, *keys)
    else:
        found = await conn.fetch(LAPSE, *keys, [lot.remaining for lot in orders])
    return {(row["shop"], row["source"]): row["name"] for row in found}
