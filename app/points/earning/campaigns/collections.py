"""Which products are in the collections that rules name: asked of Shopify, and kept for the time
when it does not answer.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import httpx

from app import db, text
from app.config import Config
from app.core import admin_api
from app.db import Connection, Row
from app.errors import HoldfastError, UnavailableError
from app.points.ledger.accounts import Key
from app.resilience import apart
from app.telemetry import logs

PAGE = 250
PRODUCTS_MAX = 10_000  # of a collection: the first ones count
REFRESH_SECONDS, AGAIN_SECONDS = 6 * 3600.0, 300.0
PAGES_MAX = 1_000  # with something in them or not
OLD_SECONDS = 24 * 3600.0  # since its last fetch; then it is marked
BATCH = 10
WANT = """
INSERT INTO collections AS old (shop, collection_id, title, fetched_at, due_at, problem)
SELECT DISTINCT shop, collection_id, '', NULL::timestamptz, now(), ''
  FROM unnest($1::text[], $2::text[]) AS wanted (shop, collection_id) ORDER BY 1, 2
ON CONFLICT (shop, collection_id) DO UPDATE SET due_at = now() WHERE old.due_at IS NULL
"""
CHANGED = """
UPDATE collections SET due_at = now()
  FROM unnest($1::text[], $2::text[]) AS told (shop, collection_id)
 WHERE collections.shop = told.shop AND collections.collection_id = told.collection_id
"""
# booked before it is asked: who dies over it, or a second process, leaves no gap
DUE = """
UPDATE collections SET due_at = now() + make_interval(secs => $2)
 WHERE id IN (SELECT id FROM collections WHERE due_at <= now()
               ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING shop, collection_id
"""
FETCHED = """
UPDATE collections SET title = $3, fetched_at = $4, problem = $5,
                       due_at = now() + make_interval(secs => $6)
 WHERE shop = $1 AND collection_id = $2
"""
FAILED = "UPDATE collections SET problem = $3 WHERE shop = $1 AND collection_id = $2"
REMOVE = """
DELETE FROM collection_products
 WHERE shop = $1 AND collection_id = $2 AND product_id <> ALL($3::text[])
"""
ADD = """
INSERT INTO collection_products (shop, collection_id, product_id)
SELECT $1, $2, product_id FROM unnest($3::text[]) AS product_id
ON CONFLICT DO NOTHING
"""
SELECT = """
SELECT wanted.shop, wanted.collection_id, found.product_id
  FROM unnest($1::text[], $2::text[]) AS wanted (shop, collection_id)
  JOIN collection_products AS found
    ON found.shop = wanted.shop AND found.collection_id = wanted.collection_id
 WHERE found.product_id = ANY($3::text[])
"""
STATES = """
SELECT collection_id, title, fetched_at, problem FROM collections
 WHERE shop = $1 AND collection_id = ANY($2::text[])
"""
log = logs.logger()
Where = dict[Key, frozenset[str]]  # by shop and product: its collections, of those asked about


class State(NamedTuple):
    """A collection that rules name, and how old what is known of it is."""

    collection_id: str
    title: str
    fetched_at: datetime | None
    problem: str

    @property
    def is_old(self) -> bool:
        if self.fetched_at is None:
            return True
        return (datetime.now(UTC) - self.fetched_at).total_seconds() > OLD_SECONDS


async def want(conn: Connection, keys: Sequence[Key]) -> None:
    """Rules name these from now on."""
    if keys:
        await conn.execute(WANT, *map(list, zip(*keys, strict=True)))


async def told_changed(conn: Connection, keys: Sequence[Key]) -> None:
    """Shopify says that these changed; those nobody names stay unknown."""
    if keys:
        await conn.execute(CHANGED, *map(list, zip(*keys, strict=True)))


async def holding(conn: Connection, wanted: Iterable[Key], products: Iterable[str]) -> Where:
    """Which of these collections hold which of these products."""
    keys, ids = sorted(set(wanted)), sorted(set(products) - {""})
    if not keys or not ids:
        return {}
    found: dict[Key, set[str]] = {}
    for row in await conn.fetch(SELECT, *map(list, zip(*keys, strict=True)), ids):
        found.setdefault((row["shop"], row["product_id"]), set()).add(row["collection_id"])
    return {key: frozenset(names) for key, names in found.items()}


def of_shop(where: Where, shop: str) -> dict[str, frozenset[str]]:
    """The collections of products of one shop."""
    return {product: names for (name, product), names in where.items() if name == shop}


async def states(shop: str, ids: Sequence[str]) -> list[State]:
    async with db.connection() as conn:
        rows = await conn.fetch(STATES, shop, list(ids))
    return [State(*row) for row in rows]


async def refresh(client: httpx.AsyncClient, config: Config) -> int:
    """Fetch those whose turn it is; returns how many. One at fault holds up no other."""
    async with db.connection() as conn:
        rows = await conn.fetch(DUE, BATCH, AGAIN_SECONDS)

    async def one(row: Row) -> int:
        await _refresh(client, config, row["shop"], row["collection_id"])
        return 1

    await apart.each("collections", rows, one)
    return len(rows)


async def _refresh(
    client: httpx.AsyncClient, config: Config, shop: str, collection_id: str
) -> None:
    try:
        title, products, problem = await _fetch(client, config, shop, collection_id)
    except HoldfastError as error:
        log.info("collection not fetched", shop=shop, reason=error.code)
        async with db.connection() as conn:
            await conn.execute(FAILED, shop, collection_id, error.message)
        return
    async with db.transaction() as conn:
        await conn.execute(REMOVE, shop, collection_id, products)
        await conn.execute(ADD, shop, collection_id, products)
        now = datetime.now(UTC)
        await conn.execute(FETCHED, shop, collection_id, title, now, problem, REFRESH_SECONDS)


async def _fetch(
    client: httpx.AsyncClient, config: Config, shop: str, collection_id: str
) -> tuple[str, list[str], str]:
    """Its title, the ids of its products, and what is wrong with it. Raises what a call does."""
    products: list[str] = []
    variables: dict[str, Any] = {"id": f"gid://shopify/Collection/{collection_id}", "first": PAGE}
    for _ in range(PAGES_MAX):
        data = await admin_api.call(client, config, shop, "collection_products", variables)
        found = data["collection"]
        if found is None:
            return "", [], "This collection does not exist in Shopify any more."
        page = found["products"]
        products += [str(one["id"]).rpartition("/")[2] for one in page["nodes"]]
        title = text.clean(str(found["title"]), 255)
        if not page["pageInfo"]["hasNextPage"]:
            return title, products, ""
        if len(products) >= PRODUCTS_MAX:
            return title, products, f"Only its first {PRODUCTS_MAX:,} products count."
        variables["after"] = page["pageInfo"]["endCursor"]
    raise UnavailableError("Shopify does not come to an end with this collection.")
