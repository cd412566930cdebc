"""What shoppers do with rewards: redeem one."""

import re
import uuid
from base64 import b32encode
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import NamedTuple

import asyncpg
import msgspec

from app import db, text
from app.db import Connection, Row, Stores
from app.errors import ConflictError, HoldfastError, NotFoundError, RefusedError
from app.points.ledger import balances, freezing, lots
from app.points.ledger.accounts import Account
from app.points.ledger.keys import checked_key, fingerprint
from app.points.ledger.posting import Batch
from app.points.members import reads
from app.points.views import RedemptionView

REQUEST_ID_LENGTH_MAX = 128
GIVE_UP_AFTER = timedelta(hours=1)  # then a held redemption is settled by what Shopify has
SWEEP_AFTER = timedelta(seconds=10)  # the request that made the hold goes first
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
SELECT_EARLIER = f"""
SELECT {reads.REDEMPTION_COLUMNS}, request_hash FROM redemptions
 WHERE shop = $1 AND customer_id = $2 AND idempotency_key = $3
"""
SELECT_REWARD = """
SELECT id, title, cost, amount_off,
       (SELECT state FROM program_versions WHERE shop = $1 ORDER BY version DESC LIMIT 1) AS state
  FROM rewards WHERE shop = $1 AND id = $2 AND is_active
"""
NOT_LIVE = {
    "draft": "This programme has not started yet. Points can be used once it has.",
    "paused": "This programme is paused. Your points are safe, and can be used when it goes on.",
}
INSERT_REDEMPTION = f"""
INSERT INTO redemptions (id, shop, member_id, customer_id, reward_id, title, points, amount_off,
                         idempotency_key, request_hash, code, discount_gid, state, reason,
                         allocations, attempts, tries_sent, next_attempt_at, give_up_at,
                         request_id, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '', 'held', '', $12, 0, 0, $13, $14, $15,
        $16, $16)
RETURNING {reads.REDEMPTION_COLUMNS}
"""


class BusyMemberError(HoldfastError):
    """Somebody else holds this member's row (503). Permanent for the guard: one shopper's wait says
    nothing about the database, and must not open the circuit for all others.
    """

    status, permanent, code = 503, True, "busy"

    def __init__(self) -> None:
        super().__init__(
            "Your points are being updated just now. They are safe; please try again in a minute."
        )


class Reward(NamedTuple):
    """A reward on offer."""

    id: int
    title: str
    cost: int
    amount_off: Decimal
    state: str | None  # the programme's; None for a shop that never had rules of its own


async def redeem(
    shop: str,
    customer_id: str,
    reward_id: str,
    idempotency_key: str,
    request_id: str,
    stores: Stores | None = None,
) -> RedemptionView:
    """Hold the points of a reward, all or nothing; `redemption.complete` gets the code. `stores`
    updates the cache.

    The same key with the same reward gives the same redemption again.
    Call it under a guard with the shopper as its `subject`, so that forty taps hold one connection
    and not forty; how long one of them waits for the member's row is the session's limit.
    Raises BadInputError, NotFoundError (reward), ConflictError (key used otherwise), RefusedError
    (code `insufficient_points`, or `program_not_live`), FrozenError, BusyMemberError.
    """
    key = checked_key(idempotency_key)
    request_hash = fingerprint(reward_id)
    batch = Batch(datetime.now(UTC))
    async with freezing.whoever_is_broken(), db.transaction() as conn:
        try:
            await batch.lock(conn, [(shop, customer_id)])
        except asyncpg.LockNotAvailableError as error:
            raise BusyMemberError from error
        # under the member's lock, so of two requests with one key the second finds what the first
        # did
        row = await conn.fetchrow(SELECT_EARLIER, shop, customer_id, key)
        if row is not None and row["request_hash"] != request_hash:
            raise ConflictError("This idempotency key was used for another reward already.")
        if row is None:
            reward = await _reward(conn, shop, reward_id)
            if reward.state in NOT_LIVE:
                raise RefusedError(NOT_LIVE[reward.state], code="program_not_live")
            account = batch.by_customer.get((shop, customer_id))
            request_id = text.clean(request_id, REQUEST_ID_LENGTH_MAX)
            row = await _hold(conn, batch, account, reward, key, request_hash, request_id)
    if stores is not None and batch.moved:
        await balances.publish(stores, batch.moved.values(), batch.now)
    return reads.redemption_view(row)


def discount_code(redemption_id: uuid.UUID) -> str:
    """The code of a redemption: always the same for it, and not to be guessed, since its id is
    random.
    """
    return (
        "HF-"
        + b32encode(sha256(b"holdfast discount " + redemption_id.bytes).digest()).decode()[:10]
    )


async def _reward(conn: Connection, shop: str, reward_id: str) -> Reward:
    found = _NUMBER.fullmatch(reward_id)
    row = await conn.fetchrow(SELECT_REWARD, shop, int(reward_id)) if found else None
    if row is None:
        raise NotFoundError("There is no such reward in this shop.", code="unknown_reward")
    return Reward(**row)


async def _hold(
    conn: Connection,
    batch: Batch,
    account: Account | None,
    reward: Reward,
    key: str,
    request_hash: str,
    request_id: str,
) -> Row:
    """Move the cost from available to held and write the redemption down, under the member's
    lock.
    """
    spendable = []
    if account is not None:
        account.check_not_frozen()
        await batch.load_lots(conn, [account.id])
        spendable = lots.spendable(batch.lots[account.id], batch.now)
    has = sum(lot.remaining for lot in spendable)
    if account is None or has < reward.cost:
        raise RefusedError(
            f"This reward costs {reward.cost} points; {has} can be spent.",
            code="insufficient_points",
        )
    redemption_id = uuid.uuid4()
    taken = lots.take(account.id, spendable, reward.cost)
    why = {
        "reward": reward.title,
        "redemption_id": str(redemption_id),
        "amount_off": str(reward.amount_off),
    }
    source = f"redemption:{redemption_id}"
    batch.move(account, source, "hold", "available", "held", reward.cost, why, batch.now)
    await batch.write(conn)
    row = await conn.fetchrow(
        INSERT_REDEMPTION,
        redemption_id,
        account.shop,
        account.id,
        account.customer_id,
        reward.id,
        reward.title,
        reward.cost,
        reward.amount_off,
        key,
        request_hash,
        discount_code(redemption_id),
        msgspec.json.encode([[lot.id, points] for lot, points in taken]).decode(),
        batch.now + SWEEP_AFTER,
        batch.now + GIVE_UP_AFTER,
        request_id,
        batch.now,
    )
    assert row is not None
    return row
