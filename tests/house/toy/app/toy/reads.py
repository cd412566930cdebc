"""What pages may ask of toy."""

from app import db


async def orders(shop: str) -> int:
    """How many paid orders of the shop there are."""
    async with db.connection() as connection:
        found: int = await connection.fetchval(
            "SELECT count(*) FROM toy_orders WHERE shop = $1", shop
        )
    return found
