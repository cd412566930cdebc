"""A friend's code on its way: one attempt at a time, found again after a lost answer, for two days
at most; and switched off when the claim is blocked later.
"""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import httpx
import msgspec

from app import db
from app.db import Connection, Row, Stores
from app.errors import HoldfastError
from app.flags import evaluation, known
from app.referrals import events, keys
from app.referrals.claims import discounts
from app.referrals.claims import rules as claim_rules
from app.referrals.claims.discounts import Refusal, Wanted
from app.referrals.claims.rules import Reason
from app.referrals.events import Happened
from app.referrals.people import actions as people
from app.referrals.views import Settings
from app.resilience.failures import is_passing, reason
from app.telemetry import logs, traces

ATTEMPT_SECONDS = 9.0
LEASE = timedelta(seconds=12)  # longer than an attempt
PAUSE_SECONDS_MAX = 900.0
GIVE_UP_AFTER = timedelta(hours=48)
BATCH, AT_ONCE = 50, 8
GIVEN_UP = "Shopify could not make the code within two days."
COLUMNS = (
    "id, shop, code, code_state, code_round, offer, claimed_at, attempts, discount_gid, "
    "friend_email, friend_key, decided_by, request_id"
)
LEASED = f"""
UPDATE referrals SET attempts = attempts + 1, next_attempt_at = $3
 WHERE id = $1 AND code_state IN ('making', 'ending') AND next_attempt_at <= $2 RETURNING {COLUMNS}
"""
# the first of every shop, then the second of every shop: one shop's trouble holds up nobody else
DUE = """
SELECT id FROM (
  SELECT id, next_attempt_at,
         row_number() OVER (PARTITION BY shop ORDER BY next_attempt_at) AS place
    FROM (SELECT id, shop, next_attempt_at FROM referrals WHERE next_attempt_at <= $1
           ORDER BY next_attempt_at LIMIT 2000) AS waiting
) AS due ORDER BY place, next_attempt_at LIMIT $2
"""
# whoever was blocked while the code was on its way has it switched off next
MADE = """
UPDATE referrals SET discount_gid = $3, attempts = 0, updated_at = $4,
       code_state = CASE WHEN verdict = 'block' THEN 'ending' ELSE 'made' END,
       next_attempt_at = CASE WHEN verdict = 'block' THEN $4::timestamptz END
 WHERE id = $1 AND code_round = $2 AND code_state = 'making' RETURNING code_state
"""
REFUSED = """
UPDATE referrals SET code_state = 'refused', code_reason = $3, next_attempt_at = NULL,
       updated_at = $4
 WHERE id = $1 AND code_round = $2 AND code_state = 'making' RETURNING id
"""
# whoever was allowed meanwhile gets another one: two that work at once would be one too many
OFF = """
UPDATE referrals SET updated_at = $3, attempts = 0,
       code_state = CASE WHEN goes_on THEN 'making' ELSE 'off' END,
       next_attempt_at = CASE WHEN goes_on THEN $3::timestamptz END,
       code = CASE WHEN goes_on THEN $4 ELSE code END,
       code_round = code_round + goes_on::int,
       discount_gid = CASE WHEN goes_on THEN '' ELSE discount_gid END
  FROM (SELECT verdict = 'allow' AND state = 'claimed' AS goes_on FROM referrals
         WHERE id = $1 FOR UPDATE) AS now_is
 WHERE id = $1 AND code_round = $2 AND code_state = 'ending' RETURNING id
"""
BLOCK = """
UPDATE referrals SET verdict = 'block', score = score + $2, reasons = reasons || $3::jsonb,
       code_state = 'none', next_attempt_at = NULL, updated_at = $4
 WHERE id = $1 AND code_state = 'making' AND verdict <> 'block' RETURNING id
"""
ASKED = "SELECT shop, code_state FROM referrals WHERE id = $1"
LATER = "UPDATE referrals SET next_attempt_at = $2 WHERE id = $1 AND next_attempt_at IS NOT NULL"
log = logs.logger()


async def go_on(
    stores: Stores, client: httpx.AsyncClient, referral_id: int, at: datetime | None = None
) -> None:
    """Bring one code on, when nobody else is at it. Safe to call any number of times; what fails
    on the way is booked for later.
    """
    at = at or datetime.now(UTC)
    async with db.connection() as conn:
        asked = await conn.fetchrow(ASKED, referral_id)
        if asked is None or await _is_put_off(conn, referral_id, asked, at):
            return
        row = await conn.fetchrow(LEASED, referral_id, at, at + LEASE)
    if row is None:
        return
    wanted = _wanted(row)
    try:
        with traces.resumed("referral code", row["request_id"]):
            async with asyncio.timeout(ATTEMPT_SECONDS):
                if row["code_state"] == "ending":
                    await _switch_off(stores, client, wanted, at)
                elif await _is_known(stores, client, row, wanted):
                    await _block(wanted, at)
                else:
                    await _make(stores, client, wanted, at)
    except asyncio.CancelledError:
        await _later(wanted, at)
        raise
    except Exception as error:
        log.warning(
            "friend's code not made yet",
            referral_id=wanted.id,
            shop=wanted.shop,
            attempts=wanted.attempts,
            reason=getattr(error, "code", type(error).__name__),
            exc_info=None if isinstance(error, (HoldfastError, OSError, TimeoutError)) else error,
        )
        await _later(wanted, at)


