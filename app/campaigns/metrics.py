"""What campaigns tells whoever runs it, counted at a scrape."""

from app import db
from app.telemetry.metrics import Scraped

STATES = ("draft", "live", "paused", "ended")
COUNT = """
SELECT state, count(*)::int AS campaigns
  FROM (SELECT state FROM campaigns LIMIT $1) AS counted GROUP BY state
"""


async def scraped(count_max: int) -> list[Scraped]:
    """How many campaigns there are by state, of `count_max` at most."""
    async with db.connection() as connection:
        rows = await connection.fetch(COUNT, count_max)
    found = {row["state"]: float(row["campaigns"]) for row in rows}
    return [
        Scraped(
            "holdfast_campaigns",
            "Campaigns of all shops by state, 10,001 of them at most",
            {state: found.get(state, 0.0) for state in STATES},
            "state",
        )
    ]
