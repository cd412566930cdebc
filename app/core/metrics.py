"""What core tells Prometheus of itself: how long ago what is not compared with Shopify began."""

from datetime import UTC, datetime

from app.core.reconciliation import reads
from app.flow.lanes import losses
from app.telemetry.metrics import Scraped


async def scraped(_count_max: int) -> list[Scraped]:
    """Ages in seconds, 0 where nothing is open, and the shops that cannot be asked."""
    noted, rounds = await losses.still_open(), await reads.rounds()
    now = datetime.now(UTC)
    loss_seconds = max(((now - one.loss.lost_from).total_seconds() for one in noted), default=0.0)
    return [
        Scraped(
            "holdfast_reconciliation_age_seconds",
            "Since the start of what is not compared with Shopify yet: a loss, a shop's round",
            {"loss": loss_seconds, "round": max(0.0, rounds.oldest_seconds)},
            "kind",
        ),
        Scraped(
            "holdfast_reconciliation_failing",
            "Shops that cannot be compared with Shopify for now",
            {"": float(rounds.failing)},
        ),
    ]
