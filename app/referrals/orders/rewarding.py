"""Referrals whose time has come: rewarded after their hold, once and within the limits of their
advocate, or let go when the friend never ordered.
"""

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import msgspec

from app import calendar, db
from app.core import reads as core_reads
from app.db import Connection, Row
from app.flags import evaluation
from app.flags import known as flags
from app.own_facts import ReferralCompleted
from app.referrals import events
from app.referrals.claims import rules as claim_rules
from app.referrals.claims.rules import Reason
from app.referrals.events import Happened
from app.referrals.orders import awards, judging, kept, rules
from app.referrals.views import Settings
from app.resilience import apart

BATCH = 50
AGAIN_AFTER = timedelta(minutes=10)  # something is wrong with it
DUE = """
SELECT id FROM referrals
 WHERE due_at <= $1 AND verdict = 'allow' AND state IN ('claimed', 'ordered')
 ORDER BY due_at LIMIT $2
"""
LOCK_LINK = "SELECT id FROM referral_links WHERE shop = $1 AND advocate_id = $2 FOR UPDATE"
LOCK = """
SELECT id, shop, link_id, advocate_id, friend_key, friend_id, state, verdict, score, reasons,
       decided_by, offer, order_id, order_name, ordered_at, due_at, rounds, request_id, claimed_at,
       code_state
  FROM referrals WHERE id = $1 FOR UPDATE
"""
OWN_ORDER = """
SELECT shop, order_id, referral_id, told, refunds, ended FROM referral_orders
 WHERE shop = $1 AND order_id = $2
"""
COUNT = """
SELECT count(*) FILTER (WHERE completed_at >= $3) AS day,
       count(*) FILTER (WHERE completed_at >= $4) AS month, count(*) AS all
  FROM referrals
 WHERE shop = $1 AND advocate_id = $2 AND completed_at IS NOT NULL AND state = 'completed'
"""
COMPLETE = """
UPDATE referrals SET state = 'completed', completed_at = $2, due_at = NULL, rounds = rounds + 1,
                     updated_at = $2
 WHERE id = $1 RETURNING rounds
"""
STOP = """
UPDATE referrals SET verdict = $2, score = score + $3, reasons = $4::jsonb, updated_at = $5
 WHERE id = $1
"""
PUT_OFF = "UPDATE referrals SET due_at = $2 WHERE id = $1"
LAPSE = """
UPDATE referrals SET state = 'lapsed', due_at = NULL, updated_at = $2,
       next_attempt_at = CASE WHEN code_state = 'ending' THEN next_attempt_at END
 WHERE id = $1
"""


class Limit(NamedTuple):
    """A limit of an advocate that is reached."""

    words: str


async def reward_due(at: datetime | None = None) -> int:
    """Reward, or let go, a batch of what is due; how many. One that cannot be is told of, and
    holds up no other.
    """
    at = at or datetime.now(UTC)
    async with db.connection() as conn:
        due = await conn.fetch(DUE, at, BATCH)

    async def reward(referral_id: int) -> int:
        async with db.transaction() as conn:
            await _one(conn, referral_id, at)
        return 1

    async def put_off(referral_id: int) -> None:
        async with db.connection() as conn:
            await conn.execute(PUT_OFF, referral_id, at + AGAIN_AFTER)

    return await apart.each("rewards of referrals", [row["id"] for row in due], reward, put_off)


