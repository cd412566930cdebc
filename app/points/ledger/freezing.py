"""One member whose points do not add up is frozen alone: nothing of theirs moves until they are
repaired, and everybody else goes on.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app import db
from app.db import Connection
from app.points.ledger.accounts import BrokenAccountError, FrozenError
from app.telemetry import logs, metrics

SUSPECTS_MAX = 1_000
FREEZE = """
UPDATE members SET frozen_at = now(), frozen_reason = $2 WHERE id = $1 AND frozen_at IS NULL
RETURNING shop, customer_id
"""
# what is due of them would otherwise be looked at again and again, before everybody else's
SET_NOT_DUE = "UPDATE lots SET due_at = NULL WHERE member_id = $1 AND remaining > 0"
THAW = "UPDATE members SET frozen_at = NULL, frozen_reason = '' WHERE id = $1"
SET_DUE = """
UPDATE lots SET due_at = CASE WHEN is_pending THEN available_at ELSE expires_at END
 WHERE member_id = $1 AND remaining > 0
"""
log = logs.logger()
_suspects: dict[int, str] = {}


async def freeze(member_id: int, reason: str) -> None:
    """Freeze a member for a reason in plain words; one who is frozen keeps the first reason."""
    async with db.transaction() as conn:
        row = await conn.fetchrow(FREEZE, member_id, reason)
        if row is None:
            return
        await conn.execute(SET_NOT_DUE, member_id)
    metrics.FROZEN_MEMBERS.inc()
    log.error(
        "member frozen",
        shop=row["shop"],
        customer_id=row["customer_id"],
        member_id=member_id,
        reason=reason,
    )


async def thaw(conn: Connection, member_id: int) -> None:
    """Let the points of a locked member move again, in the transaction that has mended them."""
    await conn.execute(THAW, member_id)
    await conn.execute(SET_DUE, member_id)


@asynccontextmanager
async def whoever_is_broken() -> AsyncIterator[None]:
    """Around a transaction: a member it finds broken is frozen after it, and FrozenError raised."""
    try:
        yield
    except BrokenAccountError as error:
        await freeze(error.member_id, error.message)
        raise FrozenError from error


def suspect(error: BrokenAccountError) -> None:
    """Note a member found broken within somebody else's transaction, to be frozen after it."""
    if len(_suspects) < SUSPECTS_MAX:
        _suspects[error.member_id] = error.message


async def freeze_suspects() -> int:
    """Freeze those noted meanwhile; how many. Who is left when it raises stays noted."""
    frozen = 0
    for member_id, reason in list(_suspects.items()):
        await freeze(member_id, reason)
        del _suspects[member_id]
        frozen += 1
    return frozen
