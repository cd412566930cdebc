"""What a friend's order says against a referral, and what becomes of its verdict by it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from app.core import reads as core_reads
from app.db import Connection, Row
from app.referrals.claims import marks
from app.referrals.claims import rules as claim_rules
from app.referrals.claims.rules import Reason, Stage
from app.referrals.events import Happened
from app.referrals.orders import rules
from app.referrals.orders.incoming import Incoming
from app.referrals.orders.rules import Order
from app.referrals.people import actions as people

SAME_ADDRESS = """
SELECT count(DISTINCT referrals.id) FROM referral_orders AS seen
  JOIN referrals ON referrals.id = seen.referral_id
 WHERE seen.shop = $1 AND seen.told->>'address' = $2 AND referrals.id <> $3
   AND referrals.claimed_at > $4
"""


class Judged(NamedTuple):
    """What is said of a referral, and which reasons are new."""

    verdict: str
    reasons: list[Reason]
    fresh: Sequence[Reason] = ()

    @property
    def score(self) -> int:
        return sum(one.weight for one in self.reasons)

    def happened(self, row: Row, now: datetime) -> list[Happened]:
        """The line about another verdict than before."""
        if self.verdict == row["verdict"]:
            return []
        words = " ".join(one.words for one in self.fresh)
        kind = {"hold": "held", "block": "blocked"}.get(self.verdict, "allowed")
        return [Happened(row["shop"], row["id"], kind, words, now)]


async def judge(conn: Connection, row: Row, order: Order, stage: Stage, told: Incoming) -> Judged:
    """What a friend's order makes of a referral, in place of what another order of that stage
    did.
    """
    key = row["shop"], order.order_id
    found = await _of_order(conn, row, order, told.names.get(key, ""), told.emails.get(key, ""))
    fresh = [msgspec.structs.replace(one, stage=stage) for one in found]
    known = msgspec.json.decode(row["reasons"], type=list[Reason])
    reasons = [one for one in known if one.stage != stage] + fresh
    verdict = row["verdict"]
    # what staff allowed stays allowed, unless the order itself speaks against it
    judged = fresh if row["decided_by"] and verdict == "allow" else reasons
    if not row["decided_by"] or (verdict == "allow" and fresh):
        verdict, _ = claim_rules.judge(judged)
    return Judged(verdict, reasons, fresh)


async def has_ordered_before(conn: Connection, row: Row, order: Order) -> bool:
    """Whether the friend, or whoever ordered, had ordered before the claim."""
    told = order.told
    asked = [(row["friend_key"], row["friend_id"])]
    if told is not None:
        asked.append((told.email_key, told.customer_id))
    for email_key, customer_id in asked:
        known = await people.who(conn, row["shop"], email_key, customer_id)
        if rules.is_before(known.first_order_at, row["claimed_at"]):
            return True
    return False


async def _of_order(
    conn: Connection, row: Row, order: Order, name: str, email: str
) -> list[Reason]:
    """What the friend's order says against the referral."""
    told = order.told
    assert told is not None
    shop, advocate_id = row["shop"], row["advocate_id"]
    advocate = (await core_reads.customers(shop, [advocate_id])).get(advocate_id)
    is_own_address, others = False, 0
    if told.address:
        mark = marks.Mark("address", told.address)
        same = await marks.same(conn, shop, [mark], told.placed_at)
        is_own_address = any(one.subject == people.customer(advocate_id) for one in same)
        since = told.placed_at - marks.KEPT
        others = await conn.fetchval(SAME_ADDRESS, shop, told.address, row["id"], since)
    return claim_rules.of_order(
        claim_rules.Bought(
            advocate_id,
            advocate.email if advocate else "",
            advocate.name if advocate else "",
            row["friend_email"],
            told.customer_id,
            email,
            name,
            is_advocates_mailbox=bool(told.email_key)
            and told.email_key in await people.keys_of(conn, shop, advocate_id),
            has_ordered_before=await has_ordered_before(conn, row, order),
            is_advocates_address=is_own_address,
            address_referrals=others,
        )
    )
