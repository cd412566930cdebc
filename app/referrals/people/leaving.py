"""People who are merged, deleted or to be forgotten, and shops that are."""

from datetime import UTC, datetime

import msgspec

from app import db
from app.db import Connection
from app.facts import CustomerMerged
from app.flow.event import Event
from app.referrals import events
from app.referrals.claims import emails, marks
from app.referrals.claims import rules as claim_rules
from app.referrals.claims.rules import Reason
from app.referrals.events import Happened
from app.referrals.keys import Secret
from app.referrals.orders import awards
from app.referrals.people import actions as people

FORGET_BATCH = 500
FORGOTTEN = "What was known of the friend was erased, as they asked for it."
ONE_PERSON = "The advocate and the friend turned out to be one customer."
MERGE_PERSON = """
INSERT INTO referral_people (shop, person, email_key, known_at, merged_into)
VALUES ($1, $2, '', $4, $3)
ON CONFLICT (shop, person) DO UPDATE SET merged_into = excluded.merged_into
"""
FOLLOW = "UPDATE referral_people SET merged_into = $3 WHERE shop = $1 AND merged_into = $2"
KEEP_LINKS = "UPDATE referral_links SET advocate_id = $3 WHERE shop = $1 AND advocate_id = $2"
KEEP_ADVOCATE = """
UPDATE referrals SET advocate_id = $3, updated_at = $4 WHERE shop = $1 AND advocate_id = $2
"""
KEEP_FRIEND = (
    "UPDATE referrals SET friend_id = $3, updated_at = $4 WHERE shop = $1 AND friend_id = $2"
)
# first of them a mark both may have left
DROP_MARKS = """
DELETE FROM referral_marks AS gone USING referral_marks AS kept
 WHERE gone.shop = $1 AND gone.subject = $2 AND kept.shop = $1 AND kept.subject = $3
   AND kept.kind = gone.kind AND kept.digest = gone.digest
"""
KEEP_MARKS = "UPDATE referral_marks SET subject = $3 WHERE shop = $1 AND subject = $2"
# of the oldest id first, as all do who lock several
ONE = """
SELECT id, shop, advocate_id, state, rounds, request_id, reasons FROM referrals
 WHERE shop = $1 AND advocate_id = $2 AND friend_id = $2 AND verdict <> 'block'
 ORDER BY id FOR UPDATE
"""
BLOCK = """
UPDATE referrals SET verdict = 'block', score = score + $2, reasons = $3::jsonb, updated_at = $4
 WHERE id = $1
"""
FORGET_FRIEND = """
UPDATE referrals SET friend_email = '', friend_key = '', known = '{}', updated_at = $4
 WHERE shop = $1 AND (friend_id = $2 OR (friend_key = $3 AND friend_key <> ''))
   AND (friend_email <> '' OR friend_key <> '')
RETURNING id
"""
FORGET_PERSON = """
UPDATE referral_people SET email_key = ''
 WHERE shop = $1 AND (person = $2 OR (email_key = $3 AND email_key <> ''))
"""
# the name of a guest is the digest of their address
FORGET_GUEST = "DELETE FROM referral_people WHERE shop = $1 AND person = $2"
EMAIL_KEY = "SELECT email_key FROM referral_people WHERE shop = $1 AND person = $2"
CLOSE_LINKS = """
UPDATE referral_links SET status = 'closed' WHERE shop = $1 AND advocate_id = $2
"""
NOBODY_TO_REWARD = "The advocate's account is gone, so there is nobody to reward."
END = """
UPDATE referrals SET verdict = 'block', score = score + $3, reasons = reasons || $4::jsonb,
                     updated_at = $5
 WHERE shop = $1 AND advocate_id = $2 AND state IN ('claimed', 'ordered') AND verdict <> 'block'
RETURNING id
"""
FORGET_MARKS = "DELETE FROM referral_marks WHERE shop = $1 AND subject = ANY($2::text[])"
FORGET_ADDRESS = """
UPDATE referral_orders SET told = told || '{"email_key": "", "address": ""}'
 WHERE shop = $1 AND (told->>'customer_id' = $2 OR (told->>'email_key' = $3 AND $3 <> ''))
"""
# whoever never ordered is nobody's customer: their address goes, its digest stays
FORGET_LAPSED = """
UPDATE referrals SET friend_email = '' WHERE id IN (
    SELECT id FROM referrals WHERE state = 'lapsed' AND friend_email <> '' AND updated_at < $1
     ORDER BY updated_at LIMIT $2)
"""
ASK_SHOP = "UPDATE referral_keys SET redact_at = $2 WHERE shop = $1 AND redact_at IS NULL"
NEXT_SHOP = """
SELECT shop, redact_at FROM referral_keys WHERE redact_at IS NOT NULL ORDER BY redact_at LIMIT 1
"""
OF_SHOP = (
    "referral_marks",
    "referral_orders",
    "referral_events",
    "referral_visits",
    "referrals",
    "referral_links",
    "referral_people",
    "referral_settings",
)
FORGET_ROWS = "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE shop = $1 LIMIT $2)"


