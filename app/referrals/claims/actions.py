"""A friend takes up an offer: checked at once, in one transaction with the claim."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg
import msgspec

from app import db
from app.core import reads as core_reads
from app.db import Connection, Row, Stores
from app.errors import BadInputError, HoldfastError, NotFoundError, RefusedError
from app.own_facts import ReferralCreated
from app.referrals import events, keys
from app.referrals.claims import emails, marks, rules
from app.referrals.claims.marks import Mark, Same, Where
from app.referrals.claims.rules import Reason
from app.referrals.events import Happened
from app.referrals.orders.rules import LATE_DAYS
from app.referrals.people import actions as people
from app.referrals.settings import reads as settings_reads
from app.telemetry import traces

NO_LINK = "This link does not exist any more. Ask whoever sent it for theirs."
NO_ADDRESS = "Please give your e-mail address, such as anna@example.com."
NOT_ON = "This shop has no offer for friends just now."
# the same for all reasons: who is a customer here is nobody else's business
NOT_FOR_YOU = (
    "This address cannot use the offer: it is for people who are new here, and were not invited "
    "before."
)
SELECT_LINK = """
SELECT id, advocate_id, status FROM referral_links WHERE shop = $1 AND code = $2 FOR UPDATE
"""
SELECT_CLAIMS = """
SELECT id, link_id, verdict, state, code, code_state, offer FROM referrals
 WHERE shop = $1 AND friend_key = $2 AND state <> 'lapsed'
   AND (verdict <> 'block' OR link_id = $3)
 ORDER BY verdict = 'block', id DESC LIMIT 1
"""
COUNT = """
SELECT count(*) FILTER (WHERE claimed_at > $3::timestamptz - interval '1 hour') AS hour,
       count(*) AS day
  FROM referrals WHERE shop = $1 AND link_id = $2
   AND claimed_at > $3::timestamptz - interval '1 day'
"""
INSERT = """
INSERT INTO referrals (shop, link_id, advocate_id, friend_email, friend_key, friend_id, state,
                       verdict, score, reasons, decided_by, known, offer, code, code_state,
                       code_round, code_reason, discount_gid, attempts, next_attempt_at, order_id,
                       order_name, due_at, rounds, request_id, claimed_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $17, 'claimed', $6, $7, $8::jsonb, '', $9::jsonb, $10::jsonb, $11, $12,
        1, '', '', 0, $13, '', '', $14, 0, $15, $16, $16)
