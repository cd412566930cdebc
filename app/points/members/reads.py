"""What pages may ask of points; every read takes the shop first and sees nothing of any other
shop.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from app import calendar, db, rooms
from app.db import Stores
from app.errors import NotFoundError
from app.points.earning import terms
from app.points.ledger import balances, sentences
from app.points.views import (
    Activity,
    Balance,
    Day,
    LedgerView,
    LotView,
    MemberDetail,
    MemberPage,
    MemberRow,
    Overview,
    Program,
    RedemptionView,
    RewardView,
)
from app.resilience import cache
from app.resilience.guard import Resource
from app.resilience.reading import Reading

PAGE_SIZE = 25
ROWS_MAX = 200  # of the ledger and of lots, on a member's page
NEWEST = 10
REDEMPTIONS_MAX = 20
VERSIONS_MAX = 20
READS = Resource("points reads", room=rooms.STOREFRONT, by_shop=True)
SORTS = {
    "recent": "updated_at DESC, id DESC",
    "points": "available DESC, id",
    "name": "name = '', lower(name), id",
}
REDEMPTION_COLUMNS = "id, state, code, title, points, reason, created_at"
# a day at a time: each is a short stretch of the index, and no row's time has to be converted
SELECT_DAYS = """
SELECT total.earned, total.spent
  FROM unnest($2::timestamptz[], $3::timestamptz[]) WITH ORDINALITY AS day (starts_at, ends_at,
              place),
       LATERAL (SELECT COALESCE(sum(points) FILTER (WHERE effect = 'earn'), 0)::bigint AS earned,
                       COALESCE(sum(points) FILTER (WHERE effect = 'capture'), 0)::bigint AS spent
                  FROM ledger
                 WHERE shop = $1 AND effective_at >= day.starts_at AND effective_at < day.ends_at
                   AND effect IN ('earn', 'capture')) AS total
 ORDER BY day.place
"""
_MEMBER = "customer_id, name, email, available, pending, held, debt, issued, joined_at, updated_at"
_LISTED = "shop = $1 AND (deleted_at IS NULL OR sequence > 0)"
_FOUND = f"{_LISTED} AND ($2 = '' OR name ILIKE $3 OR email ILIKE $3 OR customer_id = $2)"


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


async def balance_reading(stores: Stores, shop: str, customer_id: str) -> Reading[Balance]:
    """The balance from the cache while that is fresh, else from the database, else the last one
    known, marked.
    """
    return await cache.read_through(
        stores.cache,
        balances.cache_key(shop, customer_id),
        lambda: balance(shop, customer_id),
        READS,
        encode=balances.encode,
        decode=balances.decoder.decode,
        sequence=lambda found: found.sequence,
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


async def rewards(shop: str, active_only: bool = False) -> list[RewardView]:
    """The shop's rewards, the cheapest first."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT id, title, cost, amount_off, is_active FROM rewards "
            "WHERE shop = $1 AND (is_active OR NOT $2) ORDER BY cost, id",
            shop,
            active_only,
        )
    return [RewardView(str(row["id"]), *tuple(row)[1:]) for row in rows]


async def redemptions(shop: str, customer_id: str) -> list[RedemptionView]:
    """The newest 20 redemptions of this customer."""
    async with db.connection() as conn:
        return await _redemptions(conn, shop, customer_id)


async def waiting_redemptions(shop: str) -> int:
    """How many redemptions of the shop are still without their code."""
    async with db.connection() as conn:
        found: int = await conn.fetchval(
            "SELECT count(*) FROM redemptions WHERE state = 'held' AND shop = $1", shop
        )
    return found


