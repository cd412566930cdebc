"""What points tells whoever runs it: how much is held, and what it is behind with, counted at a
scrape.
"""

from app import db
from app.points.rewards import reads
from app.telemetry.metrics import Scraped

# each along an index of what is waiting alone
BEHIND = """
SELECT (SELECT count(*)::int FROM (SELECT FROM tier_shops WHERE stage <> 'done' LIMIT $1) AS x)
       AS placings,
       (SELECT extract(epoch FROM now() - min(asked_at))
          FROM (SELECT asked_at FROM tier_shops WHERE stage <> 'done' LIMIT $1) AS x)::float8
       AS placing_seconds,
       (SELECT extract(epoch FROM now() - walk_at) FROM ways
         WHERE kind = 'birthday' AND is_active AND walk_at < now()
         ORDER BY walk_at LIMIT 1)::float8 AS birthdays_seconds,
       (SELECT extract(epoch FROM now() - due_at) FROM saga_steps
         WHERE state = 'waiting' AND due_at < now() ORDER BY due_at LIMIT 1)::float8
       AS steps_seconds
"""


async def scraped(count_max: int) -> list[Scraped]:
    """Its figures of this moment, each counted up to `count_max`."""
    held = await reads.held(count_max)
    async with db.connection() as connection:
        behind = await connection.fetchrow(BEHIND, count_max)

    def one(name: str, meaning: str, value: float | None) -> Scraped:
        return Scraped(name, meaning, {"": value or 0.0})

    return [
        one(
            "holdfast_held_redemptions",
            "Redemptions whose points are held, counted up to 10,001",
            held.redemptions,
        ),
        one(
            "holdfast_held_oldest_seconds",
            "Since when the oldest of them is held",
            held.oldest_seconds,
        ),
        one(
            "holdfast_tier_placings",
            "Shops whose members are being placed in tiers anew, counted up to 10,001",
            behind["placings"],
        ),
        one(
            "holdfast_tier_placing_oldest_seconds",
            "Since when the oldest of them was asked for",
            behind["placing_seconds"],
        ),
        one(
            "holdfast_birthdays_behind_seconds",
            "Since the first day began whose birthdays have not all been given their points",
            behind["birthdays_seconds"],
        ),
        one(
            "holdfast_steps_behind_seconds",
            "Since the first step that waits of a welcome or a redemption could have been done",
            behind["steps_seconds"],
        ),
    ]