async def _one(conn: Connection, referral_id: int, at: datetime) -> None:
    known = await conn.fetchrow(
        "SELECT shop, advocate_id FROM referrals WHERE id = $1", referral_id
    )
    if known is None:
        return
    if not evaluation.is_on(flags.REFERRAL_REWARDS, known["shop"]):
        await conn.execute(PUT_OFF, referral_id, at + AGAIN_AFTER)
        return
    # all of an advocate's wait here for each other, so that no limit is passed by two at once
    await conn.fetch(LOCK_LINK, known["shop"], known["advocate_id"])
    row = await conn.fetchrow(LOCK, referral_id)
    if row is None or row["verdict"] != "allow" or row["due_at"] is None or row["due_at"] > at:
        return
    if row["advocate_id"] != known["advocate_id"]:
        return  # merged meanwhile: it waits for the others of who is kept, the next time
    if row["state"] == "claimed":
        await conn.execute(LAPSE, row["id"], at)
        offer = msgspec.json.decode(row["offer"], type=Settings)
        often = "a second time " if offer.order_number > 1 else ""
        said = f"The friend did not order {often}in time."
        await events.note(conn, [Happened(row["shop"], row["id"], "lapsed", said, at)])
    elif row["state"] == "ordered":
        await _complete(conn, row, at)


async def _complete(conn: Connection, row: Row, at: datetime) -> None:
    offer = msgspec.json.decode(row["offer"], type=Settings)
    own = await conn.fetchrow(OWN_ORDER, row["shop"], row["order_id"])
    assert own is not None
    # facts of the years before may have come since the order was looked at
    if not row["decided_by"] and await judging.has_ordered_before(conn, row, kept.order_of(own)):
        words = "Whoever ordered had ordered before they claimed the offer."
        reason = Reason("known_buyer", claim_rules.BLOCK, words, "later")
        await _stop(conn, row, "block", reason, at)
        return
    limit = None if row["decided_by"] else await _limit(conn, row, offer, at)
    if limit is not None:
        reason = Reason("advocate_limit", claim_rules.HOLD_AT, limit.words, "later")
        await _stop(conn, row, "hold", reason, at)
        return
    rounds = await conn.fetchval(COMPLETE, row["id"], at)
    is_points = offer.advocate_kind == "points"
    told = ReferralCompleted(
        awards.award_id(row["id"], rounds),
        row["advocate_id"],
        row["friend_id"],
        row["order_id"],
        offer.advocate_points if is_points else 0,
        "" if is_points else offer.advocate_reward_id,
        at,
        row["order_name"],
    )
    shop = row["shop"]
    await events.tell(conn, [events.fact("referral.completed", shop, told, row["request_id"])])
    said = "The reward of the advocate was given."
    await events.note(conn, [Happened(shop, row["id"], "completed", said, at)])


async def _stop(conn: Connection, row: Row, verdict: str, reason: Reason, at: datetime) -> None:
    reasons = [*msgspec.json.decode(row["reasons"], type=list[Reason]), reason]
    encoded = msgspec.json.encode(reasons).decode()
    await conn.execute(STOP, row["id"], verdict, reason.weight, encoded, at)
    kind = "held" if verdict == "hold" else "blocked"
    await events.note(conn, [Happened(row["shop"], row["id"], kind, reason.words, at)])


async def _limit(conn: Connection, row: Row, offer: Settings, at: datetime) -> Limit | None:
    """The limit of the advocate that one more would pass, in the shop's days and months."""
    shop = await core_reads.shop(row["shop"])
    timezone = shop.timezone if shop else "UTC"
    today = at.astimezone(calendar.zone(timezone)).date()
    first = date(today.year, today.month, 1)
    counts = await conn.fetchrow(
        COUNT,
        row["shop"],
        row["advocate_id"],
        calendar.start_of_day(today, timezone),
        calendar.start_of_day(first, timezone),
    )
    assert counts is not None
    for name, most, words in (
        ("day", offer.day_max, "today"),
        ("month", offer.month_max, "this month"),
        ("all", offer.all_max, "in all"),
    ):
        if counts[name] >= most:
            number = "1 referral" if most == 1 else f"{most:,} referrals"
            return Limit(f"The advocate was rewarded for {number} {words}, which is the limit.")
    return None


def lapses_at(claimed_at: datetime, offer: Settings) -> datetime:
    """When a claim without an order is let go: an order of the code's last day may come late."""
    return claimed_at + timedelta(days=offer.code_days + rules.LATE_DAYS)
