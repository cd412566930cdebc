"""What pages may ask of points; every read takes the shop first and sees nothing of any other
shop.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from app import calendar, db, rooms
from app.db import Stores
from app.errors import NotFoundError
from app.paging import Cursor, Links
from app.points.earning import terms
from app.points.ledger import balances, bulk, totals
from app.points.members import detail, filters, history, lists
from app.points.members.filters import Found, Wanted
from app.points.members.history import Asked
from app.points.rewards.reads import newest_redemptions, rewards
from app.points.views import (
    Balance,
    BulkView,
    Day,
    HistoryEvent,
    MemberDetail,
    MemberList,
    MemberRow,
    Overview,
    Program,
    RedemptionView,
    StuckReward,
)
from app.resilience import cache
from app.resilience.guard import Resource
from app.resilience.reading import Reading

PAGE_SIZE = 25
MEMBER_KEYS = 2  # when and who, or how many points and who
EVENT_KEYS = 2  # when and which movement
EXPIRY_KEYS = 1  # when
NEWEST = 10
VERSIONS_MAX = 20
READS = Resource("points reads", room=rooms.STOREFRONT, by_shop=True)
SELECT_STUCK = """
SELECT id::text AS id, customer_id, title, points, created_at FROM redemptions
 WHERE shop = $1 AND state = 'held' AND created_at < now() - interval '10 seconds'
 ORDER BY created_at LIMIT 20
"""
EVERYTHING = Asked()
__all__ = ["newest_redemptions", "rewards"]  # of rewards, which pages ask for with the rest


async def balance(shop: str, customer_id: str) -> Balance:
    """The balance now; zeros with sequence 0 for a customer who is no member yet."""
    as_of = datetime.now(UTC)
    async with db.connection() as conn:
        row = await conn.fetchrow(
            "SELECT available, pending, held, debt, sequence FROM members WHERE shop = $1 AND "
            "customer_id = $2",
            shop,
            customer_id,
        )
    return _balance(customer_id, row or (0, 0, 0, 0, 0), as_of)


async def balance_reading(
    stores: Stores, shop: str, customer_id: str, fresh_since: datetime | None = None
) -> Reading[Balance]:
    """The balance from the cache while that is fresh and not of before `fresh_since`, else from the
    database, else the last one known, marked.
    """
    return await cache.read_through(
        stores.cache,
        balances.cache_key(shop, customer_id),
        lambda: balance(shop, customer_id),
        READS,
        encode=balances.encode,
        decode=balances.decoder.decode,
        sequence=lambda found: found.sequence,
        fresh_since=fresh_since,
    )


async def program(shop: str) -> Program:
    """The rules in force; writes nothing: a shop without any gets the defaults as version 0."""
    async with db.connection() as conn:
        return await terms.program(conn, shop)


async def program_versions(shop: str) -> list[Program]:
    """The newest 20 versions of the rules, newest first."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            terms.SELECT_PROGRAM.replace("LIMIT 1", f"LIMIT {VERSIONS_MAX}"), shop
        )
    return [Program(*row) for row in rows]


async def redemptions(shop: str, customer_id: str) -> list[RedemptionView]:
    """The newest 20 redemptions of this customer."""
    async with db.connection() as conn:
        return await newest_redemptions(conn, shop, customer_id)


async def waiting_redemptions(shop: str) -> int:
    """How many redemptions of the shop are still without their code."""
    async with db.connection() as conn:
        found: int = await conn.fetchval(
            "SELECT count(*) FROM redemptions WHERE state = 'held' AND shop = $1", shop
        )
    return found


async def stuck_rewards(shop: str) -> list[StuckReward]:
    """Redemptions of the shop that wait for their code longer than a request takes, the oldest
    first; 20 at most.
    """
    async with db.connection() as conn:
        rows = await conn.fetch(SELECT_STUCK, shop)
    return [StuckReward(**dict(row)) for row in rows]


async def totals_of(shop: str) -> tuple[int, int]:
    """How many members the shop has, and their points outstanding."""
    async with db.connection() as conn:
        return await totals.of_shop(conn, shop)


async def newest_members(shop: str, at: Cursor | None = None) -> MemberList:
    """A page of members, who joined last first."""
    async with db.connection() as conn:
        return await lists.newest(conn, shop, PAGE_SIZE, at)


async def members_by_points(shop: str, at: Cursor | None = None) -> MemberList:
    """A page of members by their available points. Of shops with many members it is the first
     1,000 in the order of some minutes ago; `as_of` says of when. None there: all are listed.
    XX
    """
    async with db.connection() as conn:
        number, _ = await totals.of_shop(conn, shop)
        if number <= lists.LARGE:
            at = at if at and len(at.keys) == MEMBER_KEYS else None
            return await lists.most_points(conn, shop, PAGE_SIZE, at)
        at = at if at and len(at.keys) == 1 else None
        return await lists.top(conn, shop, PAGE_SIZE, at)


