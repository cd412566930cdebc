"""Friends who become customers: who waits for them hears of it."""

from collections.abc import Mapping
from datetime import datetime

from app.db import Connection
from app.own_facts import ReferralCreated
from app.referrals import events
from app.referrals.people.actions import Key, Person

# in the order of the keys, as all do who write several
KNOWN = """
UPDATE referrals SET friend_id = fresh.customer_id, updated_at = $4
  FROM unnest($1::text[], $2::text[], $3::text[]) AS fresh (shop, customer_id, email_key)
 WHERE referrals.shop = fresh.shop AND referrals.friend_key = fresh.email_key
   AND referrals.friend_id = '' AND referrals.advocate_id <> fresh.customer_id
   AND referrals.verdict = 'allow' AND referrals.state IN ('claimed', 'ordered')
RETURNING referrals.id, referrals.shop, referrals.advocate_id, referrals.friend_id,
          referrals.claimed_at, referrals.request_id
"""


async def known(conn: Connection, told: Mapping[Key, Person], now: datetime) -> None:
    """Of claims whose friend was only an address: who they are, told with the claim once more."""
    fresh = [
        (shop, person.removeprefix("customer:"), one.email_key)
        for (shop, person), one in sorted(told.items())
        if one.email_key and person.startswith("customer:")
    ]
    if not fresh:
        return
    rows = await conn.fetch(KNOWN, *map(list, zip(*fresh, strict=True)), now)
    facts = [
        events.fact(
            "referral.created",
            row["shop"],
            ReferralCreated(
                str(row["id"]), row["advocate_id"], row["friend_id"], row["claimed_at"]
            ),
            row["request_id"],
        )
        for row in rows
    ]
    await events.tell(conn, facts)
