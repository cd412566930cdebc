"""What toy writes."""

from collections.abc import Sequence

from app.db import Connection

COUNT = """
INSERT INTO toy_orders (shop, order_id) SELECT * FROM unnest($1::text[], $2::text[])
ON CONFLICT (shop, order_id) DO NOTHING
"""


async def count(connection: Connection, orders: Sequence[tuple[str, str]]) -> None:
    """Count (shop, order id) pairs; a repeat changes nothing."""
    shops, ids = zip(*orders, strict=True)
    await connection.execute(COUNT, list(shops), list(ids))
