"""What a whole programme costs in posting paid orders: 20 running campaigns, ten segments and five
tiers together, against none of them, the two in turn.

    python -m benchmarks.programme
"""

import asyncpg

from app import config as settings
from app import db
from app.points.tiers import actions, recounting
from app.points.tiers.rules import Scheme, Tier
from benchmarks import posting
from benchmarks.campaigns import RUNNING, SEGMENTS, running, tell
from benchmarks.posting import Cost, Rows

BATCHES = (1_000, 200)
ROUNDS = 3
# reached by some orders: by about one in ten a member comes into another tier
FIVE = Scheme(
    period="rolling",
    tiers=[
        Tier(f"t{at}", f"Tier {at}", least, 10_000 + 1_000 * at)
        for at, least in enumerate((0, 500, 1_000, 2_500, 5_000))
    ],
)


def programme(_count: int, _rounds: int) -> Rows:
    """CPU of an order in Python and in PostgreSQL, under all of it and under none."""
    return posting.alone("programme", measure)


async def measure(config: settings.Config) -> Rows:
    admin = await asyncpg.connect(config.database_url)
    await admin.execute("ALTER DATABASE postgres SET enable_seqscan = off")
    found: Rows = []
    async with db.open_stores(config):
        for batch in BATCHES:
            costs: dict[bool, list[Cost]] = {False: [], True: []}
            for number in range(ROUNDS):
                for has_all in (False, True):
                    shops = await _shops(admin, f"b{batch}-r{number}", has_all=has_all)
                    events = posting.orders(shops)[: batch * posting.TURNS_MAX]
                    costs[has_all].append(await posting.post(events, batch))
            found.append(_row(batch, *(posting.cheapest(costs[one]) for one in (False, True))))
    await admin.close()
    return found


async def _shops(admin: asyncpg.Connection, name: str, *, has_all: bool) -> list[str]:
    shops = [f"{name}-{int(has_all)}-s{one}.myshopify.com" for one in range(posting.SHOPS)]
    await admin.execute(posting.INSERT_PROGRAM, shops)
    if has_all:
        for shop in shops:
            await actions.save(shop, FIVE, "bench")
        while await recounting.go_on():
            pass
        await tell([one for shop in shops for one in running(shop)])
    await admin.execute("VACUUM ANALYZE")
    return shops


def _row(batch: int, none: Cost, all_: Cost) -> tuple[str, str, str]:
    has = f"{RUNNING} campaigns, {SEGMENTS} segments and {len(FIVE.tiers)} tiers"
    ratio, log = all_.micros / none.micros, none.wal_bytes / 1000
    return (
        f"Posting an order under {has}, by {batch:,} (Python + PostgreSQL)",
        f"{all_.text}, {all_.wal_bytes / 1000:.1f} kB of log",
        f"{ratio:.2f}x none of them ({none.text}, {log:.1f} kB)",
    )


if __name__ == "__main__":
    for one in programme(0, ROUNDS):
        print("  ".join(one))
