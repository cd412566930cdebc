"""What referrals tells whoever runs it: links, codes and rewards that wait, counted at a scrape."""

from app import db
from app.telemetry.metrics import Scraped

# each along an index of what is waiting alone; a code or a reward that was put off waits from then
WAITING = """
SELECT (SELECT count(*)::int
          FROM (SELECT FROM referral_links WHERE status = 'queued' LIMIT $1) AS x) AS links,
       (SELECT extract(epoch FROM now() - asked_at) FROM referral_links
         WHERE status = 'queued' ORDER BY asked_at LIMIT 1)::float8 AS link_seconds,
       (SELECT extract(epoch FROM now() - next_attempt_at) FROM referrals
         WHERE next_attempt_at < now() ORDER BY next_attempt_at LIMIT 1)::float8 AS code_seconds,
       (SELECT extract(epoch FROM now() - due_at) FROM referrals
         WHERE due_at < now() AND verdict = 'allow' ORDER BY due_at LIMIT 1)::float8
       AS due_seconds
"""


async def scraped(count_max: int) -> list[Scraped]:
    """Its figures of this moment, links counted up to `count_max`."""
    async with db.connection() as connection:
        row = await connection.fetchrow(WAITING, count_max)

    def one(name: str, meaning: str, value: float | None) -> Scraped:
        return Scraped(name, meaning, {"": value or 0.0})

    return [
        one(
            "holdfast_referral_links_queued",
            "Links asked for and not made yet, up to 10,001",
            row["links"],
        ),
        one(
            "holdfast_referral_link_oldest_seconds",
            "Since when the oldest of them waits",
            row["link_seconds"],
        ),
        one(
            "holdfast_referral_codes_behind_seconds",
            "Since the first code of a friend could have been made or switched off",
            row["code_seconds"],
        ),
        one(
            "holdfast_referral_rewards_behind_seconds",
            "Since the first reward of an advocate is due, or a claim to lapse",
            row["due_seconds"],
        ),
    ]
