"""Two customers become one: what ways gave to both goes to the one who is kept, and what is for
once is there once.
"""

from datetime import datetime
from typing import Any

from app.db import Connection, Row
from app.points import steps, welcome
from app.points.earning import terms
from app.points.ledger.accounts import Account
from app.points.ledger.posting import Batch
from app.points.ways import awards
from app.points.ways.awards import Taking

SELECT_BOTH = """
SELECT shop, source, kind, name, member_id, frozen, known, points, reversed_points, forgiven, unmet,
       lapsed, revision
  FROM grants WHERE member_id = ANY($1::bigint[]) AND kind <> 'order' AND source LIKE 'way:%'
 ORDER BY source
"""
MOVE = "UPDATE grants SET member_id = $2 WHERE member_id = $1 AND kind <> 'order'"
# the kept one's own day stays; what was given in this year counts for both
MOVE_BIRTHDAY = """
UPDATE birthdays SET customer_id = $3
 WHERE shop = $1 AND customer_id = $2
   AND NOT EXISTS (SELECT FROM birthdays AS own WHERE own.shop = $1 AND own.customer_id = $3)
"""
JOIN_BIRTHDAY = """
UPDATE birthdays SET given_on = greatest(birthdays.given_on, gone.given_on)
  FROM birthdays AS gone
 WHERE gone.shop = $1 AND gone.customer_id = $2 AND birthdays.shop = $1
   AND birthdays.customer_id = $3
"""
FORGET_BIRTHDAY = "DELETE FROM birthdays WHERE shop = $1 AND customer_id = $2"
MOVE_STEPS = "UPDATE saga_steps SET customer_id = $3 WHERE shop = $1 AND customer_id = $2"


async def merge(
    conn: Connection, batch: Batch, gone: Account, kept: Account, now: datetime
) -> None:
    """Join what ways gave to two locked members whose points are together already, before the batch
    is written: what both had of a way that gives once is taken back of the one who is gone.
    """
    people = (gone.shop, gone.customer_id, kept.customer_id)
    for statement in (MOVE_BIRTHDAY, JOIN_BIRTHDAY):
        await conn.execute(statement, *people)
    await conn.execute(FORGET_BIRTHDAY, *people[:2])
    await conn.execute(MOVE_STEPS, *people)
    rows = await conn.fetch(SELECT_BOTH, [gone.id, kept.id])
    if not any(row["member_id"] == gone.id for row in rows):
        return
    has = {awards.unnamed(row["source"]) for row in rows if row["member_id"] == kept.id}
    twice = [row for row in rows if row["member_id"] == gone.id and _is_twice(row, has)]
    await conn.execute(MOVE, gone.id, kept.id)
    if not twice:
        return
    policy = (await terms.of_shops(conn, [kept.shop]))[kept.shop].clawback
    reason = f"Customer {gone.customer_id} was merged with this one, who had these points already."
    why: dict[str, Any] = {"reason": reason}
    for row in twice:
        how = Taking(f"{row['source']}:back", {**why, "way": row["kind"]}, now, policy)
        await awards.take_back(conn, batch, kept, row, how)
        if row["kind"] == "account":
            await steps.note(conn, [welcome.undone(gone.shop, gone.customer_id, reason, now)])


def _is_twice(row: Row, has: set[str]) -> bool:
    """Whether both had it of a way that gives once, or once a year."""
    is_for_once = row["kind"] != "action" or row["source"].count(":") == ONCE_PARTS
    return is_for_once and awards.unnamed(row["source"]) in has


ONCE_PARTS = 2  # colons in the source of a gift without a period
