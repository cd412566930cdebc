"""What points tells whoever runs it: how much is held, and since when, counted at a scrape."""

from app.points.rewards import reads
from app.telemetry.metrics import Scraped


async def scraped(count_max: int) -> list[Scraped]:
    """Its figures of this moment, each counted up to `count_max`."""
    held = await reads.held(count_max)
    return [
        Scraped(
            "holdfast_held_redemptions",
            "Redemptions whose points are held, counted up to 10,001",
            {"": held.redemptions},
        ),
        Scraped(
            "holdfast_held_oldest_seconds",
            "Since when the oldest of them is held",
            {"": held.oldest_seconds},
        ),
    ]
