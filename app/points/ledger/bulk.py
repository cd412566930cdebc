"""One change of points for many customers: asked for once, done in the background a hundred at a
time, each of them once whoever dies when.

Who it is for is written down first and does not change afterwards. How far the change has come is
written in the transaction that makes it.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec
from asyncpg.exceptions import LockNotAvailableError

from app import db, text
from app.db import Connection, Row, Stores
from app.errors import ConflictError, RefusedError
from app.flags import evaluation, known
from app.points.earning import terms
from app.points.ledger import actions, balances, freezing
from app.points.ledger.accounts import FrozenError
from app.points.ledger.keys import checked_key, fingerprint
from app.points.ledger.posting import Batch
from app.points.members import filters
from app.points.members.filters import Wanted
from app.points.views import BulkView
from app.telemetry import logs

CUSTOMERS_MAX = 10_000  # of one change
UNFINISHED_MAX = 3  # of one shop
CHUNK = 5_000  # members looked through at once for whom it is
STEP = 100  # members changed in one transaction
SHOWN = 10
UNFINISHED = """
SELECT id, shop FROM bulk_adjustments WHERE ended_at IS NULL ORDER BY id LIMIT 100
"""
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('bulk/' || $1::text, 0))"
SELECT_EARLIER = """
SELECT points, reason, filters FROM bulk_adjustments WHERE shop = $1 AND key = $2
"""
COUNT_UNFINISHED = """
SELECT count(*) FROM bulk_adjustments WHERE ended_at IS NULL AND shop = $1
"""
INSERT = """
INSERT INTO bulk_adjustments (shop, key, points, reason, filters, asked_by, state, walked_id,
                              member_ids, total, place, done, created_at)
VALUES ($1, $2, $3, $4, $5, $6, 'choosing', 0, '{}', 0, 0, 0, now())
"""
TAKE_CHOOSING = """
SELECT shop, filters, walked_at, walked_id, total, created_at FROM bulk_adjustments
 WHERE id = $1 AND state = 'choosing' FOR UPDATE SKIP LOCKED
"""
CHOSEN = """
UPDATE bulk_adjustments SET member_ids = member_ids || $2::bigint[], total = total + $3,
                            walked_at = $4, walked_id = $5 WHERE id = $1
"""
ALL_CHOSEN = """
UPDATE bulk_adjustments SET state = CASE WHEN total = 0 THEN 'done' ELSE 'changing' END,
                            ended_at = CASE WHEN total = 0 THEN now() END WHERE id = $1
"""
TOO_MANY = """
UPDATE bulk_adjustments SET state = 'too_many', ended_at = now(), member_ids = '{}', total = 0
 WHERE id = $1
"""
TAKE_CHANGING = """
SELECT id, shop, points, reason, asked_by, member_ids[place + 1:place + $2] AS member_ids, place,
       total, done
  FROM bulk_adjustments WHERE id = $1 AND state = 'changing' FOR UPDATE SKIP LOCKED
"""
CHANGED = """
UPDATE bulk_adjustments SET place = $2, done = $3,
       state = CASE WHEN $2::int >= total THEN 'done' ELSE state END,
       ended_at = CASE WHEN $2::int >= total THEN now() END
 WHERE id = $1
"""
SELECT_SHOWN = """
SELECT id::text AS id, points, reason, asked_by, state, total, place, done, created_at, ended_at
  FROM bulk_adjustments WHERE shop = $1 ORDER BY id DESC LIMIT $2