class Redaction(msgspec.Struct):
    """A customer to be forgotten: by number, and by address where that is all there is."""

    id: int | str | None = None
    email: str | None = None


class Payload(msgspec.Struct):
    customer: Redaction | None = None


class Asked(msgspec.Struct):
    """A request about personal data, as it came."""

    topic: str
    payload: msgspec.Raw


async def asked(conn: Connection, event: Event, secret: Secret, now: datetime) -> None:
    """Do what a request about personal data means here; of a whole shop it is noted, and done
    row by row.
    """
    request = msgspec.json.decode(event.data, type=Asked)
    if request.topic == "shop/redact":
        await conn.execute(ASK_SHOP, event.shop, now)
    elif request.topic == "customers/redact":
        who = msgspec.json.decode(request.payload, type=Payload).customer
        if who is not None:
            key = secret.digest("email", emails.mailbox(who.email or ""))
            await forget(conn, event.shop, str(who.id or ""), key, now)


async def forget(
    conn: Connection, shop: str, customer_id: str, email_key: str, now: datetime
) -> None:
    """Forget who somebody is: what was given and counted stays, under numbers. Their own link ends,
    and what nobody can be rewarded for any more.
    """
    person = people.customer(customer_id)
    if customer_id:
        email_key = email_key or await conn.fetchval(EMAIL_KEY, shop, person) or ""
        await _end_links(conn, shop, customer_id, now)
    gone = await conn.fetch(FORGET_FRIEND, shop, customer_id or "-", email_key, now)
    subjects = [f"referral:{row['id']}" for row in gone]
    await events.note(conn, [Happened(shop, row["id"], "erased", FORGOTTEN, now) for row in gone])
    await conn.execute(FORGET_PERSON, shop, person, email_key)
    await conn.execute(FORGET_MARKS, shop, [person, *subjects])
    if email_key:
        await conn.execute(FORGET_GUEST, shop, people.guest(email_key))
    await conn.execute(FORGET_ADDRESS, shop, customer_id or "-", email_key)


async def _end_links(conn: Connection, shop: str, customer_id: str, now: datetime) -> None:
    reason = Reason("advocate_gone", claim_rules.BLOCK, NOBODY_TO_REWARD, "later")
    encoded = msgspec.json.encode([reason]).decode()
    await conn.execute(CLOSE_LINKS, shop, customer_id)
    rows = await conn.fetch(END, shop, customer_id, reason.weight, encoded, now)
    await events.note(
        conn, [Happened(shop, row["id"], "blocked", NOBODY_TO_REWARD, now) for row in rows]
    )


async def merge(conn: Connection, shop: str, merged: CustomerMerged, now: datetime) -> None:
    """What was of one customer is of the other from now on; who referred themselves by it gets
    nothing for it.
    """
    gone, kept = merged.customer_id, merged.kept_id
    # of two merges the later one may be told first
    kept = (await people.kept_ids(conn, [(shop, kept)])).get((shop, kept), kept)
    if kept == gone:
        return
    gone_person, kept_person = people.customer(gone), people.customer(kept)
    await conn.execute(MERGE_PERSON, shop, gone_person, kept_person, now)
    await conn.execute(FOLLOW, shop, gone_person, kept_person)
    await conn.execute(KEEP_LINKS, shop, gone, kept)
    await conn.execute(KEEP_ADVOCATE, shop, gone, kept, now)
    await conn.execute(KEEP_FRIEND, shop, gone, kept, now)
    await conn.execute(DROP_MARKS, shop, gone_person, kept_person)
    await conn.execute(KEEP_MARKS, shop, gone_person, kept_person)
    for row in await conn.fetch(ONE, shop, kept):
        reason = Reason("one_person", claim_rules.BLOCK, ONE_PERSON, "later")
        reasons = [*msgspec.json.decode(row["reasons"], type=list[Reason]), reason]
        encoded = msgspec.json.encode(reasons).decode()
        await conn.execute(BLOCK, row["id"], claim_rules.BLOCK, encoded, now)
        await events.note(conn, [Happened(shop, row["id"], "blocked", ONE_PERSON, now)])
        if row["state"] == "completed":
            await awards.take_back(conn, row, ONE_PERSON, now)


async def forget_lapsed(at: datetime) -> int:
    """Forget the addresses of a batch of friends who let the offer pass ninety days ago."""
    async with db.connection() as conn:
        done: str = await conn.execute(FORGET_LAPSED, at - marks.KEPT, FORGET_BATCH)
    return int(done.rpartition(" ")[2])


async def forget_shops(at: datetime | None = None) -> int:
    """Delete a batch of rows of a shop that is to be forgotten; how many. Its key goes last."""
    at = at or datetime.now(UTC)
    async with db.transaction() as conn:
        row = await conn.fetchrow(NEXT_SHOP)
        if row is None:
            return 0
        for table in OF_SHOP:
            done: str = await conn.execute(
                FORGET_ROWS.format(table=table), row["shop"], FORGET_BATCH
            )
            if number := int(done.rpartition(" ")[2]):
                return number
        await conn.execute("DELETE FROM referral_keys WHERE shop = $1", row["shop"])
    return 1