async def sweep(stores: Stores, client: httpx.AsyncClient, at: datetime | None = None) -> int:
    """Go on with every code that is due, a few at a time; with how many. One that cannot be gone
    on with holds up no other.
    """
    at = at or datetime.now(UTC)
    async with db.connection() as conn:
        due = await conn.fetch(DUE, at, BATCH)
    seats = asyncio.Semaphore(AT_ONCE)

    async def seated(row: Row) -> None:
        async with seats:
            await go_on(stores, client, row["id"], at)

    ended = await asyncio.gather(*map(seated, due), return_exceptions=True)
    for row, error in zip(due, ended, strict=True):
        if isinstance(error, Exception):
            log.warning("a code is left for later", referral_id=row["id"], reason=reason(error))
            if not is_passing(error):
                async with db.connection() as conn:
                    await conn.execute(LATER, row["id"], at + timedelta(seconds=PAUSE_SECONDS_MAX))
    return sum(not isinstance(one, BaseException) for one in ended)


async def _is_put_off(conn: Connection, referral_id: int, asked: Row, at: datetime) -> bool:
    """Whether no code is to be made in this shop just now: it waits then; one that is to be ended
    does not.
    """
    if asked["code_state"] == "ending" or evaluation.is_on(known.FRIEND_CODES, asked["shop"]):
        return False
    await conn.execute(LATER, referral_id, at + timedelta(seconds=PAUSE_SECONDS_MAX))
    return True


async def _switch_off(
    stores: Stores, client: httpx.AsyncClient, wanted: Wanted, at: datetime
) -> None:
    await discounts.switch_off(stores, client, wanted)
    async with db.connection() as conn:
        await conn.fetchval(OFF, wanted.id, wanted.code_round, at, keys.friend_code())


async def _is_known(stores: Stores, client: httpx.AsyncClient, row: Row, wanted: Wanted) -> bool:
    """Whether the friend had ordered before the app was there to be told; staff who allowed a
    claim have looked at it, and an order since the claim says nothing against it.
    """
    if row["decided_by"] or not wanted.friend_email:
        return False
    async with db.connection() as conn:
        known = await people.who(conn, wanted.shop, row["friend_key"])
    return known.first_order_at is None and await discounts.has_ordered(stores, client, wanted)


async def _block(wanted: Wanted, at: datetime) -> None:
    words = "Shopify knows orders of the friend from before."
    against = Reason("known_customer", claim_rules.BLOCK, words, "later")
    encoded = msgspec.json.encode([against]).decode()
    async with db.transaction() as conn:
        if await conn.fetchval(BLOCK, wanted.id, against.weight, encoded, at):
            await events.note(conn, [Happened(wanted.shop, wanted.id, "blocked", words, at)])


async def _make(stores: Stores, client: httpx.AsyncClient, wanted: Wanted, at: datetime) -> None:
    made = await discounts.make(stores, client, wanted)
    if isinstance(made, Refusal) or not made.is_active:
        why = made.reason if isinstance(made, Refusal) else "It was switched off in Shopify."
        await _refuse(wanted, why, at)
        return
    async with db.transaction() as conn:
        if await conn.fetchval(MADE, wanted.id, wanted.code_round, made.gid, at):
            said = "The friend's code was made."
            await events.note(conn, [Happened(wanted.shop, wanted.id, "code", said, at)])


async def _refuse(wanted: Wanted, why: str, at: datetime) -> None:
    async with db.transaction() as conn:
        if await conn.fetchval(REFUSED, wanted.id, wanted.code_round, why, at):
            await events.note(conn, [Happened(wanted.shop, wanted.id, "refused", why, at)])


async def _later(wanted: Wanted, at: datetime) -> None:
    """Book the next attempt; after two days without an answer only staff can begin again."""
    if wanted.discount_gid == "" and at > wanted.claimed_at + GIVE_UP_AFTER and wanted.attempts > 1:
        await _refuse(wanted, GIVEN_UP, at)
    jitter = random.uniform(0.8, 1.2)  # noqa: S311
    pause_seconds = min(2.0 ** min(wanted.attempts, 12), PAUSE_SECONDS_MAX) * jitter
    async with db.connection() as conn:
        await conn.execute(LATER, wanted.id, at + timedelta(seconds=pause_seconds))


def _wanted(row: Row) -> Wanted:
    return Wanted(
        row["id"],
        row["shop"],
        row["code"],
        row["code_round"],
        msgspec.json.decode(row["offer"], type=Settings),
        row["claimed_at"],
        row["attempts"],
        row["discount_gid"],
        row["friend_email"],
    )
