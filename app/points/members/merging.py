"""Two customers become one: points, lots and rewards move to the one who is kept, by movements of
both ledgers, and whatever is told of the other one later counts for the kept one.
"""

from datetime import datetime

from app.db import Connection
from app.facts import CustomerMerged
from app.points.earning import memberships
from app.points.earning.campaigns import purse
from app.points.ledger.accounts import BUCKETS, Account
from app.points.ledger.posting import Batch
from app.points.tiers import following
from app.points.ways import merging as ways

POINT_TO = "UPDATE members SET merged_into = $2 WHERE id = $1"
MOVE_LOTS = "UPDATE lots SET member_id = $2 WHERE member_id = $1 AND remaining > 0"
# those that a reward may put points back into
MOVE_HELD_LOTS = """
UPDATE lots SET member_id = $2
 WHERE id IN (SELECT (part->>0)::bigint
                FROM redemptions, jsonb_array_elements(allocations::jsonb) AS part
               WHERE member_id = $1 AND state <> 'released')
"""
# a wish keeps its key, unless the kept customer happens to have used the same one
MOVE_REDEMPTIONS = """
UPDATE redemptions
   SET member_id = $2, customer_id = $3::text,
       idempotency_key = CASE WHEN EXISTS (
           SELECT FROM redemptions AS other
            WHERE other.shop = redemptions.shop AND other.customer_id = $3::text
              AND other.idempotency_key = redemptions.idempotency_key)
           THEN id::text ELSE idempotency_key END
 WHERE member_id = $1
"""


async def merge(
    conn: Connection, shop: str, merged: CustomerMerged, now: datetime
) -> dict[int, Account]:
    """Move everything of `merged.customer_id` to `merged.kept_id`, once; whose balances changed.

    Raises FrozenError while the points of one of them do not add up.
    """
    keys = [(shop, merged.customer_id), (shop, merged.kept_id)]
    batch = Batch(now)
    await batch.lock(conn, keys)
    await batch.make(conn, keys)
    await batch.follow_merged(conn)
    gone, kept = (batch.by_customer[key] for key in keys)
    kept = batch.account(kept.id) or kept
    if gone.merged_into is not None or kept.id == gone.id:
        return {}
    await conn.execute(MOVE_LOTS, gone.id, kept.id)
    await conn.execute(MOVE_HELD_LOTS, gone.id, kept.id)
    await conn.execute(MOVE_REDEMPTIONS, gone.id, kept.id, kept.customer_id)
    await conn.execute(POINT_TO, gone.id, kept.id)
    await memberships.merge(conn, shop, gone.customer_id, kept.customer_id)
    await purse.merge(conn, shop, gone.id, kept.id)
    await batch.load_lots(conn, [kept.id])
    source = f"merge:{merged.customer_id}"
    why = {"customer_id": merged.customer_id, "kept_id": kept.customer_id}
    for bucket in BUCKETS:
        if bucket == "issued" or not (points := gone.points[bucket]):
            continue
        out, into = (bucket, "issued") if points > 0 else ("issued", bucket)
        points = abs(points)
        batch.move(gone, source, f"merge.out.{bucket}", out, into, points, why, now)
        batch.move(kept, source, f"merge.in.{bucket}", into, out, points, why, now)
    available = [lot for lot in batch.lots[kept.id] if not lot.is_pending]
    batch.repay(kept, available, source, kept.available, now)
    await following.merge(conn, batch, gone, kept)
    await ways.merge(conn, batch, gone, kept, now)
    await batch.write(conn)
    return batch.moved