async def members(shop: str, search: str = "", sort: str = "recent", page: int = 1) -> MemberPage:
    """One page of members; `search` in name, email or customer id; sort: recent | points | name."""
    search = search.replace("\x00", "").strip()
    pattern = "%" + search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    order = SORTS.get(sort, SORTS["recent"])
    async with db.connection() as conn:
        total: int = await conn.fetchval(
            f"SELECT count(*) FROM members WHERE {_FOUND}",
            shop,
            search,
            pattern,
        )
        pages = max(1, -(-total // PAGE_SIZE))
        page = min(max(page, 1), pages)
        rows = await conn.fetch(
            f"SELECT {_MEMBER} FROM members WHERE {_FOUND} ORDER BY {order} LIMIT $4 OFFSET $5",
            shop,
            search,
            pattern,
            PAGE_SIZE,
            (page - 1) * PAGE_SIZE,
        )
    return MemberPage([MemberRow(*row) for row in rows], total, page, pages)


async def member(shop: str, customer_id: str) -> MemberDetail:
    """All there is to see of a member. Raises NotFoundError."""
    as_of = datetime.now(UTC)
    async with db.connection() as conn:
        row = await conn.fetchrow(
            f"SELECT {_MEMBER}, id, sequence, frozen_at FROM members "
            "WHERE shop = $1 AND customer_id = $2",
            shop,
            customer_id,
        )
        if row is None:
            raise NotFoundError("There is no such customer in this shop.")
        lots = await conn.fetch(
            "SELECT id, source, granted, remaining, is_pending, available_at, expires_at FROM lots "
            "WHERE member_id = $1 AND remaining > 0 "
            "ORDER BY expires_at NULLS LAST, available_at, id LIMIT $2",
            row["id"],
            ROWS_MAX,
        )
        rows = await conn.fetch(
            "SELECT sequence, source, effect, from_bucket, to_bucket, points, why, "
            "effective_at, recorded_at FROM ledger WHERE member_id = $1 "
            "ORDER BY sequence DESC LIMIT $2",
            row["id"],
            ROWS_MAX,
        )
        redeemed = await _redemptions(conn, shop, customer_id)
    figures = (row["available"], row["pending"], row["held"], row["debt"], row["sequence"])
    return MemberDetail(
        MemberRow(*tuple(row)[:10]),
        _balance(customer_id, figures, as_of),
        [LotView(str(lot["id"]), *tuple(lot)[1:]) for lot in lots],
        [_ledger_view(one) for one in rows],
        redeemed,
        is_frozen=row["frozen_at"] is not None,
    )


async def overview(shop: str, days: int = 30) -> Overview:
    """The figures of the home page: set-based, and within its deadline at 100,000 members."""
    async with db.connection() as conn:
        zone = (await terms.program(conn, shop)).timezone
        today = datetime.now(UTC).astimezone(calendar.zone(zone)).date()
        first = today - timedelta(days=days - 1)
        shown = [first + timedelta(days=index) for index in range(days)]
        starts = [calendar.start_of_day(day, zone) for day in (*shown, today + timedelta(days=1))]
        counted, outstanding = await conn.fetchrow(
            f"SELECT count(*), COALESCE(sum(available + pending + held), 0)::bigint FROM members "
            f"WHERE {_LISTED}",
            shop,
        )
        rows = await conn.fetch(SELECT_DAYS, shop, starts[:-1], starts[1:])
        newest = await conn.fetch(
            "SELECT member.customer_id, member.name, row.effect, row.from_bucket, row.to_bucket, "
            "row.points, row.why, row.effective_at FROM "
            "(SELECT * FROM ledger WHERE shop = $1 ORDER BY effective_at DESC LIMIT $2) AS row "
            "JOIN members AS member ON member.id = row.member_id "
            "ORDER BY row.effective_at DESC, row.id DESC",
            shop,
            NEWEST,
        )
    return Overview(
        counted,
        outstanding,
        [Day(day, row["earned"], row["spent"]) for day, row in zip(shown, rows, strict=True)],
        [_activity(row) for row in newest],
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


def redemption_view(row: Any) -> RedemptionView:
    """A redemption as its shopper may see it, from a row with REDEMPTION_COLUMNS."""
    state = row["state"]
    message = {
        "held": "Your reward is being prepared; its points are set aside.",
        "captured": "Your code is ready.",
        "used": "Your code was used.",
    }.get(state, row["reason"])
    code = row["code"] if state in {"captured", "used"} else ""
    return RedemptionView(
        str(row["id"]), state, code, row["title"], row["points"], message, row["created_at"]
    )


async def _redemptions(conn: Any, shop: str, customer_id: str) -> list[RedemptionView]:
    rows = await conn.fetch(
        f"SELECT {REDEMPTION_COLUMNS} FROM redemptions WHERE shop = $1 AND customer_id = $2 "
        "ORDER BY created_at DESC, id LIMIT $3",
        shop,
        customer_id,
        REDEMPTIONS_MAX,
    )
    return [redemption_view(row) for row in rows]


def _balance(customer_id: str, figures: Any, as_of: datetime) -> Balance:
    available, pending, held, debt, sequence = figures
    return Balance(customer_id, available, pending, held, debt, sequence, as_of)


def _ledger_view(row: Any) -> LedgerView:
    points = row["points"]
    return LedgerView(
        row["sequence"],
        row["source"],
        row["effect"],
        row["from_bucket"],
        row["to_bucket"],
        points,
        _change(row),
        sentences.sentence(row["effect"], points, row["why"]),
        row["effective_at"],
        row["recorded_at"],
    )


def _activity(row: Any) -> Activity:
    text = sentences.sentence(row["effect"], row["points"], row["why"])
    return Activity(
        row["customer_id"],
        row["name"],
        row["effect"],
        row["to_bucket"],
        row["points"],
        _change(row),
        text,
        row["effective_at"],
    )


def _change(row: Any) -> int:
    """What a movement did to the available points."""
    points: int = row["points"]
    return (
        points
        if row["to_bucket"] == "available"
        else -points
        if row["from_bucket"] == "available"
        else 0
    )
