"""What toy tells whoever runs it."""

from app import db
from app.telemetry.metrics import Scraped


async def scraped(count_max: int) -> list[Scraped]:
    """How many orders it has counted, up to `count_max`."""
    async with db.connection() as connection:
        counted: int = await connection.fetchval(
            "SELECT count(*)::int FROM (SELECT FROM toy_orders LIMIT $1) AS counted", count_max
        )
    return [Scraped("holdfast_toy_orders", "Orders counted", {"": counted})]
