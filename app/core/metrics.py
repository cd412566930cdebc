"""What core tells Prometheus of itself: how long ago what is not compared with Shopify began."""

from app.core.reconciliation import reads
from app.telemetry.metrics import Scraped


async def scraped(_count_max: int) -> list[Scraped]:
    """Ages in seconds, 0 where nothing is open, and the shops that fail for now."""
    rounds = await reads.rounds()
    return [
        Scraped(
            "holdfast_reconciliation_age_seconds",
            "Since the start of what is not compared with Shopify yet: a loss, a shop's round",
            {"loss": max(0.0, rounds.loss_seconds), "round": max(0.0, rounds.round_seconds)},
            "kind",
        ),
        Scraped(
            "holdfast_reconciliation_failing",
            "Shops that cannot be compared with Shopify for now",
            {"": float(rounds.failing)},
        ),
    ]
