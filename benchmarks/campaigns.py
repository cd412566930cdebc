"""What campaigns cost: posting orders under 20 running ones with 10 segments against none, with
10,000 copies over other shops, and the replay of 100,000 orders.

    python -m benchmarks.campaigns
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec

from app import config as settings
from app import db
from app.flow import event as envelope
from app.flow.event import Event
from app.own_facts import Audience, Campaign, CampaignUpdated, SegmentUpdated
from app.points import handlers
from app.points.earning.whatif import actions, reads
from app.telemetry import logs
from benchmarks import posting

BATCHES = (1_000, 40)
ROUNDS = 3
RUNNING, SEGMENTS = 20, 10
OTHERS, COPIES_EACH = 1_000, 10
REPLAYED = 100_000
NOW = datetime.now(UTC)
BEFORE = NOW - timedelta(days=1)


def main() -> None:
    with posting.database() as environment:
        os.environ.update(environment)
        config = settings.load(os.environ)
        logs.setup("campaigns", config)
        envelope.use_secrets(config.event_secrets)
        asyncio.run(measure(config))


async def measure(config: settings.Config) -> None:
    admin = await asyncpg.connect(config.database_url)
    await admin.execute("ALTER DATABASE postgres SET enable_seqscan = off")
    async with db.open_stores(config):
        print("| orders posted under | batch | Python µs | Postgres µs | to none |")
        print("|---|---|---|---|---|")
        plain = await side(admin, "none", nothing)
        await side(admin, f"{RUNNING} campaigns, {SEGMENTS} segments", running, plain)
        await tell([one for shop in range(OTHERS) for one in copies(f"o{shop}.myshopify.com")])
        await side(admin, f"{OTHERS * COPIES_EACH:,} copies of other shops", nothing, plain)
        await replay(admin)
    await admin.close()


async def side(
    admin: asyncpg.Connection,
    name: str,
    prepare: Callable[[str], list[Event]],
    plain: dict[int, float] | None = None,
) -> dict[int, float]:
    """The cheapest of the rounds, an event, by batch; against those of `plain`."""
    found = {}
    for batch in BATCHES:
        costs = []
        for number in range(ROUNDS):
            shops = [f"{name[:2]}{number}b{batch}s{one}.myshopify.com" for one in range(200)]
            await admin.execute(posting.INSERT_PROGRAM, shops)
            await tell([one for shop in shops for one in prepare(shop)])
            await admin.execute("VACUUM ANALYZE")
            orders = posting.orders(shops)[: batch * posting.TURNS_MAX]
            costs.append(await posting.post(orders, batch))
        python, postgres = (min(one[place] for one in costs) for place in (0, 1))
        found[batch] = python + postgres
        ratio = f"{found[batch] / plain[batch]:.2f}x" if plain else ""
        print(f"| {name} | {batch:,} | {python:.1f} | {postgres:.1f} | {ratio} |", flush=True)
    return found


def nothing(_shop: str) -> list[Event]:
    return []


def copies(shop: str) -> list[Event]:
    return [told(shop, campaign(number)) for number in range(COPIES_EACH)]


def running(shop: str) -> list[Event]:
    """Half of the campaigns are for segments, and each member is in one."""
    events = []
    for number in range(RUNNING):
        names = [f"s{number % SEGMENTS}"] if number % 2 else []
        audience = Audience("segments", names) if names else Audience()
        events.append(told(shop, campaign(number, audience)))
    for member in range(posting.MEMBERS_A_SHOP * 2):
        moved = SegmentUpdated(str(7_000_000_000_000 + member), "", f"s{member % SEGMENTS}", BEFORE)
        data = msgspec.to_builtins(moved)
        events.append(envelope.new("rfm.segment.updated", shop, shop, data, trace="bench"))
    return events


def campaign(number: int, audience: Audience | None = None) -> Campaign:
    return Campaign(
        f"c{number}",
        1,
        f"Campaign {number}",
        "live",
        BEFORE,
        value=str(1 + (number % 4) / 2 or 2),
        audience=audience or Audience(),
    )


def told(shop: str, one: Campaign) -> Event:
    data = msgspec.to_builtins(CampaignUpdated(one, at=BEFORE))
    return envelope.new("campaign.updated", shop, shop, data, trace="bench")


async def tell(events: Sequence[Event], at_once: int = 2_000) -> None:
    for start in range(0, len(events), at_once):
        async with db.transaction() as conn:
            await handlers.handle(conn, list(events[start : start + at_once]))


async def replay(admin: asyncpg.Connection) -> None:
    shop = "replay.myshopify.com"
    await admin.execute(posting.INSERT_PROGRAM, [shop])
    orders = [one for _ in range(REPLAYED // posting.EVENTS) for one in posting.orders([shop])]
    numbered = [
        msgspec.structs.replace(
            one,
            id=envelope.new_id(),
            data=msgspec.Raw(
                msgspec.json.encode(
                    {**msgspec.json.decode(one.data), "order_id": str(10**12 + number)}
                )
            ),
        )
        for number, one in enumerate(orders)
    ]
    await tell(numbered, 1_000)
    await admin.execute("VACUUM ANALYZE")
    asked = await actions.start(shop, campaign(2))
    began = time.perf_counter()
    await actions.go_on()
    found = await reads.read(shop, asked)
    print(
        f"\nReplayed {found.done:,} orders in {time.perf_counter() - began:.1f} s: "
        f"{found.points:,} points for {found.customers:,} customers."
    )


if __name__ == "__main__":
    main()
