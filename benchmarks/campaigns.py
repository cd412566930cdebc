"""What campaigns cost: posting orders under 20 running ones with 10 segments against none, with
10,000 copies over other shops, and the replay of 100,000 orders.

    python -m benchmarks.campaigns
"""

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
from benchmarks import posting
from benchmarks.posting import Cost, Rows

BATCHES = (1_000, 40)
ROUNDS = 3
RUNNING, SEGMENTS = 20, 10
OTHERS, COPIES_EACH = 1_000, 10
REPLAYED = 100_000
NOW = datetime.now(UTC)
BEFORE = NOW - timedelta(days=1)


def campaigns(_count: int, _rounds: int) -> Rows:
    """CPU of an order under campaigns and beside those of other shops, and a what-if."""
    return posting.alone("campaigns", measure)


async def measure(config: settings.Config) -> Rows:
    admin = await asyncpg.connect(config.database_url)
    await admin.execute("ALTER DATABASE postgres SET enable_seqscan = off")
    async with db.open_stores(config):
        plain, under = await sides(admin, {"none": nothing, "running": running})
        found = [
            row(f"Posting an order under {RUNNING} campaigns and {SEGMENTS} segments", one)
            for one in zip(BATCHES, plain, under, strict=True)
        ]
        await tell([one for shop in range(OTHERS) for one in copies(f"o{shop}.myshopify.com")])
        (beside,) = await sides(admin, {"beside": nothing})
        what = f"The same beside {OTHERS * COPIES_EACH:,} campaigns of {OTHERS:,} other shops"
        found += [row(what, one) for one in zip(BATCHES, plain, beside, strict=True)]
        found.append(await replay(admin))
    await admin.close()
    return found


def row(what: str, costs: tuple[int, Cost, Cost]) -> tuple[str, str, str]:
    batch, plain, cost = costs
    ratio = f"{cost.micros / plain.micros:.2f}x none of them ({plain.text})"
    return f"{what}, by {batch:,} (Python + PostgreSQL)", cost.text, ratio


async def sides(
    admin: asyncpg.Connection, made: dict[str, Callable[[str], list[Event]]]
) -> list[list[Cost]]:
    """The cheapest of the rounds, an event, by batch, of each side; the sides in turn."""
    costs: dict[tuple[str, int], list[Cost]] = {}
    for number in range(ROUNDS):
        for batch in BATCHES:
            for name, prepare in made.items():
                shops = [f"{name}{number}b{batch}s{one}.myshopify.com" for one in range(200)]
                await admin.execute(posting.INSERT_PROGRAM, shops)
                await tell([one for shop in shops for one in prepare(shop)])
                await admin.execute("VACUUM ANALYZE")
                orders = posting.orders(shops)[: batch * posting.TURNS_MAX]
                costs.setdefault((name, batch), []).append(await posting.post(orders, batch))
    return [[posting.cheapest(costs[name, batch]) for batch in BATCHES] for name in made]


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


async def replay(admin: asyncpg.Connection) -> tuple[str, str, str]:
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
    began, cpu_began = time.perf_counter(), time.process_time()
    await actions.go_on()
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    found = await reads.read(shop, asked)
    return (
        f"What-if over {found.done:,} orders",
        f"{seconds:.1f} s, of which Python {cpu_seconds:.1f}",
        f"{found.points:,} points for {found.customers:,} customers",
    )


if __name__ == "__main__":
    for one in campaigns(0, ROUNDS):
        print("  ".join(one))
