"""What time does to points: hold-backs end and lots expire, in bounded batches that never wait
for a busy member.
"""

from datetime import datetime
from typing import Any

from app import db
from app.db import Stores
from app.flow.bus import log as fact_log
from app.points import facts
from app.points.earning import grants
from app.points.earning.grants import Decisions
from app.points.ledger import balances, lots
from app.points.ledger import posting as ledger
from app.points.ledger.lots import Lot
from app.points.ledger.posting import Member

BATCH = 500
SELECT_DUE = """
SELECT member_id FROM lots WHERE due_at <= $1 AND is_pending = $2 ORDER BY due_at LIMIT $3
"""
# SKIP LOCKED on the members: somebody busy with a purchase is taken by the next run
SELECT_LOTS = f"{lots.SELECT} AND due_at <= $2 AND is_pending = $3 ORDER BY id"
SELECT_ORDER_NAMES = """
SELECT 'order:' || award.order_id AS source, award.shop, award.order_name
  FROM unnest($1::text[], $2::text[]) AS wanted (shop, order_id)
  JOIN awards AS award ON award.shop = wanted.shop AND award.order_id = wanted.order_id
"""


async def release_due(now: datetime, stores: Stores | None = None, limit: int = BATCH) -> int:
    """Make the points available whose hold-back has ended by `now`; how many lots, at most `limit`.

    Call until it answers 0; what a busy member holds is left for the next time.
    """
    return await _run(now, stores, limit, is_pending=True)


async def expire_due(now: datetime, stores: Stores | None = None, limit: int = BATCH) -> int:
    """Expire what remains of lots whose expiry has come by `now` (half-open: at that instant
    they are gone).
    """
    return await _run(now, stores, limit, is_pending=False)


async def _run(now: datetime, stores: Stores | None, limit: int, *, is_pending: bool) -> int:
    async with db.transaction() as conn:
        due = {row["member_id"] for row in await conn.fetch(SELECT_DUE, now, is_pending, limit)}
        if not due:
            return 0
        members = await ledger.lock_free(conn, due)
        rows = await conn.fetch(SELECT_LOTS, list(members), now, is_pending)
        decisions = Decisions(now)
        names = await _order_names(conn, rows)
        for row in rows:
            lot = lots.from_row(row)
            decisions.lots.setdefault(lot.member_id, []).append(lot)
            change = _release if is_pending else _expire
            change(decisions, members[lot.member_id], lot, names.get((lot.shop, lot.source), ""))
        await lots.write(conn, (lot for of_member in decisions.lots.values() for lot in of_member))
        await decisions.posting.write(conn)
        await fact_log.append(conn, decisions.facts)
    if stores is not None:
        await balances.publish(stores, decisions.posting.members.values(), now)
    return len(rows)


def _release(decisions: Decisions, member: Member, lot: Lot, order_name: str) -> None:
    lot.is_pending = False
    lot.changed = True
    why = {"lot": lot.source, "order_name": order_name}
    points = lot.remaining
    decisions.posting.move(
        member, lot.source, "release", "pending", "available", points, why, lot.available_at
    )
    grants.repay(decisions.posting, member, [lot], lot.source, points, lot.available_at)


def _expire(decisions: Decisions, member: Member, lot: Lot, order_name: str) -> None:
    assert lot.expires_at is not None
    points = lot.remaining
    lot.take(points)
    lot.lapses += 1
    # a cancelled spend may have put points back into a lot that had expired: that is another expiry
    source = f"lot:{lot.id}" if lot.lapses == 1 else f"lot:{lot.id}:{lot.lapses}"
    why = {"lot": lot.source, "order_name": order_name, "expires_at": lot.expires_at.isoformat()}
    decisions.posting.move(
        member, source, "expire", "available", "expired", points, why, lot.expires_at
    )
    decisions.facts.append(facts.made("points.expired", member, source, points, "", lot=lot.source))


async def _order_names(conn: Any, rows: list[Any]) -> dict[tuple[str, str], str]:
    orders = [
        (row["shop"], row["source"][6:]) for row in rows if row["source"].startswith("order:")
    ]
    if not orders:
        return {}
    found = await conn.fetch(
        SELECT_ORDER_NAMES, [shop for shop, _ in orders], [order for _, order in orders]
    )
    return {(row["shop"], row["source"]): row["order_name"] for row in found}