async def figures(shop: str, ids: Sequence[str]) -> dict[str, MemberRow]:
    """The figures of those of the customers `ids` who are members, by customer id."""
    async with db.connection() as conn:
        return await lists.of_customers(conn, shop, ids)


async def member(
    shop: str,
    customer_id: str,
    at: Cursor | None = None,
    expiries_at: Cursor | None = None,
    asked: Asked = EVERYTHING,
) -> MemberDetail:
    """All there is to see of a member: what happened (of what is `asked`, at `at`) and what
    expires when (`expiries_at`) in pages. Raises NotFoundError.
    """
    as_of = datetime.now(UTC)
    async with db.connection() as conn:
        row = await _member_row(conn, shop, customer_id)
        expiries, expiries_links = await detail.expiries(conn, row["id"], expiries_at)
        events, events_links = await history.events(conn, shop, row["id"], asked, at)
        redeemed = await newest_redemptions(conn, shop, customer_id)
    figures = (row["available"], row["pending"], row["held"], row["debt"], row["sequence"])
    return MemberDetail(
        lists.member_row(row),
        _balance(customer_id, figures, as_of),
        expiries,
        expiries_links,
        events,
        events_links,
        redeemed,
        is_frozen=row["frozen_at"] is not None,
    )


async def events(
    shop: str, customer_id: str, asked: Asked, size: int, at: Cursor | None = None
) -> tuple[list[HistoryEvent], Links]:
    """What happened to a member's points, in pages of `size`. Raises NotFoundError."""
    async with db.connection() as conn:
        row = await _member_row(conn, shop, customer_id)
        return await history.events(conn, shop, row["id"], asked, at, size)


async def wanted_members(shop: str, wanted: Wanted, at: Cursor | None = None) -> Found:
    """A page of the customers a merchant asks for."""
    return await filters.page(shop, wanted, PAGE_SIZE, at)


async def bulk_adjustments(shop: str) -> list[BulkView]:
    """The newest changes of many customers' points, the newest first."""
    return await bulk.shown(shop)


async def _member_row(conn: Any, shop: str, customer_id: str) -> Any:
    row = await conn.fetchrow(
        f"SELECT {lists.COLUMNS} FROM members WHERE shop = $1 AND customer_id = $2",
        shop,
        customer_id,
    )
    if row is None:
        raise NotFoundError("There is no such customer in this shop.")
    return row


async def overview(shop: str, days: int = 30) -> Overview:
    """The figures of the home page, in the merchant's days; none of them is added up from the
    ledger, so they cost the same however many members there are.
    """
    async with db.connection() as conn:
        zone = (await terms.program(conn, shop)).timezone
        today = datetime.now(UTC).astimezone(calendar.zone(zone)).date()
        first = today - timedelta(days=days - 1)
        shown = [first + timedelta(days=index) for index in range(days)]
        bounds = [calendar.start_of_day(day, zone) for day in (*shown, today + timedelta(days=1))]
        number, outstanding = await totals.of_shop(conn, shop)
        moved = await totals.between(conn, shop, bounds)
        newest = await detail.newest(conn, shop, NEWEST)
    return Overview(
        number,
        outstanding,
        [Day(day, earned, spent) for day, (earned, spent) in zip(shown, moved, strict=True)],
        newest,
    )


async def balance_as_of(shop: str, customer_id: str, at: datetime, by: str = "recorded") -> Balance:
    """The balance as it was at `at`, by when rows were recorded, or by when they took effect
    (`effective`).
    """
    column = "effective_at" if by == "effective" else "recorded_at"

    def fold(bucket: str) -> str:
        return (
            f"COALESCE(sum(CASE '{bucket}' WHEN to_bucket THEN points WHEN from_bucket THEN "
            f"-points END), 0)::bigint"
        )

    async with db.connection() as conn:
        row = await conn.fetchrow(
            f"SELECT {fold('available')}, {fold('pending')}, {fold('held')}, -{fold('debt')}, "
            "COALESCE(max(ledger.sequence), 0) FROM ledger JOIN members ON members.id = member_id "
            f"WHERE members.shop = $1 AND customer_id = $2 AND {column} <= $3",
            shop,
            customer_id,
            at,
        )
    return _balance(customer_id, row, at)


def _balance(customer_id: str, figures: Any, as_of: datetime) -> Balance:
    available, pending, held, debt, sequence = figures
    return Balance(customer_id, available, pending, held, debt, sequence, as_of)
