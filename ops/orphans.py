"""`python -m ops.orphans --since 2026-11-27T01:30:00+00:00 [--switch-off] [SHOP ...]`: codes and
gift cards at Shopify that say they are ours, and of which nothing is known since the database was
put back to that moment.

Store credit has no name, and is not found by this.
"""

import argparse
import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import httpx

from app import config, db
from app.core import made
from app.db import Stores
from app.errors import HoldfastError
from app.points.rewards import orphans as of_rewards
from app.referrals.claims import orphans as of_friends
from app.shopify.client import outgoing
from ops import here

ACTIVE = "SELECT domain FROM shops WHERE status = 'active' ORDER BY domain"


async def of_shop(
    stores: Stores, client: httpx.AsyncClient, shop: str, since: datetime, *, is_meant: bool
) -> list[str]:
    """A line for each; with `is_meant` those that were not used are switched off. Raises
    HoldfastError where Shopify does not tell, or do it.
    """
    found = await made.since(stores, client, shop, since)
    lost = [*await of_rewards.among(shop, found), *await of_friends.among(shop, found)]
    lines = []
    for one in lost:
        if one.is_used:
            became = "was used: nobody paid for it"
        elif not one.is_active:
            became = "is off already"
        elif is_meant:
            await made.switch_off(stores, client, shop, one)
            became = "is off now"
        else:
            became = "works, and nobody paid for it"
        lines.append(f"{shop}: {one.code or one.gid}, {one.name}, {became}")
    return lines


async def _main(shops: Sequence[str], since: datetime, *, is_meant: bool) -> int:
    settings, failed = config.load(), 0
    async with db.open_stores(settings) as stores, outgoing(settings) as client:
        if not shops:
            async with db.connection() as connection:
                shops = [row["domain"] for row in await connection.fetch(ACTIVE)]
        for shop in shops:
            try:
                lines = await of_shop(stores, client, shop, since, is_meant=is_meant)
            except HoldfastError as error:
                failed, lines = failed + 1, [f"{shop}: not looked through: {error.message}"]
            if lines:
                print("\n".join(lines))
    print(f"{len(shops) - failed} of {len(shops)} shops were looked through.")
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="ops.orphans", description=__doc__)
    parser.add_argument("--since", required=True, type=datetime.fromisoformat)
    parser.add_argument("--switch-off", action="store_true", help="make them worthless")
    parser.add_argument("shops", nargs="*", metavar="SHOP", help="all that have the app, else")
    asked = parser.parse_args()
    moment = asked.since if asked.since.tzinfo else asked.since.replace(tzinfo=UTC)
    here.use_local_servers()
    raise SystemExit(asyncio.run(_main(asked.shops, moment, is_meant=asked.switch_off)))
