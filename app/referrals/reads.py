"""What pages may ask about referrals: figures, the list, one of them whole."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from app import db, paging, text
from app.core import reads as core_reads
from app.core.reads import CustomerInfo
from app.db import Row
from app.errors import NotFoundError
from app.paging import Cursor
from app.referrals.claims import emails
from app.referrals.claims.deciding import GONE
from app.referrals.claims.rules import Reason
from app.referrals.keys import of_shop
from app.referrals.people import actions as people
from app.referrals.settings import reads as settings_reads
from app.referrals.views import (
    Detail,
    EventView,
    Overview,
    ReferralList,
    ReferralRow,
    Settings,
    Side,
    Stage,
)

PAGE_SIZE = 25
KEYS = 2  # of a cursor: the moment of the claim, and the id
FOUND_MAX = 50  # customers a search may mean
EVENTS_MAX = 200
DAYS = 30
COLUMNS = (
    "id, advocate_id, friend_id, friend_email, state, verdict, score, reasons, order_id, "
    "order_name, claimed_at, due_at"
)
# how a referral stands is no column of its own: what was decided goes before how far it came
STAGES: dict[str, str] = {
    "held": "verdict = 'hold' AND state <> 'lapsed'",
    "blocked": "verdict = 'block' AND state <> 'reversed'",
    "claimed": "verdict = 'allow' AND state = 'claimed'",
    "ordered": "verdict = 'allow' AND state = 'ordered'",
    "completed": "verdict = 'allow' AND state = 'completed'",
    "reversed": "state = 'reversed' AND verdict <> 'hold'",
    "lapsed": "state = 'lapsed'",
}
OVERVIEW = """
SELECT (SELECT count(*) FROM referral_links WHERE shop = $1 AND status = 'ready') AS links,
       (SELECT count(*) FROM referral_links WHERE shop = $1 AND status = 'queued') AS queued,
       (SELECT count(*) FROM referrals WHERE shop = $1 AND verdict = 'hold'
           AND state <> 'lapsed') AS held,
       (SELECT COALESCE(sum(visits), 0)::bigint FROM referral_visits
         WHERE shop = $1 AND day >= $2::timestamptz::date) AS visits,
       count(*) AS claims,
       count(*) FILTER (WHERE order_id <> '') AS orders,
       count(*) FILTER (WHERE state = 'completed') AS rewarded
  FROM referrals WHERE shop = $1 AND claimed_at >= $2
"""
HELD = "SELECT count(*) FROM referrals WHERE shop = $1 AND verdict = 'hold' AND state <> 'lapsed'"
ONE = f"""
SELECT {COLUMNS}, decided_by, known, offer, code, code_state, code_reason, order_net, friend_key,
       EXISTS (SELECT FROM referral_links AS link
                WHERE link.shop = $1 AND link.advocate_id = referrals.advocate_id
                  AND link.status = 'closed') AS is_link_closed
  FROM referrals WHERE shop = $1 AND id = $2
"""
EVENTS = """
SELECT kind, by, words, at FROM referral_events WHERE shop = $1 AND referral_id = $2
 ORDER BY at DESC, id DESC LIMIT $3
"""
# each side by its own index: of both at once every referral of the shop would be looked at
_ON_A_SIDE = f"""
SELECT {COLUMNS} FROM referrals WHERE shop = $1 AND {{side}}
 ORDER BY claimed_at DESC, id DESC LIMIT $3
"""
OF_CUSTOMER = f"""
({_ON_A_SIDE.format(side="advocate_id = $2")})
 UNION ({_ON_A_SIDE.format(side="friend_id = $2 AND friend_id <> ''")})
 ORDER BY claimed_at DESC, id DESC LIMIT $3