RETURNING id
"""


class Typed(NamedTuple):
    """What a friend sent: the address, and where it came from."""

    email: str
    where: Where = Where()
    signed_in_as: str = ""


class Claimed(NamedTuple):
    """A claim as the friend may see it; `code` is there once Shopify has it."""

    id: int
    is_held: bool
    code: str
    code_state: str


async def claim(
    stores: Stores, shop: str, code: str, typed: Typed, at: datetime | None = None
) -> Claimed:
    """Take up the offer of the link `code`; the first claim of a friend counts, and is found again
    by whoever claims it again.

    Raises BadInputError, NotFoundError, RefusedError.
    """
    at = at or datetime.now(UTC)
    if not emails.read(typed.email):
        raise BadInputError(NO_ADDRESS)
    for _ in range(2):
        try:
            return await _claim(stores, shop, code, typed, at)
        except asyncpg.UniqueViolationError:
            continue  # of two advocates at once the other was first: that claim is there now
    raise RefusedError(NOT_FOR_YOU)


async def _claim(stores: Stores, shop: str, code: str, typed: Typed, at: datetime) -> Claimed:
    advocate = await _advocate(shop, code)
    async with db.transaction() as conn:
        settings = await settings_reads.in_force(conn, shop, stores.config.program_starts_as)
        if not settings.is_on:
            raise RefusedError(NOT_ON, code="not_on")
        link = await conn.fetchrow(SELECT_LINK, shop, code)
        if link is None or link["status"] != "ready":
            raise NotFoundError(NO_LINK)
        secret = await keys.of_shop(conn, stores.config.token_keys, shop)
        friend_key = secret.digest("email", emails.mailbox(typed.email))
        earlier = await conn.fetchrow(SELECT_CLAIMS, shop, friend_key, link["id"])
        if earlier is not None:
            return _again(earlier, link["id"])
        left = marks.of_request(secret, typed.where)
        seen = await marks.same(conn, shop, left, at)
        known = await people.who(conn, shop, friend_key)
        visitor = await people.who(conn, shop, "", typed.signed_in_as)
        counts = await conn.fetchrow(COUNT, shop, link["id"], at)
        assert counts is not None
        reasons = rules.of_claim(
            rules.Claim(
                link["advocate_id"],
                advocate,
                typed.email,
                typed.signed_in_as,
                is_advocates_mailbox=friend_key
                in await people.keys_of(conn, shop, link["advocate_id"]),
                is_signed_in_known=visitor.first_order_at is not None,
                has_ordered=known.first_order_at is not None,
                account_days=(at - known.known_at).days if known.known_at else 0,
                **_seen(seen, link["advocate_id"], at),
                link_claims_hour=counts["hour"],
                link_claims_day=counts["day"],
            )
        )
        verdict, score = rules.judge(reasons)
        is_allowed = verdict == "allow"
        friend_id = await people.customer_of(conn, shop, friend_key)
        own_code = keys.friend_code() if is_allowed else None
        referral_id = await conn.fetchval(
            INSERT,
            shop,
            link["id"],
            link["advocate_id"],
            emails.read(typed.email),
            friend_key,
            verdict,
            score,
            msgspec.json.encode(reasons).decode(),
            _known(seen, link["advocate_id"]),
            msgspec.json.encode(settings).decode(),
            own_code,
            "making" if is_allowed else "none",
            at if is_allowed else None,
            at + timedelta(days=settings.code_days + LATE_DAYS),
            traces.carrier(),
            at,
            friend_id,
        )
        subject = f"referral:{referral_id}"
        await marks.put(conn, ((shop, mark, subject, at) for mark in left))
        await events.note(conn, _happened(shop, referral_id, verdict, reasons, at))
        if is_allowed:
            await tell_created(conn, shop, referral_id, link["advocate_id"], friend_id, at)
    if verdict == "block":
        raise RefusedError(NOT_FOR_YOU)
    return Claimed(referral_id, verdict == "hold", "", "making" if is_allowed else "none")


async def tell_created(
    conn: Connection,
    shop: str,
    referral_id: int,
    advocate_id: str,
    friend_id: str,
    at: datetime,
) -> None:
    """Tell that a friend took up an offer, and that this was valid."""
    created = ReferralCreated(str(referral_id), advocate_id, friend_id, at)
    trace = traces.carrier()
    await events.tell(conn, [events.fact("referral.created", shop, created, trace)])
    await events.note(
        conn, [Happened(shop, referral_id, "created", "The offer is the friend's.", at)]
    )


async def seen_at(
    stores: Stores, shop: str, customer_id: str, where: Where, at: datetime | None = None
) -> None:
    """Keep where an advocate came from when they asked for their link."""
    at = at or datetime.now(UTC)
    async with db.connection() as conn:
        secret = await keys.of_shop(conn, stores.config.token_keys, shop)
        left = marks.of_request(secret, where)
        subject = people.customer(customer_id)
        await marks.put(conn, ((shop, mark, subject, at) for mark in left))


async def _advocate(shop: str, code: str) -> str:
    """The e-mail address of the member whose link it is; empty where core does not know it."""
    async with db.connection() as conn:
        advocate_id = await conn.fetchval(
            "SELECT advocate_id FROM referral_links WHERE shop = $1 AND code = $2", shop, code
        )
    if advocate_id is None:
        raise NotFoundError(NO_LINK)
    try:
        known = await core_reads.customers(shop, [advocate_id])
    except HoldfastError:
        return ""
    return known[advocate_id].email if advocate_id in known else ""


def _again(earlier: Row, link_id: int) -> Claimed:
    """What the friend has already; nothing for who is another advocate's, or was refused."""
    if earlier["link_id"] != link_id or earlier["verdict"] == "block":
        raise RefusedError(NOT_FOR_YOU)
    is_made = earlier["code_state"] == "made"
    return Claimed(
        earlier["id"],
        earlier["verdict"] == "hold",
        earlier["code"] if is_made else "",
        earlier["code_state"],
    )


def _seen(seen: list[Same], advocate_id: str, at: datetime) -> dict[str, Any]:
    """Who else left the marks of a claim, as the rules ask it."""
    own = {one.kind for one in seen if one.subject == people.customer(advocate_id)}
    others = [one for one in seen if one.subject.startswith("referral:")]
    week = Counter(one.kind for one in others if one.seen_at > at - timedelta(days=7))
    return {
        "is_advocates_device": "device" in own,
        "is_advocates_agent": "agent" in own,
        "is_advocates_ip": "ip" in own,
        "device_claims": sum(one.kind == "device" for one in others),
        "agent_claims_week": week["agent"],
        "ip_claims_week": week["ip"],
    }


def _known(seen: list[Same], advocate_id: str) -> str:
    """What both have in common and how many others had it, kept for the look side by side: it
    outlives the digests, and names nobody.
    """
    own = sorted({one.kind for one in seen if one.subject == people.customer(advocate_id)})
    others = Counter(one.kind for one in seen if one.subject.startswith("referral:"))
    return msgspec.json.encode({"shared": own, "others": dict(others)}).decode()


def _happened(
    shop: str, referral_id: int, verdict: str, reasons: list[Reason], at: datetime
) -> list[Happened]:
    found = [Happened(shop, referral_id, "claimed", "A friend claimed the offer.", at)]
    if verdict != "allow":
        said = " ".join(one.words for one in reasons)
        kind = "held" if verdict == "hold" else "blocked"
        found.append(Happened(shop, referral_id, kind, said, at))
    return found


def mark_of_address(secret: keys.Secret, address: str) -> Mark:
    """The mark of where an order goes to."""
    return Mark("address", secret.digest("address", address))