"""
log = logs.logger()


async def ask(shop: str, wanted: Wanted, points: int, reason: str, key: str, by: str) -> None:
    """Note down that all who are `wanted` are to get (or lose, below 0) points; once a key.

    Raises BadInputError, ConflictError (key used otherwise), RefusedError (too many at once).
    """
    reason = actions.checked_reason(reason)
    actions.check_points(points)
    checked_key(key)
    asked = msgspec.json.encode(wanted).decode()
    async with db.transaction() as conn:
        await conn.execute(LOCK, shop)
        earlier = await conn.fetchrow(SELECT_EARLIER, shop, key)
        if earlier is not None:
            if tuple(earlier) != (points, reason, asked):
                raise ConflictError("This change was already saved with other contents.")
            return
        if await conn.fetchval(COUNT_UNFINISHED, shop) >= UNFINISHED_MAX:
            raise RefusedError(
                f"{UNFINISHED_MAX} changes are under way already. Please wait until one is done."
            )
        await conn.execute(INSERT, shop, key, points, reason, asked, text.clean(by, 64))


async def shown(shop: str) -> list[BulkView]:
    """The newest changes for many customers of the shop, the newest first."""
    async with db.connection() as conn:
        return [BulkView(**row) for row in await conn.fetch(SELECT_SHOWN, shop, SHOWN)]


async def go_on(stores: Stores | None = None) -> int:
    """Bring each change that has not ended one step further, but those whose shop is to stand
    still; how many came further. Call it again until it answers 0.
    """
    async with db.connection() as conn:
        found = await conn.fetch(UNFINISHED)
    ids = [row["id"] for row in found if evaluation.is_on(known.MANY_CHANGED, row["shop"])]
    further = 0
    for bulk_id in ids:
        further += await _choose(bulk_id) or await _change(bulk_id, stores)
    return further


async def _choose(bulk_id: int) -> bool:
    """Write down some more of those it is for; whether that was to be done."""
    async with db.transaction() as conn:
        row = await conn.fetchrow(TAKE_CHOOSING, bulk_id)
        if row is None:
            return False
        wanted = msgspec.json.decode(row["filters"], type=Wanted)
        # whoever joins from now on was not meant
        last = min(wanted.joined[1], row["created_at"])
        wanted = msgspec.structs.replace(wanted, joined_before=last)
        place = (row["walked_at"], row["walked_id"])
        found = await filters.chunk(conn, row["shop"], wanted, place, CHUNK)
        if found is None:
            await conn.execute(ALL_CHOSEN, bulk_id)
        elif row["total"] + len(found.member_ids) > CUSTOMERS_MAX:
            await conn.execute(TOO_MANY, bulk_id)
        else:
            ids = found.member_ids
            await conn.execute(CHOSEN, bulk_id, ids, len(ids), found.walked_at, found.walked_id)
    return True


async def _change(bulk_id: int, stores: Stores | None) -> bool:
    """Change the next of them; who is frozen, or has less than is to be taken, is passed over.
    Whether that could be done.
    """
    batch = Batch(datetime.now(UTC))
    try:
        async with freezing.whoever_is_broken(), db.transaction() as conn:
            row = await conn.fetchrow(TAKE_CHANGING, bulk_id, STEP)
            if row is None:
                return False
            done = await _post(conn, batch, row)
            place = row["place"] + len(row["member_ids"])
            await conn.execute(CHANGED, bulk_id, place, row["done"] + done)
    except (FrozenError, LockNotAvailableError) as error:
        # one was just found to be broken, and is passed over the next time; or one is busy
        log.warning("a change for many waits", bulk_id=bulk_id, reason=type(error).__name__)
        return False
    if stores is not None:
        await balances.publish(stores, batch.moved.values(), batch.now)
    return True


async def _post(conn: Connection, batch: Batch, row: Row) -> int:
    """Move the points of these members; how many were moved."""
    points: int = row["points"]
    await batch.lock(conn, ids=row["member_ids"])
    able = [
        account
        for account in batch.accounts.values()
        if not account.is_frozen and account.available + points >= 0
    ]
    if points < 0:
        await batch.load_lots(conn, [account.id for account in able])
    rule = (await terms.of_shops(conn, [row["shop"]]))[row["shop"]]
    for account in able:
        why: dict[str, Any] = {
            "points": points,
            "reason": row["reason"],
            "by": row["asked_by"],
            "bulk": row["id"],
            "request": fingerprint(account.customer_id, str(points), row["reason"]),
        }
        actions.post(batch, account, points, f"adjustment:bulk-{row['id']}-{account.id}", why, rule)
    await batch.write(conn)
    return len(able)
