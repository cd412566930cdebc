"""What pages and workers may ask about shops and their customers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app import db, paging, text
from app.core import customers as customers_written
from app.core.models import Shop
from app.paging import Cursor, Links

FOUND_MAX = 1_000  # a search for less than this is one nobody reads to its end
EMAIL_FOUND_LENGTH = 100  # what the index has of an address
_CUSTOMER = (
    "id, customer_id, name, sort_name, email, consent, deleted_at, merged_into, first_order_id, "
    "first_order_at"
)
BY_NAME = f"""
SELECT {_CUSTOMER} FROM customers
 WHERE shop = $1 AND deleted_at IS NULL AND (sort_name, id) > ($2, $3::bigint)
 ORDER BY sort_name, id LIMIT $4
"""
BY_NAME_BACKWARDS = f"""
SELECT {_CUSTOMER} FROM customers
 WHERE shop = $1 AND deleted_at IS NULL AND (sort_name, id) < ($2, $3::bigint)
 ORDER BY sort_name DESC, id DESC LIMIT $4
"""
# Each way is a short stretch of its own index. LIKE could not use them with a prepared statement.
_LAST_NAME = "substring(sort_name FROM '[^ ]+$')"
_EMAIL = f'lower(left(email, {EMAIL_FOUND_LENGTH})) COLLATE "C"'
_FOUND = f"""
WITH found AS (
    (SELECT id FROM customers
      WHERE shop = $1 AND deleted_at IS NULL AND sort_name >= $5 AND sort_name < $6
      ORDER BY sort_name, id LIMIT {FOUND_MAX + 1})
    UNION
    (SELECT id FROM customers
      WHERE shop = $1 AND sort_name LIKE '% %' AND {_LAST_NAME} >= $5 AND {_LAST_NAME} < $6
      ORDER BY {_LAST_NAME} LIMIT {FOUND_MAX + 1})
    UNION
    (SELECT id FROM customers
      WHERE shop = $1 AND email <> '' AND {_EMAIL} >= $7 AND {_EMAIL} < $8
      ORDER BY {_EMAIL} LIMIT {FOUND_MAX + 1})
    UNION
    (SELECT id FROM customers WHERE shop = $1 AND customer_id = $9)
)
SELECT {_CUSTOMER}, (SELECT count(*) FROM found) AS total
  FROM customers WHERE id IN (SELECT id FROM found)
"""
FIND = f"{_FOUND} AND (sort_name, id) > ($2, $3::bigint) ORDER BY sort_name, id LIMIT $4"
FIND_BACKWARDS = (
    f"{_FOUND} AND (sort_name, id) < ($2, $3::bigint) ORDER BY sort_name DESC, id DESC LIMIT $4"
)
_NOTE = "id, text, written_by, written_at"
NOTES_SIZE = 5
NOTES = f"""
SELECT {_NOTE} FROM customer_notes WHERE shop = $1 AND customer_id = $2 AND id < $3
 ORDER BY id DESC LIMIT $4
"""
NOTES_BACKWARDS = f"""
SELECT {_NOTE} FROM customer_notes WHERE shop = $1 AND customer_id = $2 AND id > $3
 ORDER BY id LIMIT $4
"""
LAST_ORDERS = """
SELECT customer_id, ordered_at FROM last_orders WHERE shop = $1 AND customer_id = ANY($2::text[])
"""
ORDERED = """
SELECT customer_id, ordered_at FROM last_orders
 WHERE shop = $1 AND ordered_at >= $2 AND ordered_at < $3 AND (ordered_at, customer_id) < ($4, $5)
 ORDER BY ordered_at DESC, customer_id DESC LIMIT $6
"""
ORDERED_BACKWARDS = """
SELECT customer_id, ordered_at FROM last_orders
 WHERE shop = $1 AND ordered_at >= $2 AND ordered_at < $3 AND (ordered_at, customer_id) > ($4, $5)
 ORDER BY ordered_at, customer_id LIMIT $6
