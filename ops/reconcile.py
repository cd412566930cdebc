"""`python -m ops.reconcile --since 2026-11-27T01:30 [--until ...] [SHOP ...]`: asks Shopify what
changed in that time, and has told again what is not known here.

Safe to repeat: what is known is not told, and what is told twice counts once. It ends 1 where a
shop could not be looked through.
"""

import argparse
import asyncio
import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import httpx

from app import config, db
from app.core.reconciliation import looking, rules
from app.core.reconciliation.looking import Looker
from app.core.reconciliation.rules import Look
from app.db import Stores
from app.errors import HoldfastError
from app.flow.kept import packing
from app.shopify.client import outgoing
from ops import here

ACTIVE = "SELECT domain FROM shops WHERE status = 'active' ORDER BY domain"
TRIES_MAX = 5  # of a shop, each from where the one before it came to
PAUSE_SECONDS = 5.0


async def of_shop(
    stores: Stores, client: httpx.AsyncClient, shop: str, since: datetime, until: datetime
) -> Look:
    """The look at a shop, once it is done. Raises HoldfastError where Shopify does not tell."""
    look = Look(shop, since, until)
    looker = Looker(stores, client, math.inf, asyncio.Event())

    async def save(_: Look) -> None:
        """Nobody goes on with a look by hand."""

    for tries in range(1, TRIES_MAX + 1):
        try:
            await looking.go_on(looker, look, save)
        except HoldfastError as error:
            if error.permanent or tries == TRIES_MAX:
                raise
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            break
    return look


def line(look: Look, seconds: float) -> str:
    """What a look found, in words."""
    known = max(0, look.found - look.told - look.waiting)
    others = f", and {look.others:,} of customers and the shop" if look.others else ""
    waiting = f"; {look.waiting:,} wait in the lane from before" if look.waiting else ""
    return (
        f"{look.shop}: {look.found:,} orders had changed, {known:,} were known, "
        f"{look.told:,} are told again{others}{waiting} ({seconds:.1f} s)"
    )


async def _main(shops: Sequence[str], since: datetime, until: datetime) -> int:
    settings, failed, told = config.load(), 0, 0
    packing.use_keys(settings.token_keys)  # what is known here stands in kept webhooks
    async with db.open_stores(settings) as stores, outgoing(settings) as client:
        if not shops:
            async with db.connection() as connection:
                shops = [row["domain"] for row in await connection.fetch(ACTIVE)]
        for shop in shops:
            began = time.monotonic()
            try:
                look = await of_shop(stores, client, shop, since, until)
            except HoldfastError as error:
                failed += 1
                print(f"{shop}: not looked through: {error.message}")
            else:
                told += look.news
                print(line(look, time.monotonic() - began))
    print(f"{len(shops) - failed} of {len(shops)} shops were looked through.")
    if told:
        print("Look once more in ten minutes: Shopify's search may be behind.")
    return 1 if failed else 0


def _moment(said: str) -> datetime:
    found = datetime.fromisoformat(said)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ops.reconcile", description=__doc__)
    parser.add_argument("--since", required=True, type=_moment, help="such as 2026-11-27T01:30")
    parser.add_argument("--until", type=_moment, help="now, else")
    parser.add_argument("shops", nargs="*", metavar="SHOP", help="all that have the app, else")
    asked = parser.parse_args()
    until = asked.until or datetime.now(UTC)
    since = max(asked.since, datetime.now(UTC) - rules.WINDOW_MAX)
    if since > asked.since:
        print(f"Shopify shows orders of {rules.WINDOW_MAX.days} days: from {since:%Y-%m-%d} on.")
    if until <= since:
        parser.error("--until must be after --since")
    raise SystemExit(here.run(_main(asked.shops, since, until)))


if __name__ == "__main__":
    main()
