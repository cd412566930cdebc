"""What time does to tiers: years and windows end, and so does what was kept for a while; in bounded
batches that never wait for a busy member, and that one bad member does not hold up.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from app import db
from app.points.ledger.posting import Batch
from app.points.tiers import amounts, placing
from app.points.tiers.placing import Cause, Placing
from app.resilience import failures
from app.telemetry import logs

MEMBERS_MAX = 300  # of one transaction
AGAIN_AFTER = timedelta(hours=1)  # somebody whom something is wrong with
# who is frozen has their turn when they are not any more
SELECT_DUE = """
SELECT standing.member_id FROM tier_standings AS standing
  JOIN tier_shops AS of_shop ON of_shop.shop = standing.shop AND of_shop.is_on
  JOIN members AS member ON member.id = standing.member_id AND member.frozen_at IS NULL
 WHERE standing.due_at <= $1
 ORDER BY standing.due_at LIMIT $2
"""
PUT_OFF = """
UPDATE tier_standings SET due_at = $3
  FROM members WHERE members.id = $1 AND tier_standings.shop = members.shop
   AND tier_standings.member_id = members.id AND tier_standings.due_at <= $2
"""
# another time zone has other days: everybody is placed anew by them
FOLLOW_ZONES = """
UPDATE tier_shops AS known
   SET timezone = now_in.timezone, asked_at = now(), ended_at = NULL, done = 0,
       since_tx = 0,
       stage = CASE WHEN known.stage IN ('clearing', 'counting') THEN known.stage
                    ELSE 'placing' END,
       place = CASE WHEN known.stage IN ('clearing', 'counting') THEN known.place ELSE '' END
  FROM tier_shops AS of_shop
 CROSS JOIN LATERAL (SELECT program.timezone FROM program_versions AS program
                      WHERE program.shop = of_shop.shop ORDER BY version DESC LIMIT 1) AS now_in
 WHERE of_shop.is_on AND known.shop = of_shop.shop AND now_in.timezone <> of_shop.timezone
"""
log = logs.logger()


async def pass_time(now: datetime, limit: int = MEMBERS_MAX) -> int:
    """Place those whose time has come by `now`; how many. Call until it answers 0; somebody busy
    is left for the next time.
    """
    async with db.connection() as conn:
        rows = await conn.fetch(SELECT_DUE, now, limit)
    due = sorted(row["member_id"] for row in rows)
    return await _change(now, due) if due else 0


async def follow_zones() -> None:
    """Let tiers follow the time zone of their shop's programme."""
    async with db.connection() as conn:
        await conn.execute(FOLLOW_ZONES)


async def _change(now: datetime, member_ids: Sequence[int]) -> int:
    """A batch that fails is halved until the bad member is alone."""
    try:
        return await _post(now, member_ids)
    except Exception as error:
        if failures.is_passing(error) or isinstance(error, asyncpg.QueryCanceledError):
            raise  # a store's trouble
        if len(member_ids) == 1:
            log.exception("the tier of a member was left", member_id=member_ids[0])
            async with db.connection() as conn:
                await conn.execute(PUT_OFF, member_ids[0], now, now + AGAIN_AFTER)
            return 0
        middle = len(member_ids) // 2
        first = await _change(now, member_ids[:middle])
        return first + await _change(now, member_ids[middle:])


async def _post(now: datetime, member_ids: Sequence[int]) -> int:
    batch = Batch(now)
    async with db.transaction() as conn:
        await batch.lock_free(conn, member_ids)
        members = [(one.shop, one.id) for one in batch.accounts.values()]
        placed = Placing(now)
        cases = await amounts.load(conn, members, now)
        for case in cases:
            placed.place(case, Cause("time"))
        placing.tell(batch, placed.moved)
        batch.besides.append(placed.gather)
        await batch.write(conn)
    return len(cases)
