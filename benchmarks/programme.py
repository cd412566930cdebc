"""What a whole programme costs in posting paid orders: 20 running campaigns, ten segments and five
tiers together, against none of them, the two in turn.

    python -m benchmarks.programme
"""

import os

import asyncpg
import uvloop

from app import config as settings
from app import db
from app.flow import event as envelope
from app.points.tiers import actions, recounting
from app.points.tiers.rules import Scheme, Tier
from app.telemetry import logs
from benchmarks import posting
from benchmarks.campaigns import RUNNING, SEGMENTS, running, tell
from benchmarks.posting import Cost

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


def main() -> None:
    with posting.database() as environment:
        os.environ.update(environment)
        config = settings.load(os.environ)
        logs.setup("programme", config)
        envelope.use_secrets(config.event_secrets)
        uvloop.run(measure(config))


async def measure(config: settings.Config) -> None:
    admin = await asyncpg.connect(config.database_url)
    await admin.execute("ALTER DATABASE postgres SET enable_seqscan = off")
    print(
        f"{posting.EVENTS:,} order.paid of {posting.SHOPS} shops, the cheapest of {ROUNDS} rounds, "
        f"an event; all: {RUNNING} campaigns, {SEGMENTS} segments, {len(FIVE.tiers)} tiers\n"
        "| batch | has | Python µs | Postgres µs | WAL bytes | to none |\n|---|---|---|---|---|---|"
    )
    async with db.open_stores(config):
        for batch in BATCHES:
            found: dict[bool, list[Cost]] = {False: [], True: []}
            for number in range(ROUNDS):
                for has_all in (False, True):
                    shops = await _shops(admin, f"b{batch}-r{number}", has_all=has_all)
                    events = posting.orders(shops)[: batch * posting.TURNS_MAX]
                    found[has_all].append(await posting.post(events, batch))
            _say(batch, found)
    await admin.close()


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


def _say(batch: int, found: dict[bool, list[Cost]]) -> None:
    whole = {}
    for has_all, rounds in found.items():
        cost = Cost(*(min(column) for column in zip(*rounds, strict=True)))
        whole[has_all] = cost.python_micros + cost.postgres_micros
        ratio = f"{whole[True] / whole[False]:.2f}x" if has_all else ""
        print(
            f"| {batch:,} | {'all' if has_all else 'none'} | {cost.python_micros:.1f} | "
            f"{cost.postgres_micros:.1f} | {cost.wal_bytes:,.0f} | {ratio} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