"""
# what a search may mean, each by its own index
MEANINGS = (
    "advocate_id = ANY({ids}::text[])",
    "friend_id = ANY({ids}::text[]) AND friend_id <> ''",
    "order_id = {typed} AND order_id <> ''",
    "ltrim(order_name, '#') = {typed} AND order_name <> ''",
    "friend_key = {email_key} AND friend_key <> ''",
    "upper(code) = {code} AND code IS NOT NULL",
)
SHARED_WORDS = {
    "device": "the same device",
    "agent": "the same connection and kind of browser",
    "ip": "the same internet connection",
    "address": "the same delivery address",
}


async def overview(shop: str, at: datetime | None = None) -> Overview:
    """The figures of the last 30 days, and how many links and held ones there are now."""
    since = (at or datetime.now(UTC)) - timedelta(days=DAYS)
    async with db.connection() as conn:
        row = await conn.fetchrow(OVERVIEW, shop, since)
    assert row is not None
    return Overview(**row)


async def held(shop: str) -> int:
    """How many referrals wait for a look."""
    async with db.connection() as conn:
        number: int = await conn.fetchval(HELD, shop)
    return number


async def listed(
    shop: str,
    stage: str = "",
    search: str = "",
    at: Cursor | None = None,
    token_keys: Sequence[str] = (),
) -> ReferralList:
    """A page of a shop's referrals, the newest first; the held ones the oldest first, since they
    wait. `search` is an e-mail address, the beginning of a name, an order or a customer.
    """
    values: list[Any] = [shop]
    wheres = ["shop = $1"]
    if stage in STAGES:
        wheres.append(f"({STAGES[stage]})")
    if search:
        wheres.append(await _search(shop, search, token_keys, values))
    is_ascending = (stage == "held") != (at is not None and at.is_backwards)
    if at is not None:
        values += [paging.moment(at.keys[0]), at.keys[1]]
        sign = ">" if is_ascending else "<"
        wheres.append(f"(claimed_at, id) {sign} (${len(values) - 1}, ${len(values)}::bigint)")
    way = "ASC" if is_ascending else "DESC"
    values.append(PAGE_SIZE + 1)
    statement = (
        f"SELECT {COLUMNS} FROM referrals WHERE {' AND '.join(wheres)}"
        f" ORDER BY claimed_at {way}, id {way} LIMIT ${len(values)}"
    )
    async with db.connection() as conn:
        found = await conn.fetch(statement, *values)
    rows, has_previous, has_next = paging.cut([_row(one) for one in found], at, PAGE_SIZE)
    ids = {one.advocate_id for one in rows} | {one.friend_id for one in rows if one.friend_id}
    names = await core_reads.names(shop, ids)
    if not rows:
        return ReferralList(rows)
    links = paging.links(_key(rows[0]), _key(rows[-1]), has_previous, has_next)
    return ReferralList(rows, names, links)


async def of_customer(shop: str, customer_id: str, number: int = 5) -> ReferralList:
    """The newest referrals a customer is in, on either side."""
    async with db.connection() as conn:
        rows = [_row(one) for one in await conn.fetch(OF_CUSTOMER, shop, customer_id, number)]
    ids = {one.advocate_id for one in rows} | {one.friend_id for one in rows if one.friend_id}
    return ReferralList(rows, await core_reads.names(shop, ids) if ids else {})


async def detail(shop: str, referral_id: int) -> Detail:
    """One referral, with both people side by side. Raises NotFoundError."""
    async with db.connection() as conn:
        row = await conn.fetchrow(ONE, shop, referral_id)
        if row is None:
            raise NotFoundError(GONE)
        happened = await conn.fetch(EVENTS, shop, referral_id, EVENTS_MAX)
        advocate = await people.who(conn, shop, "", row["advocate_id"])
        friend = await people.who(conn, shop, row["friend_key"], row["friend_id"])
    known = await core_reads.customers(shop, {row["advocate_id"], row["friend_id"]} - {""})
    offer = msgspec.json.decode(row["offer"], type=Settings)
    in_common = _in_common(row["known"])
    return Detail(
        _row(row),
        row["verdict"],
        row["decided_by"],
        msgspec.json.decode(row["reasons"], type=list[Reason]),
        _side(row["advocate_id"], known, "", advocate, in_common),
        _side(row["friend_id"], known, row["friend_email"], friend, in_common),
        [EventView(**one) for one in happened],
        row["code"] or "",
        row["code_state"],
        row["code_reason"],
        row["order_net"],
        settings_reads.promised(offer),
        row["is_link_closed"],
    )


async def _search(shop: str, search: str, token_keys: Sequence[str], values: list[Any]) -> str:
    """What a search means, as SQL; its values are added to `values`."""
    typed = text.clean(search.strip(), 100)
    page = await core_reads.find_customers(shop, typed, FOUND_MAX)
    ids = [one.customer_id for one in page.customers]
    email_key = ""
    if emails.read(typed):
        async with db.connection() as conn:
            secret = await of_shop(conn, token_keys, shop)
        email_key = secret.digest("email", emails.mailbox(typed))
    values += [ids, typed.removeprefix("#"), email_key or "-", typed.upper()]
    at = len(values)
    names = {"ids": f"${at - 3}", "typed": f"${at - 2}", "email_key": f"${at - 1}"}
    each = (one.format(**names, code=f"${at}") for one in MEANINGS)
    found = " UNION ALL ".join(
        f"SELECT id FROM referrals WHERE shop = $1 AND {one}" for one in each
    )
    return f"id IN ({found})"


def _row(row: Row) -> ReferralRow:
    reasons = msgspec.json.decode(row["reasons"], type=list[Reason])
    first = max(reasons, key=lambda one: one.weight, default=None)
    return ReferralRow(
        row["id"],
        row["advocate_id"],
        row["friend_id"],
        row["friend_email"],
        _stage(row["state"], row["verdict"]),
        row["score"],
        first.words if first else "",
        row["order_id"],
        row["order_name"],
        row["claimed_at"],
        row["due_at"],
    )


def _stage(state: Any, verdict: str) -> Stage:
    if state == "lapsed":
        return "lapsed"
    if verdict == "hold":
        return "held"
    if verdict == "block":
        return "reversed" if state == "reversed" else "blocked"
    stage: Stage = state
    return stage


def _key(row: ReferralRow) -> str:
    return f"{paging.key(row.claimed_at)}.{row.id}"


def _in_common(known: str) -> list[str]:
    """What the claim and its advocate had in common, and how many others had it."""
    found = msgspec.json.decode(known or "{}")
    shared = [
        SHARED_WORDS[kind].capitalize() for kind in found.get("shared", ()) if kind in SHARED_WORDS
    ]
    for kind, number in found.get("others", {}).items():
        if kind in SHARED_WORDS:
            others = "1 other friend" if number == 1 else f"{number} other friends"
            shared.append(f"{others} with {SHARED_WORDS[kind]}")
    return shared


def _side(
    customer_id: str,
    known: dict[str, CustomerInfo],
    email: str,
    person: people.Known,
    marks: list[str],
) -> Side:
    info = known.get(customer_id)
    return Side(
        customer_id,
        info.name if info else "",
        email or (info.email if info else ""),
        person.known_at,
        person.first_order_at,
        marks,
    )