"""
_NEWEST_ID = 9_000_000_000_000_000_000  # behind every row


@dataclass(frozen=True, slots=True)
class ShopInfo:
    """A shop as pages show it; `status` is active, needs_reopen or uninstalled."""

    domain: str
    name: str
    currency: str
    timezone: str
    status: str
    plan: str
    installed_at: datetime
    uninstalled_at: datetime | None


@dataclass(frozen=True, slots=True)
class CustomerInfo:
    """Who a customer is; name and e-mail are empty when they were never told, or are deleted."""

    customer_id: str
    name: str
    email: str
    consent: str
    is_deleted: bool
    merged_into: str | None
    first_order_id: str | None
    first_order_at: datetime | None


@dataclass(frozen=True, slots=True)
class CustomerPage:
    """A page of customers; `total` and `is_more` (than it) are said by searches alone."""

    customers: list[CustomerInfo]
    links: Links = field(default_factory=Links)
    total: int = 0
    is_more: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """What staff wrote about a customer; `written_by` is their id at Shopify."""

    id: int
    text: str
    written_by: str
    written_at: datetime


async def shop(domain: str) -> ShopInfo | None:
    """The shop of this `name.myshopify.com` domain, or None when it never installed the app."""
    row = await Shop.get_or_none(domain=domain)
    if row is None:
        return None
    return ShopInfo(
        row.domain,
        row.name,
        row.currency,
        row.timezone,
        row.status,
        row.plan,
        row.installed_at,
        row.uninstalled_at,
    )


async def known_shops(shops: Iterable[str]) -> set[str]:
    """Those of `shops` that ever installed the app, uninstalled ones too: their last webhooks
    come afterwards.
    """
    async with db.connection() as connection:
        rows = await connection.fetch(
            "SELECT domain FROM shops WHERE domain = ANY($1::text[])", list(shops)
        )
    return {row["domain"] for row in rows}


async def customers(shop: str, ids: Iterable[str]) -> dict[str, CustomerInfo]:
    """Those of the customers `ids` core has heard of, by their id."""
    async with db.connection() as connection:
        rows = await connection.fetch(
            f"SELECT {_CUSTOMER} FROM customers WHERE shop = $1 AND customer_id = ANY($2::text[])",
            shop,
            list(ids),
        )
    return {row["customer_id"]: _info(row) for row in rows}


async def last_orders(shop: str, ids: Iterable[str]) -> dict[str, datetime]:
    """When those of the customers `ids` who ever ordered did so last."""
    async with db.connection() as connection:
        rows = await connection.fetch(LAST_ORDERS, shop, list(ids))
    return {row["customer_id"]: row["ordered_at"] for row in rows}


async def ordered(
    shop: str, since: datetime, before: datetime, number: int, at: Cursor | None = None
) -> list[tuple[str, datetime]]:
    """Up to `number` customers whose last order was in that time, and when: the latest first, or
    backwards from the cursor, which names one by microseconds and customer id.
    """
    statement = ORDERED_BACKWARDS if at and at.is_backwards else ORDERED
    start = (paging.moment(at.keys[0]), str(at.keys[1])) if at else (paging.NEVER, "")
    async with db.connection() as connection:
        rows = await connection.fetch(statement, shop, since, before, *start, number)
    return [(row["customer_id"], row["ordered_at"]) for row in rows]


async def notes(shop: str, customer_id: str, at: Cursor | None = None) -> tuple[list[Note], Links]:
    """A page of the notes about a customer, the newest first."""
    statement = NOTES_BACKWARDS if at and at.is_backwards else NOTES
    start = at.keys[0] if at else _NEWEST_ID
    async with db.connection() as connection:
        found = await connection.fetch(statement, shop, customer_id, start, NOTES_SIZE + 1)
    rows, has_previous, has_next = paging.cut(found, at, NOTES_SIZE)
    links = Links()
    if rows:
        links = paging.links(str(rows[0]["id"]), str(rows[-1]["id"]), has_previous, has_next)
    return [Note(**row) for row in rows], links


async def names(shop: str, ids: Iterable[str]) -> dict[str, str]:
    """The names of those of the customers `ids` who are known by one."""
    found = await customers(shop, ids)
    return {one.customer_id: one.name for one in found.values() if one.name}


async def customers_by_name(shop: str, size: int, at: Cursor | None = None) -> CustomerPage:
    """A page of a shop's customers by name, those without one at the end; deleted ones are not
    listed.
    """
    async with db.connection() as connection:
        start = await _start(connection, shop, at)
        if start is None:
            at, start = None, ("", 0)
        statement = BY_NAME_BACKWARDS if at and at.is_backwards else BY_NAME
        rows = await connection.fetch(statement, shop, *start, size + 1)
    return _page(rows, at, size)


async def find_customers(
    shop: str, search: str, size: int, at: Cursor | None = None
) -> CustomerPage:
    """Customers by what their name, their last name or their e-mail address begins with, or by
    their whole id.

    Capital letters and accents do not matter. Of each way the first FOUND_MAX are found.
    """
    async with db.connection() as connection:
        start = await _start(connection, shop, at)
        if start is None:
            at, start = None, ("", 0)
        statement = FIND_BACKWARDS if at and at.is_backwards else FIND
        rows = await connection.fetch(
            statement,
            shop,
            *start,
            size + 1,
            *_begins_with(text.fold(search)[: customers_written.SORT_LENGTH]),
            *_begins_with(search.strip().lower()[:EMAIL_FOUND_LENGTH]),
            search.strip(),
        )
    total = rows[0]["total"] if rows else 0
    page = _page(rows, at, size)
    return CustomerPage(page.customers, page.links, min(total, FOUND_MAX), total > FOUND_MAX)


def _begins_with(prefix: str) -> tuple[str, str]:
    """From where (inclusive) to where (exclusive) texts begin with it; nothing does with
    nothing.
    """
    return (prefix, prefix + customers_written.NAMELESS) if prefix else ("", "")


async def _start(connection: Any, shop: str, at: Cursor | None) -> tuple[str, int] | None:
    """The place of the row a page starts at; its name does not travel in addresses."""
    if at is None:
        return None
    row = await connection.fetchrow(
        "SELECT sort_name, id FROM customers WHERE shop = $1 AND id = $2", shop, at.keys[0]
    )
    return (row["sort_name"], row["id"]) if row else None


def _page(rows: Sequence[Any], at: Cursor | None, size: int) -> CustomerPage:
    shown, has_previous, has_next = paging.cut(rows, at, size)
    links = Links()
    if shown:
        links = paging.links(str(shown[0]["id"]), str(shown[-1]["id"]), has_previous, has_next)
    return CustomerPage([_info(row) for row in shown], links)


def _info(row: Any) -> CustomerInfo:
    return CustomerInfo(
        row["customer_id"],
        row["name"],
        row["email"],
        row["consent"],
        row["deleted_at"] is not None,
        row["merged_into"],
        row["first_order_id"],
        row["first_order_at"],
    )
