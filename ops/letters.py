"""`python -m ops.letters [--replay SHOP]`: what was set aside in all shops, by its reason."""

import argparse
import asyncio

from app import config, db
from app.flow import dead_letters
from ops import here

REASONS_MAX, REASON_LENGTH_MAX = 20, 120
COUNTED_MAX = 100_000
BY_REASON = """
SELECT service, state, topic, reason, count(*)::int AS count, count(DISTINCT shop)::int AS shops,
       min(shop) AS shop, min(created_at) AS since
  FROM (SELECT service, state, topic, reason, shop, created_at FROM dead_letters
         WHERE state IN ('waiting', 'dead') ORDER BY id DESC LIMIT $1) AS newest
 GROUP BY service, state, topic, reason ORDER BY count(*) DESC LIMIT $2
"""


async def by_reason() -> list[str]:
    """A line for each of the twenty reasons that most letters have, of the newest 100,000."""
    async with db.connection() as connection:
        rows = await connection.fetch(BY_REASON, COUNTED_MAX, REASONS_MAX)
    return [
        f"{row['count']} {row['state']} of {row['service']}, {row['topic']}, since "
        f"{row['since']:%Y-%m-%d %H:%M}, {row['shops']} shops (one is {row['shop'] or 'unknown'}): "
        f"{row['reason'][:REASON_LENGTH_MAX]}"
        for row in rows
    ]


async def _main(shop: str) -> None:
    async with db.open_stores(config.load()):
        if shop:
            count = await dead_letters.replay_all(shop)
            print(f"{count} of {shop} are tried again within a second or two.")
        else:
            print("\n".join(await by_reason()) or "Nothing is set aside.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="ops.letters", description=__doc__)
    parser.add_argument("--replay", metavar="SHOP", default="", help="try all of a shop again")
    asked = parser.parse_args()
    here.use_local_servers()
    asyncio.run(_main(asked.replay))
