"""What staff decide about a referral: each decision is kept with its reason, and can be undone."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import asyncpg
import msgspec

from app import db
from app.db import Connection, Row
from app.errors import BadInputError, ConflictError, NotFoundError
from app.referrals import events, keys
from app.referrals.claims import actions as claims
from app.referrals.events import Happened
from app.referrals.orders import awards, kept
from app.referrals.orders import rules as order_rules
from app.referrals.orders.rewarding import LOCK, LOCK_LINK, lapses_at
from app.referrals.views import Settings

Decision = Literal["allow", "hold", "block"]
REASON_LENGTH_MAX = 300
WORDS = {"allow": "Allowed", "hold": "Held for another look", "block": "Blocked"}
GONE = "There is no such referral in this shop."
ANOTHERS = "This friend was claimed by another advocate meanwhile, so this one cannot be allowed."
SELECT = "SELECT advocate_id FROM referrals WHERE shop = $1 AND id = $2"
IS_CREATED = (
    "SELECT EXISTS (SELECT FROM referral_events WHERE referral_id = $1 AND kind = 'created')"
)
DECIDE = """
UPDATE referrals SET verdict = $2, decided_by = $3, state = $4, due_at = $5, updated_at = $6
 WHERE id = $1
"""
# one that is on its way or made is switched off; one that was is followed by another, and one that
# is being switched off by another once it is
END_CODE = """
UPDATE referrals SET code_state = 'ending', next_attempt_at = $2, attempts = 0
 WHERE id = $1 AND code_state = 'made'
"""
NEW_CODE = """
UPDATE referrals SET code = $2, code_state = 'making', code_round = code_round + 1, attempts = 0,
                     discount_gid = '', code_reason = '', next_attempt_at = $3
 WHERE id = $1 AND code_state IN ('none', 'off', 'refused')
"""


def problems(decision: str, reason: str) -> dict[str, str]:
    """What is wrong with a decision, by field."""
    found = {}
    if decision not in WORDS:
        found["decision"] = "Please choose what is to be done."
    if not reason.strip() or len(reason) > REASON_LENGTH_MAX:
        found["reason"] = f"Please say why, in at most {REASON_LENGTH_MAX} characters."
    return found


async def decide(
    shop: str,
    referral_id: int,
    decision: Decision,
    reason: str,
    by: str,
    at: datetime | None = None,
) -> None:
    """Let a referral go on, look at it again, or block it; what was given for one that is blocked
    is taken back. The same decision again changes nothing.

    Raises BadInputError, NotFoundError, ConflictError.
    """
    if wrong := problems(decision, reason):
        raise BadInputError(next(iter(wrong.values())))
    at = at or datetime.now(UTC)
    try:
        async with db.transaction() as conn:
            advocate_id = await conn.fetchval(SELECT, shop, referral_id)
            if advocate_id is None:
                raise NotFoundError(GONE)
            await conn.fetch(LOCK_LINK, shop, advocate_id)
            row = await conn.fetchrow(LOCK, referral_id)
            if row is None:
                raise NotFoundError(GONE)
            is_again = row["verdict"] == decision and bool(row["decided_by"])
            if is_again and not (decision == "allow" and row["code_state"] == "refused"):
                return
            await _decide(conn, row, decision, reason.strip(), by, at)
    except asyncpg.UniqueViolationError:
        raise ConflictError(ANOTHERS) from None


async def _decide(
    conn: Connection, row: Row, decision: Decision, reason: str, by: str, at: datetime
) -> None:
    shop, referral_id = row["shop"], row["id"]
    offer = msgspec.json.decode(row["offer"], type=Settings)
    state, due_at = row["state"], row["due_at"]
    said = f"{WORDS[decision]}: {reason}"
    if decision == "allow":
        state, due_at = await _goes_on(conn, row, offer, at)
    await conn.execute(DECIDE, referral_id, decision, by, state, due_at, at)
    await events.note(conn, [Happened(shop, referral_id, "decided", said, at, by)])
    if decision != "allow" and row["state"] == "completed":
        # whatever it was for: it waits again, and nothing is given while it does
        await awards.take_back(conn, row, "Staff looked at it again.", at, by)
    if decision == "block":
        await conn.execute(END_CODE, referral_id, at)
    if decision == "allow":
        if state == "claimed":
            await conn.execute(NEW_CODE, referral_id, keys.friend_code(), at)
        if not await conn.fetchval(IS_CREATED, referral_id):
            advocate_id, friend_id = row["advocate_id"], row["friend_id"]
            await claims.tell_created(conn, shop, referral_id, advocate_id, friend_id, at)


async def _goes_on(
    conn: Connection, row: Row, offer: Settings, at: datetime
) -> tuple[str, datetime | None]:
    """How far an allowed referral is, and when it is due; what was taken back by staff is given
    once more when its order still is good.
    """
    if row["state"] == "reversed" and row["order_id"]:
        orders = (await kept.of_referrals(conn, [row])).get(row["id"], [])
        if not order_rules.stands(orders, row["order_id"], offer):
            raise ConflictError("Its order came back, so there is nothing to reward.")
        return "ordered", at
    if row["state"] == "lapsed":
        return "claimed", at + timedelta(days=offer.code_days)
    if row["state"] == "claimed":
        lapses = lapses_at(row["claimed_at"], offer)
        return "claimed", max(lapses, row["due_at"] or lapses, at + timedelta(days=7))
    return row["state"], row["due_at"]
