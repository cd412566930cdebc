"""What shoppers do with rewards: redeem one."""

import re
import uuid
from base64 import b32encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import NamedTuple

import asyncpg
import msgspec

from app import db, text
from app.db import Connection, Row, Stores
from app.errors import ConflictError, HoldfastError, NotFoundError, RefusedError
from app.points import steps
from app.points.earning.known import CODE_PREFIX
from app.points.ledger import balances, freezing, lots
from app.points.ledger.accounts import Account
from app.points.ledger.keys import checked_key, fingerprint
from app.points.ledger.posting import Batch
from app.points.rewards import reads, rules, switched, who
from app.points.rewards.rules import Chosen, Details
from app.points.views import RedemptionView

REQUEST_ID_LENGTH_MAX = 128
GIVE_UP_AFTER = timedelta(hours=1)  # then a held redemption is settled by what Shopify has
SWEEP_AFTER = timedelta(seconds=10)  # the request that made the hold goes first
NO_SUCH = "There is no such reward in this shop."
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
SELECT_EARLIER = f"""
SELECT {reads.REDEMPTION_COLUMNS}, request_hash FROM redemptions
 WHERE shop = $1 AND customer_id = $2 AND idempotency_key = $3
"""
SELECT_REWARD = """
SELECT reward.id, reward.title, reward.kind, reward.cost, reward.amount_off, reward.details,
       reward.is_active, program.state, COALESCE(program.currency, 'USD') AS currency
  FROM rewards AS reward
  LEFT JOIN LATERAL (SELECT state, currency FROM program_versions WHERE shop = $1
                      ORDER BY version DESC LIMIT 1) AS program ON TRUE
 WHERE reward.shop = $1 AND reward.id = $2
"""
SELECT_REDEEMED = """
SELECT count(*) FROM redemptions
 WHERE shop = $1 AND customer_id = $2 AND reward_id = $3 AND state <> 'released' AND points > 0
"""
SELECT_ENDS = """
SELECT ends_at FROM redemptions
 WHERE shop = $1 AND customer_id = $2 AND kind = 'store_credit' AND ends_at >= $3
"""
NOT_LIVE = {
    "draft": "This programme has not started yet. Points can be used once it has.",
    "paused": "This programme is paused. Your points are safe, and can be used when it goes on.",
}
INSERT_REDEMPTION = f"""
INSERT INTO redemptions (id, shop, member_id, customer_id, reward_id, title, kind, points,
                         amount_off, details, ends_at, idempotency_key, request_hash, code,
                         discount_gid, state, reason, allocations, attempts, tries_sent,
                         next_attempt_at, give_up_at, request_id, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, '', 'held', '', $15, 0, 0,
        $16, $17, $18, $19, $19)
ON CONFLICT (shop, customer_id, idempotency_key) DO NOTHING
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
    """A reward, and how its programme stands."""

    id: int
    title: str
    kind: str
    cost: int
    amount_off: Decimal
    details: Details
    is_active: bool
    state: str | None  # the programme's; None for a shop that never had rules of its own
    currency: str


async def redeem(
    shop: str,
    customer_id: str,
    reward_id: str,
    idempotency_key: str,
    request_id: str,
    stores: Stores | None = None,
    points: int | None = None,
) -> RedemptionView:
    """Hold the points of a reward, all or nothing; `redemption.complete` gets the code. `points` is
    how many, for a reward of which one chooses that. `stores` updates the cache.

    The same key with the same reward and points gives the same redemption again.
    Call it under a guard with the shopper as its `subject`, so that forty taps hold one connection
    and not forty; how long one of them waits for the member's row is the session's limit.
    Raises BadInputError, NotFoundError (reward), ConflictError (key used otherwise), RefusedError
    (code `insufficient_points`, `program_not_live`, `not_now`, `not_for_you` or `limit_reached`),
    FrozenError, BusyMemberError.
    """
    key = checked_key(idempotency_key)
    request_hash = fingerprint(reward_id, *([] if points is None else [str(points)]))
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
            reward = await reward_of(conn, shop, reward_id)
            chosen = await _checked(conn, shop, customer_id, reward, points, batch.now)
            account = batch.by_customer.get((shop, customer_id))
            request_id = text.clean(request_id, REQUEST_ID_LENGTH_MAX)
            row = await _hold(conn, batch, account, reward, chosen, key, request_hash, request_id)
    if stores is not None and batch.moved:
        await balances.publish(stores, batch.moved.values(), batch.now)
    return reads.redemption_view(row)


def discount_code(redemption_id: uuid.UUID, kind: str = "amount_off") -> str:
    """The code of a redemption: always the same for it, and not to be guessed, since its id is
    random. Store credit has none; that of a gift card is letters and digits alone, and longer, for
    it is money in anybody's hand.
    """
    if kind == "store_credit":
        return ""
    random = b32encode(sha256(b"holdfast discount " + redemption_id.bytes).digest()).decode()
    return f"HF{random[:16]}" if kind == "gift_card" else f"{CODE_PREFIX}{random[:10]}"


async def reward_of(conn: Connection, shop: str, reward_id: str) -> Reward:
    """A reward of the shop, on or off. Raises NotFoundError."""
    found = _NUMBER.fullmatch(reward_id)
    row = await conn.fetchrow(SELECT_REWARD, shop, int(reward_id)) if found else None
    if row is None:
        raise NotFoundError(NO_SUCH, code="unknown_reward")
    return Reward(**{**row, "details": reads.details(row["details"])})


async def _checked(
    conn: Connection,
    shop: str,
    customer_id: str,
    reward: Reward,
    points: int | None,
    now: datetime,
) -> Chosen:
    """What is to be had of a reward; the member, as far as there is one, is locked, so that of many
    at once none gets more than the limit.
    """
    if not reward.is_active:
        raise NotFoundError(NO_SUCH, code="unknown_reward")
    if reward.state in NOT_LIVE:
        raise RefusedError(NOT_LIVE[reward.state], code="program_not_live")
    if switched.is_off(reward.kind, shop):
        raise RefusedError(switched.OFF, code="not_now")
    if why := rules.closed(reward.details, now):
        raise RefusedError(why, code="not_now")
    if not await who.may(conn, shop, customer_id, reward.details, now):
        raise RefusedError("This reward is not for you just now.", code="not_for_you")
    most = reward.details.per_customer
    if most is not None:
        had = await conn.fetchval(SELECT_REDEEMED, shop, customer_id, reward.id)
        if had >= most:
            times = "once" if most == 1 else f"{most:,} times"
            raise RefusedError(f"This reward can be had {times}.", code="limit_reached")
    return rules.chosen(reward.kind, reward.cost, reward.amount_off, reward.details, points)


async def _hold(
    conn: Connection,
    batch: Batch,
    account: Account | None,
    reward: Reward,
    chosen: Chosen,
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
    if account is None or has < chosen.points:
        raise RefusedError(
            f"This reward costs {chosen.points} points; {has} can be spent.",
            code="insufficient_points",
        )
    redemption_id = uuid.uuid4()
    taken = lots.take(account.id, spendable, chosen.points)
    why = {
        "reward": reward.title,
        "redemption_id": str(redemption_id),
        "amount_off": str(chosen.amount_off),
        "kind": reward.kind,
    }
    source = f"redemption:{redemption_id}"
    batch.move(account, source, "hold", "available", "held", chosen.points, why, batch.now)
    await batch.write(conn)
    allocations = [(lot.id, points) for lot, points in taken]
    row = await record(
        conn,
        account,
        reward,
        chosen,
        redemption_id,
        key,
        request_hash,
        allocations,
        request_id,
        batch.now,
    )
    assert row is not None
    return row


async def record(
    conn: Connection,
    account: Account,
    reward: Reward,
    chosen: Chosen,
    redemption_id: uuid.UUID,
    key: str,
    request_hash: str,
    allocations: Sequence[tuple[int, int]],
    request_id: str,
    now: datetime,
) -> Row | None:
    """Write a redemption down, with what its reward says now: later edits of that change nothing of
    it. None when the customer has one of that key.
    """
    details = msgspec.structs.replace(
        reward.details, percent=chosen.percent, choose=None, currency=reward.currency
    )
    ends_at = rules.code_end(details, now)
    if reward.kind == "store_credit" and ends_at is not None:
        ends_at = await _unlike_others(conn, account, ends_at)
    row = await conn.fetchrow(
        INSERT_REDEMPTION,
        redemption_id,
        account.shop,
        account.id,
        account.customer_id,
        reward.id,
        reward.title,
        reward.kind,
        chosen.points,
        chosen.amount_off,
        msgspec.json.encode(details).decode(),
        ends_at,
        key,
        request_hash,
        discount_code(redemption_id, reward.kind),
        msgspec.json.encode(allocations).decode(),
        now + SWEEP_AFTER,
        now + GIVE_UP_AFTER,
        request_id,
        now,
    )
    if row is not None:
        said = f"{chosen.points:,} points set aside for “{reward.title}”."
        if not chosen.points:
            said = f"“{reward.title}” is given without points."
        await steps.of_reward(conn, account, redemption_id, "held", said, now)
    return row


async def _unlike_others(conn: Connection, account: Account, ends_at: datetime) -> datetime:
    """The first second from then on at which no other credit of the customer ends: it marks ours.
    The member is locked.
    """
    rows = await conn.fetch(SELECT_ENDS, account.shop, account.customer_id, ends_at)
    others = {row["ends_at"] for row in rows}
    while ends_at in others:
        ends_at += timedelta(seconds=1)
    return ends_at
