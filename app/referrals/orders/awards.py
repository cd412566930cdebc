"""What a reward is known by, and that it is taken back."""

from datetime import datetime

from app.db import Connection, Row
from app.own_facts import ReferralReversed
from app.referrals import events
from app.referrals.events import Happened


async def take_back(conn: Connection, row: Row, reason: str, now: datetime, by: str = "") -> None:
    """A completed referral is reversed: whoever gave something for it hears of it."""
    await conn.execute(
        "UPDATE referrals SET state = 'reversed', due_at = NULL, updated_at = $2 WHERE id = $1",
        row["id"],
        now,
    )
    told = ReferralReversed(award_id(row["id"], row["rounds"]), row["advocate_id"], reason, now)
    shop = row["shop"]
    await events.tell(conn, [events.fact("referral.reversed", shop, told, row["request_id"])])
    await events.note(conn, [Happened(shop, row["id"], "reversed", reason, now, by)])


def award_id(referral_id: int, rounds: int) -> str:
    """What a reward is known by: another one only where staff had it given a second time."""
    return str(referral_id) if rounds <= 1 else f"{referral_id}-{rounds}"
