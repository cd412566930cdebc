"""Links of members: ten an hour a shop by its token bucket, the others when their turn comes.

A queued link waits in Postgres alone: no Redis that forgets, no process that ends takes one away,
and a link is made by the change of its one row, so that none is made twice.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import asyncpg
import redis.asyncio as aioredis

from app import db, text
from app.db import Connection, Stores
from app.referrals import events, keys
from app.referrals.events import Happened
from app.referrals.links import rules
from app.referrals.links.reads import COLUMNS, view
from app.referrals.views import LinkView
from app.resilience import apart, limits

SHOPS_AT_ONCE = 200
CODES_MAX = 5  # taken ones that are stepped over
ID_LENGTH = 32
# of a customer's own link before one they got by a merge
SELECT = f"""
SELECT {COLUMNS} FROM referral_links WHERE shop = $1 AND advocate_id = $2
 ORDER BY customer_id = advocate_id DESC, id LIMIT 1
"""
INSERT = """
INSERT INTO referral_links (shop, customer_id, advocate_id, status, asked_at)
VALUES ($1, $2, $2, 'queued', $3) ON CONFLICT (shop, customer_id) DO NOTHING
"""
IS_WAITING = "SELECT EXISTS (SELECT FROM referral_links WHERE shop = $1 AND status = 'queued')"
MADE_SINCE = "SELECT count(*) FROM referral_links WHERE shop = $1 AND made_at > $2"
# in no order: shops whose hour is used up must not stand before the others for ever
WAITING_SHOPS = """
SELECT shop FROM (SELECT DISTINCT shop FROM referral_links WHERE status = 'queued') AS waiting
 ORDER BY random() LIMIT $1
"""
NEXT = """
SELECT id, customer_id FROM referral_links WHERE shop = $1 AND status = 'queued'
 ORDER BY asked_at, id LIMIT 1
"""
# who makes links of a shop waits here for the others: else two would look at one, and one token be
# taken for nothing
LOCK = "SELECT shop FROM referral_keys WHERE shop = $1 FOR UPDATE"
MAKE = """
UPDATE referral_links SET status = 'ready', code = $2, made_at = $3
 WHERE id = $1 AND status = 'queued'
"""
CLOSE = """
UPDATE referral_links SET status = CASE WHEN $3 THEN 'closed' ELSE 'ready' END
 WHERE shop = $1 AND code IS NOT NULL
   AND advocate_id = (SELECT advocate_id FROM referrals WHERE shop = $1 AND id = $2)
"""
VISIT = """
INSERT INTO referral_visits AS known (shop, link_id, day, visits)
VALUES ($1, $2, ($3::timestamptz AT TIME ZONE 'UTC')::date, 1)
ON CONFLICT (shop, link_id, day) DO UPDATE SET visits = known.visits + 1
"""


async def ask(stores: Stores, shop: str, customer_id: str, at: datetime | None = None) -> LinkView:
    """The customer's link: the one they have, one made now, or one that is queued behind the
    others of this hour. However often it is asked for, it is one.
    """
    at = at or datetime.now(UTC)
    customer_id = text.clean(customer_id, ID_LENGTH)
    async with db.connection() as conn:
        if (row := await conn.fetchrow(SELECT, shop, customer_id)) is not None:
            return view(row)
        await conn.execute(INSERT, shop, customer_id, at)
    # everybody goes by the queue, so that nobody passes those who asked before
    await make_next(stores, shop, at)
    async with db.connection() as conn:
        row = await conn.fetchrow(SELECT, shop, customer_id)
    assert row is not None
    return view(row)


async def queue(conn: Connection, asked: Sequence[tuple[str, str, datetime]]) -> None:
    """Note who asked for a link (shop, customer, when) while it could not be answered."""
    for shop, customer_id, at in asked:
        if await conn.fetchrow(SELECT, shop, customer_id) is None:
            await conn.execute(INSERT, shop, text.clean(customer_id, ID_LENGTH), at)


async def make_due(stores: Stores, at: datetime | None = None) -> int:
    """Make the queued links whose turn has come; how many."""
    at = at or datetime.now(UTC)
    async with db.connection() as conn:
        shops = [row["shop"] for row in await conn.fetch(WAITING_SHOPS, SHOPS_AT_ONCE)]

    async def of_shop(shop: str) -> int:
        made = 0
        while made < rules.BURST and await make_next(stores, shop, at):
            made += 1
        return made

    return await apart.each("links", shops, of_shop)


async def make_next(stores: Stores, shop: str, at: datetime) -> bool:
    """Make the link that has waited longest, when the shop's hour has one left for it."""
    async with db.connection() as conn:
        since = at - timedelta(hours=1)
        made = await conn.fetchval(MADE_SINCE, shop, since)
        is_waiting = await conn.fetchval(IS_WAITING, shop)
    if not is_waiting or made >= rules.ANY_HOUR_MAX or not await _may(stores.cache, shop, made, at):
        return False
    async with db.transaction() as conn:
        secret = await keys.of_shop(conn, stores.config.token_keys, shop)
        await conn.fetchval(LOCK, shop)
        row = await conn.fetchrow(NEXT, shop)
        if row is None:
            return False
        for number in range(CODES_MAX):
            code = secret.link_code(row["customer_id"], number)
            try:
                async with conn.transaction():
                    await conn.execute(MAKE, row["id"], code, at)
            except asyncpg.UniqueViolationError:
                continue  # somebody else's link has these ten letters
            return True
    return False


async def close(shop: str, referral_id: int, by: str, *, is_closed: bool) -> None:
    """Take the links of a referral's advocate out of use, or put them back: those who follow one
    that is closed find no offer. What was claimed before goes on.
    """
    now = datetime.now(UTC)
    said = "The advocate's link was closed." if is_closed else "The advocate's link is open again."
    async with db.transaction() as conn:
        changed: str = await conn.execute(CLOSE, shop, referral_id, is_closed)
        if changed != "UPDATE 0":
            line = Happened(shop, referral_id, "link", said, now, by)
            await events.note(conn, [line])


async def visited(shop: str, link_id: int, at: datetime | None = None) -> None:
    """Count a visit of a link."""
    async with db.connection() as conn:
        await conn.execute(VISIT, shop, link_id, at or datetime.now(UTC))


async def _may(cache: aioredis.Redis, shop: str, made: int, at: datetime) -> bool:
    """Whether the bucket has one; while it cannot be asked, what Postgres counts in an hour."""
    allowance = await limits.take(
        cache,
        "referral_links",
        f"{{{shop}}}",
        rate_per_second=rules.RATE_PER_SECOND,
        burst=rules.BURST,
        at=at,
    )
    return allowance.is_allowed if allowance.is_known else made < rules.HOUR_MAX
