"""Who is known to a shop: customers and guests, since when, and whether they ever ordered."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from app.db import Connection

Key = tuple[str, str]  # shop, person
PUT = """
INSERT INTO referral_people AS known (shop, person, email_key, known_at, first_order_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[])
    AS fresh (shop, person, email_key, known_at, first_order_at)
ON CONFLICT (shop, person) DO UPDATE
   SET known_at = least(known.known_at, excluded.known_at),
       first_order_at = least(known.first_order_at, excluded.first_order_at),
       email_key = CASE WHEN excluded.email_key <> '' THEN excluded.email_key
                        ELSE known.email_key END
 WHERE known.known_at > excluded.known_at
    OR COALESCE(known.first_order_at, 'infinity') > COALESCE(excluded.first_order_at, 'infinity')
    OR (excluded.email_key <> '' AND known.email_key <> excluded.email_key)
"""
# somebody by their customer, whoever they were merged into, or by the digest of their address
WHO = """
SELECT min(known_at) AS known_at, min(first_order_at) AS first_order_at FROM referral_people
 WHERE shop = $1 AND ((email_key = $2 AND email_key <> '') OR person = $3 OR merged_into = $3)
"""
CUSTOMER_OF = """
SELECT person FROM referral_people
 WHERE shop = $1 AND email_key = $2 AND person LIKE 'customer:%' AND merged_into IS NULL
 ORDER BY known_at DESC, person LIMIT 1
"""
KEYS_OF = """
SELECT email_key FROM referral_people
 WHERE shop = $1 AND (person = $2 OR merged_into = $2) AND email_key <> ''
"""
MERGED = """
SELECT shop, person, merged_into FROM referral_people
 WHERE (shop, person) IN (SELECT * FROM unnest($1::text[], $2::text[])) AND merged_into IS NOT NULL
"""


class Person(NamedTuple):
    """What a fact says of somebody."""

    email_key: str = ""
    known_at: datetime | None = None
    first_order_at: datetime | None = None


class Known(NamedTuple):
    """Since when the shop knows somebody, and when they first ordered."""

    known_at: datetime | None
    first_order_at: datetime | None


def customer(customer_id: str) -> str:
    return f"customer:{customer_id}"


def guest(email_key: str) -> str:
    return f"guest:{email_key}"


async def put(conn: Connection, told: Mapping[Key, Person]) -> None:
    """Note people, in the order of their keys; each is known since the earliest that was told."""
    rows = [(*key, *told[key]) for key in sorted(told)]
    if rows:
        await conn.execute(PUT, *(list(column) for column in zip(*rows, strict=True)))


async def who(conn: Connection, shop: str, email_key: str, customer_id: str = "") -> Known:
    """What is known of whoever has that address, or is that customer."""
    person = customer(customer_id) if customer_id else ""
    row = await conn.fetchrow(WHO, shop, email_key, person)
    assert row is not None
    return Known(row["known_at"], row["first_order_at"])


async def customer_of(conn: Connection, shop: str, email_key: str) -> str:
    """The customer that has that address; empty while there is none."""
    person = await conn.fetchval(CUSTOMER_OF, shop, email_key) if email_key else None
    return (person or "").removeprefix("customer:")


async def keys_of(conn: Connection, shop: str, customer_id: str) -> set[str]:
    """The digests of a customer's addresses, also of those who were merged into them."""
    rows = await conn.fetch(KEYS_OF, shop, customer(customer_id))
    return {row["email_key"] for row in rows}


async def kept_ids(conn: Connection, asked: Iterable[tuple[str, str]]) -> dict[Key, str]:
    """Into whom customers (shop, id) were merged, of those who were."""
    keys: Sequence[tuple[str, str]] = sorted({(shop, customer(one)) for shop, one in asked})
    if not keys:
        return {}
    rows = await conn.fetch(MERGED, *map(list, zip(*keys, strict=True)))
    return {
        (row["shop"], row["person"].removeprefix("customer:")): row["merged_into"].removeprefix(
            "customer:"
        )
        for row in rows
    }
