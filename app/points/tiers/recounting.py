"""Everybody placed anew after the tiers were changed: in the background, a few hundred at a time,
each step a transaction that also says how far it has come; whoever dies when, the next one goes on.

First what was counted before is cleared, then every grant is counted, then everybody is placed; for
other thresholds only the last. Meanwhile orders count and place by the new settings already.
"""

from datetime import UTC, datetime

from app import db
from app.db import Connection, Row
from app.points.earning.orders import LOCK_ORDERS
from app.points.ledger import totals
from app.points.ledger.posting import Batch
from app.points.tiers import amounts, following, placing
from app.points.tiers.placing import Cause, Placing
from app.resilience import apart
from app.writes import Writes

CLEARED, COUNTED, PLACED = 5_000, 300, 300  # rows, grants and members of one step
SHOPS_MAX = 100  # in one round
# Who was at work when the tiers were changed is to be over: what they write is seen then, and who
# begins later counts for itself. That is known only after the change: whoever holds a member has a
# transaction's number, and may have got it between the change's and its end. No transaction of ours
# lives for ten minutes.
SINCE = """
UPDATE tier_shops SET since_tx = pg_current_xact_id()::text::bigint
 WHERE stage <> 'done' AND since_tx = 0
"""
UNFINISHED = """
SELECT shop FROM tier_shops
 WHERE stage <> 'done' AND since_tx > 0
   AND (since_tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
        OR asked_at < now() - interval '10 minutes')
 ORDER BY asked_at LIMIT $1
"""
TAKE = """
SELECT shop, stage, place, done, total, asked_at FROM tier_shops
 WHERE shop = $1 AND stage <> 'done' FOR UPDATE SKIP LOCKED
"""
GO_ON = "UPDATE tier_shops SET stage = $2, place = $3, done = $4, total = $5 WHERE shop = $1"
DONE = "UPDATE tier_shops SET stage = 'done', place = '', ended_at = $2, done = $3 WHERE shop = $1"
PUT_OFF = "UPDATE tier_shops SET asked_at = now() WHERE shop = $1"
CLEAR = """
DELETE FROM qualifying
 WHERE ctid = ANY (ARRAY(SELECT ctid FROM qualifying WHERE shop = $1 LIMIT $2))
"""
SELECT_SOURCES = """
SELECT source FROM grants WHERE shop = $1 AND source > $2 ORDER BY source LIMIT $3
"""
SELECT_GRANTS = """
SELECT shop, kind, source, name, member_id, outcome, points, reversed_points, revision, frozen,
       known, bonuses, created_at
  FROM grants WHERE shop = $1 AND source = ANY($2::text[]) AND member_id IS NOT NULL
"""
SELECT_MEMBERS = """
SELECT id, customer_id FROM members
 WHERE shop = $1 AND customer_id > $2 ORDER BY customer_id LIMIT $3
"""
SELECT_SINCE = "SELECT max(created_at) FROM tier_versions WHERE shop = $1"


async def go_on() -> int:
    """Bring each shop whose members are being placed anew one step further; how many came further.
    Call it again until it answers 0.
    """
    async with db.connection() as conn:
        await conn.execute(SINCE)
        shops = [row["shop"] for row in await conn.fetch(UNFINISHED, SHOPS_MAX)]
    return await apart.each("tiers", shops, _step, _put_off)


async def _put_off(shop: str) -> None:
    """Behind all the others."""
    async with db.connection() as conn:
        await conn.execute(PUT_OFF, shop)


async def _step(shop: str) -> bool:
    async with db.transaction() as conn:
        row = await conn.fetchrow(TAKE, shop)
        if row is None:
            return False
        if row["stage"] == "clearing":
            await _clear(conn, row)
        elif row["stage"] == "counting":
            await _count(conn, row)
        else:
            await _place(conn, row)
    return True


async def _clear(conn: Connection, row: Row) -> None:
    if await conn.execute(CLEAR, row["shop"], CLEARED) == "DELETE 0":
        await conn.execute(GO_ON, row["shop"], "counting", "", 0, 0)


async def _count(conn: Connection, row: Row) -> None:
    """Count the next grants, whose orders nobody else can change meanwhile."""
    shop = row["shop"]
    found = await conn.fetch(SELECT_SOURCES, shop, row["place"], COUNTED)
    sources = [one["source"] for one in found]
    if not sources:
        await conn.execute(GO_ON, shop, "placing", "", 0, 0)
        return
    await conn.fetch(LOCK_ORDERS, [f"{shop}/{one.partition(':')[2]}" for one in sources])
    rows = await conn.fetch(SELECT_GRANTS, shop, sources)
    batch = Batch(datetime.now(UTC))
    await batch.lock(conn, ids={one["member_id"] for one in rows})
    await batch.follow_merged(conn)
    entries = []
    for one in rows:
        account = batch.account(one["member_id"])
        entry = following.of_row(one, account.id) if account else None
        if entry is not None:
            entries.append(entry)
    writes = Writes()
    following.keep(writes, entries)
    await writes.send(conn)
    done = row["done"] + len(sources)
    await conn.execute(GO_ON, shop, "counting", sources[-1], done, row["total"])


async def _place(conn: Connection, row: Row) -> None:
    """Place the next members; whose points are on hold is placed after that."""
    shop = row["shop"]
    total = row["total"] or (await totals.of_shop(conn, shop))[0]
    now = datetime.now(UTC)
    found = await conn.fetch(SELECT_MEMBERS, shop, row["place"], PLACED)
    if not found:
        await conn.execute(DONE, shop, now, row["done"])
        return
    batch, placed = Batch(now), Placing(now)
    await batch.lock(conn, ids=[one["id"] for one in found])
    members = [(one.shop, one.id) for one in batch.accounts.values() if one.merged_into is None]
    since = await conn.fetchval(SELECT_SINCE, shop)
    for case in await amounts.load(conn, members, now):
        if batch.accounts[case.member_id].is_frozen:
            placed.wait(case)
        else:
            placed.place(case, Cause("settings"), since)
    placing.tell(batch, placed.moved)
    batch.besides.append(placed.gather)
    await batch.write(conn)
    done = row["done"] + len(found)
    await conn.execute(GO_ON, shop, "placing", found[-1]["customer_id"], done, total)
