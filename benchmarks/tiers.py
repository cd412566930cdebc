"""What five tiers cost in posting paid orders, against none; and how long it takes to count a
million members by tier, and to say who would be where.

    python -m benchmarks.tiers [orders]
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence

import asyncpg

from app import config as settings
from app import db
from app.flow import event as envelope
from app.points.tiers import actions, figures, recounting
from app.points.tiers.rules import Scheme, Tier
from app.telemetry import logs
from benchmarks import posting
from benchmarks.posting import Cost

ORDERS = int(sys.argv[1]) if len(sys.argv) > 1 else posting.EVENTS
BATCH = 200
ROUNDS = 3
MEMBERS = 1_000_000
LARGE = "large.myshopify.com"
FIVE = Scheme(
    period="rolling",
    tiers=[
        Tier(f"t{at}", f"Tier {at}", least, 10_000 + 1_000 * at)
        for at, least in enumerate((0, 50, 100, 200, 400))
    ],
)
# a shop of a million members, half of whom have bought something
FILL = (
    """
INSERT INTO members (shop, customer_id, joined_at, updated_at, pending, available, held, spent,
                     expired, reversed, debt, issued, sequence, frozen_reason)
SELECT $1::text, number::text, now(), now(), 0, 0, 0, 0, 0, 0, 0, 0, 0, ''
  FROM generate_series(1, $2::int) AS number
""",
    """
INSERT INTO tier_standings (shop, member_id, tier_id, version, have, peak, changed_at)
SELECT $1::text, id, 't' || (id % 5), 1, id * 7919 % 100003, id * 7919 % 100003, now()
  FROM members WHERE shop = $1::text AND id % 2 = 0 AND $2::int > 0
""",
    """
INSERT INTO shop_totals (shop, members, outstanding) VALUES ($1::text, $2::int, 0)
""",
)


def main() -> None:
    with posting.database() as environment:
        os.environ.update(environment)
        config = settings.load(os.environ)
        logs.setup("tiers", config)
        envelope.use_secrets(config.event_secrets)
        asyncio.run(measure(config))


async def measure(config: settings.Config) -> None:
    admin = await asyncpg.connect(config.database_url)
    await admin.execute("ALTER DATABASE postgres SET enable_seqscan = off")
    async with db.open_stores(config):
        found: dict[bool, list[Cost]] = {False: [], True: []}
        for number in range(ROUNDS):
            for has_tiers in (False, True):
                shops = [
                    f"t{number}-{int(has_tiers)}-s{shop}.myshopify.com"
                    for shop in range(posting.SHOPS)
                ]
                await admin.execute(posting.INSERT_PROGRAM, shops)
                if has_tiers:
                    await _give(shops)
                await admin.execute("VACUUM ANALYZE")
                found[has_tiers].append(await posting.post(posting.orders(shops)[:ORDERS], BATCH))
        _say(found)
        await _count(admin)
    await admin.close()


async def _give(shops: Sequence[str]) -> None:
    for shop in shops:
        await actions.save(shop, FIVE, "bench")
    while await recounting.go_on():
        pass


def _say(found: dict[bool, list[Cost]]) -> None:
    print(f"{ORDERS:,} order.paid in batches of {BATCH}, the cheapest of {ROUNDS} rounds, each")
    print("| tiers | Python µs | Postgres µs | WAL bytes |\n|---|---|---|---|")
    whole = {}
    for has_tiers, rounds in found.items():
        cost = Cost(*(min(column) for column in zip(*rounds, strict=True)))
        whole[has_tiers] = cost.python_micros + cost.postgres_micros
        print(
            f"| {5 if has_tiers else 0} | {cost.python_micros:.1f} | {cost.postgres_micros:.1f} | "
            f"{cost.wal_bytes:,.0f} |"
        )
    print(f"CPU with five tiers: {whole[True] / whole[False]:.2f}x of that with none")


async def _count(admin: asyncpg.Connection) -> None:
    for statement in FILL:
        await admin.execute(statement, LARGE, MEMBERS)
    await admin.execute("ALTER DATABASE postgres SET enable_seqscan = on")
    await admin.execute("VACUUM ANALYZE")
    await actions.save(LARGE, FIVE, "bench")
    began = time.monotonic()
    while await figures.refresh():
        pass
    counted = time.monotonic()
    for _ in range(100):
        known = await figures.of_shop(LARGE)
        assert known is not None, "they were just counted"
        known.would_be([0, 10, 20_000, 50_000, 90_000])
    ended = time.monotonic()
    print(f"{MEMBERS:,} members counted in {counted - began:.2f} s in the background;")
    print(f"who would be where: {(ended - counted) * 10:.1f} ms, the page reads what is kept")


if __name__ == "__main__":
    main()
