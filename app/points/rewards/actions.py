"""What changes points at someone's wish: redeem and adjust; programme and time have files of
their own.
"""

import re
import uuid
from base64 import b32encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import asyncpg
import msgspec

from app import db, text
from app.db import Stores
from app.errors import BadInputError, ConflictError, NotFoundError, RefusedError
from app.flow.bus import log as fact_log
from app.points import facts
from app.points.earning import grants, rules, terms
from app.points.earning.grants import Decisions
from app.points.earning.programs import edit_program, ensure_program, save_reward
from app.points.ledger import balances, lots
from app.points.ledger import posting as ledger
from app.points.ledger.expiry import expire_due, release_due
from app.points.ledger.lots import Lot
from app.points.ledger.posting import Member
from app.points.members import reads
from app.points.views import Balance, RedemptionView

__all__ = [
    "adjust",
    "edit_program",
    "ensure_program",
    "expire_due",
    "redeem",
    "release_due",
    "save_reward",
]

KEY_LENGTH_MAX = 128
REASON_LENGTH_MAX = 500
ADJUSTMENT_MAX = 1_000_000_000
GIVE_UP_AFTER = timedelta(hours=1)  # then a held redemption is settled by what Shopify has
SWEEP_AFTER = timedelta(seconds=10)  # the request that made the hold goes first
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
SELECT_EARLIER = f"""
SELECT {reads.REDEMPTION_COLUMNS}, request_hash FROM redemptions
 WHERE shop = $1 AND customer_id = $2 AND idempotency_key = $3
"""
SELECT_REWARD = (
    "SELECT id, title, cost, amount_off FROM rewards WHERE shop = $1 AND id = $2 AND is_active"
)
INSERT_REDEMPTION = f"""
INSERT INTO redemptions (id, shop, member_id, customer_id, reward_id, title, points, amount_off,
                         idempotency_key,
                         request_hash, code, discount_gid, state, reason, allocations, attempts,
                         next_attempt_at,
                         give_up_at, request_id, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '', 'held', '', $12, 0, $13, $14, $15, $16,
        $16)
RETURNING {reads.REDEMPTION_COLUMNS}
"""
SELECT_ADJUSTMENT = "SELECT why FROM ledger WHERE shop = $1 AND source = $2 AND effect = 'adjust'"


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
    Raises BadInputError, NotFoundError (reward), ConflictError (key used otherwise), RefusedError
    (code `insufficient_points`).
    """
    key = _key(idempotency_key)
    request_hash = _hash(reward_id)
    now = datetime.now(UTC)
    async with db.transaction() as conn:
        by_key, _ = await ledger.lock(conn, [(shop, customer_id)])
        # under the member's lock, so of two requests with one key the second finds what the first
        # did
        earlier = await conn.fetchrow(SELECT_EARLIER, shop, customer_id, key)
        if earlier is not None:
            if earlier["request_hash"] != request_hash:
                raise ConflictError("This idempotency key was used for another reward already.")
            return reads.redemption_view(earlier)
        reward = await _reward(conn, shop, reward_id)
        member = by_key.get((shop, customer_id))
        row = await _hold(
            conn, member, reward, key, request_hash, text.clean(request_id, KEY_LENGTH_MAX), now
        )
    if stores is not None and member is not None:
        await balances.publish(stores, [member], now)
    return reads.redemption_view(row)


async def adjust(
    shop: str,
    customer_id: str,
    points: int,
    reason: str,
    key: str,
    by: str,
    stores: Stores | None = None,
) -> Balance:
    """Give (or with negative `points` take) points, with a reason of 1..500 characters.

    Raises BadInputError, NotFoundError (no such member), ConflictError (key used otherwise),
    RefusedError (more than is available).
    """
    reason = text.clean(reason, REASON_LENGTH_MAX + 1)
    if not reason.strip() or len(reason) > REASON_LENGTH_MAX:
        raise BadInputError(f"Please give a reason of at most {REASON_LENGTH_MAX} characters.")
    if not 0 < abs(points) <= ADJUSTMENT_MAX:
        raise BadInputError(
            f"Please give a number of points other than 0, at most {ADJUSTMENT_MAX}."
        )
    source = f"adjustment:{_key(key)}"
    request_hash = _hash(customer_id, str(points), reason)
    now = datetime.now(UTC)
    why = {"points": points, "reason": reason, "by": text.clean(by, 64), "request": request_hash}
    try:
        async with db.transaction() as conn:
            by_key, _ = await ledger.lock(conn, [(shop, customer_id)])
            member = by_key.get((shop, customer_id))
            if member is None:
                raise NotFoundError("There is no such customer in this shop.")
            earlier = await conn.fetchval(SELECT_ADJUSTMENT, shop, source)
            if earlier is None:
                await _adjust(conn, member, points, source, why, now)
            elif msgspec.json.decode(earlier)["request"] != request_hash:
                raise ConflictError("This adjustment was already saved with other contents.")
    except asyncpg.UniqueViolationError as error:  # the same key for two customers at once
        raise ConflictError("This adjustment was already saved with other contents.") from error
    if stores is not None:
        await balances.publish(stores, [member], now)
    return balances.of_member(member, now)


def discount_code(redemption_id: uuid.UUID) -> str:
    """The code of a redemption: always the same for it, and not to be guessed, since its id is
    random.
    """
    return (
        "HF-"
        + b32encode(sha256(b"holdfast discount " + redemption_id.bytes).digest()).decode()[:10]
    )


async def _reward(conn: Any, shop: str, reward_id: str) -> Any:
    found = _NUMBER.fullmatch(reward_id)
    reward = await conn.fetchrow(SELECT_REWARD, shop, int(reward_id)) if found else None
    if reward is None:
        raise NotFoundError("There is no such reward in this shop.", code="unknown_reward")
    return reward


async def _hold(
    conn: Any,
    member: Member | None,
    reward: Any,
    key: str,
    request_hash: str,
    request_id: str,
    now: datetime,
) -> Any:
    """Move the cost from available to held and write the redemption down, under the member's
    lock.
    """
    cost = reward["cost"]
    spendable = (
        lots.spendable((await lots.of_members(conn, [member.id]))[member.id], now) if member else []
    )
    has = sum(lot.remaining for lot in spendable)
    if member is None or has < cost:
        raise RefusedError(
            f"This reward costs {cost} points; {has} can be spent.", code="insufficient_points"
        )
    redemption_id = uuid.uuid4()
    taken = lots.take(spendable, cost)
    posting = ledger.Posting(now)
    why = {
        "reward": reward["title"],
        "redemption_id": str(redemption_id),
        "amount_off": str(reward["amount_off"]),
    }
    posting.move(member, f"redemption:{redemption_id}", "hold", "available", "held", cost, why, now)
    await lots.write(conn, spendable)
    await posting.write(conn)
    return await conn.fetchrow(
        INSERT_REDEMPTION,
        redemption_id,
        member.shop,
        member.id,
        member.customer_id,
        reward["id"],
        reward["title"],
        cost,
        reward["amount_off"],
        key,
        request_hash,
        discount_code(redemption_id),
        msgspec.json.encode([[lot.id, points] for lot, points in taken]).decode(),
        now + SWEEP_AFTER,
        now + GIVE_UP_AFTER,
        request_id,
        now,
    )


async def _adjust(
    conn: Any, member: Member, points: int, source: str, why: dict[str, Any], now: datetime
) -> None:
    decisions = Decisions(now)
    move = decisions.posting.move
    if points > 0:
        rule = (await terms.of_shops(conn, [member.shop]))[member.shop]
        expires_at = rules.expires_at(now, rule.expiry_days, rule.timezone)
        lot = Lot(
            member.shop, member.id, source, points, now, is_pending=False, expires_at=expires_at
        )
        touched = [lot]
        move(member, source, "adjust", "issued", "available", points, why, now)
        decisions.facts.append(facts.made("points.earned", member, source, points, ""))
        grants.repay(decisions.posting, member, [lot], source, points, now)
    else:
        if -points > member.available:
            raise RefusedError(
                f"Only {member.available} points are available.", code="insufficient_points"
            )
        touched = [
            lot
            for lot in (await lots.of_members(conn, [member.id]))[member.id]
            if not lot.is_pending
        ]
        lots.take(touched, -points)
        move(member, source, "adjust", "available", "reversed", -points, why, now)
        decisions.facts.append(facts.made("points.reversed", member, source, -points, ""))
    await lots.write(conn, touched)
    await decisions.posting.write(conn)
    await fact_log.append(conn, decisions.facts)


def _key(key: str) -> str:
    if not 1 <= len(key) <= KEY_LENGTH_MAX or text.clean(key, KEY_LENGTH_MAX) != key:
        raise BadInputError(f"An idempotency key has 1 to {KEY_LENGTH_MAX} characters.")
    return key


def _hash(*parts: str) -> str:
    return sha256(msgspec.json.encode(parts)).hexdigest()
