"""What growth does to pages, home, the widget and verification: shops of 10^3 to 10^6 members in
one database, each with a whole programme.

    python -m benchmarks.growth [PART ...] [--data FOLDER] [--largest 1000000] [--rows 5]

Parts are queries, pages, home, me, verify and beside (how fast orders earn beside verification);
without any all but the last. With `--data` the database stays there and is used again: making one
takes a quarter of an hour, each part at most four minutes.
"""

import argparse
import asyncio
import functools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from app import config as settings
from app import db
from app.core import reads as core_reads
from app.flow import event as envelope
from app.paging import Cursor
from app.points.members import lists, reads
from app.points.tiers import figures as tier_figures
from app.referrals import reads as referral_reads
from app.telemetry import logs
from benchmarks import configuring, filling, latency, orders, sides, verifying, whole_pages
from benchmarks.whole_pages import NOT_COUNTED, TIMES, Row
from local import servers
from tests.stack import Stack

PARTS = ("queries", "pages", "home", "me", "verify", "beside")
LONG = ("beside",)  # when asked for by its name
WORKERS = ("web", "ingest", "core", "points", "campaigns", "referrals")
ROAD = ("web", "ingest", "points")
ORDERS_BESIDE = 20_000
COMPUTED = "SELECT computed_at FROM figures WHERE shop = $1"


def queries(shop: str) -> dict[str, Callable[[], Awaitable[Any]]]:
    """What the pages of a shop ask of core, points and referrals."""
    then = datetime.now(UTC) - timedelta(days=365)
    middle = Cursor((int(then.timestamp() * 1e6), 1))
    busy = functools.partial(reads.member, shop, "7000000001")
    return {
        "overview": lambda: reads.overview(shop),
        "newest members": lambda: reads.newest_members(shop),
        "newest, from the middle": lambda: reads.newest_members(shop, middle),
        "members by points": lambda: reads.members_by_points(shop),
        "customers by name": lambda: core_reads.customers_by_name(shop, 25),
        "find 'smith'": lambda: core_reads.find_customers(shop, "smith", 25),
        "find 'a'": lambda: core_reads.find_customers(shop, "a", 25),
        "find an e-mail address": lambda: core_reads.find_customers(shop, "bob.70000005", 25),
        "find nobody": lambda: core_reads.find_customers(shop, "nobody here", 25),
        "a customer": lambda: reads.member(shop, "7000000005"),
        "a customer of 2,005 rows": busy,
        "their rows from the middle": lambda: busy(middle),
        "a balance as of a day": lambda: reads.balance_as_of(shop, "7000000001", then),
        "referrals, figures": lambda: referral_reads.overview(shop),
        "referrals, held": lambda: referral_reads.held(shop),
        "referrals, newest": lambda: referral_reads.listed(shop),
        "referrals, blocked": lambda: referral_reads.listed(shop, "blocked"),
        "referrals of a customer": lambda: referral_reads.of_customer(shop, "7000000099"),
        "members by tier": lambda: tier_figures.of_shop(shop),
    }


async def time_queries(config: settings.Config, shops: list[str]) -> list[Row]:
    found: dict[str, list[list[float]]] = {}
    async with db.open_stores(config):
        while await lists.refresh_tops():
            pass
        while await tier_figures.refresh():
            pass
        for shop in shops:
            for name, query in queries(shop).items():
                found.setdefault(name, []).append(await _times(query))
    return list(found.items())


async def _times(query: Callable[[], Awaitable[Any]]) -> list[float]:
    taken = []
    for _ in range(TIMES):
        started = time.perf_counter()
        await query()
        taken.append((time.perf_counter() - started) * 1_000)
    return taken[NOT_COUNTED:]


def table(title: str, sizes: dict[str, int], rows: list[Row]) -> None:
    print(f"\n| {title} (ms) | " + " | ".join(f"{size:,}" for size in sizes.values()) + " |")
    print("|---|" + "---|" * len(sizes))
    for name, taken in rows:
        print(f"| {name} | " + " | ".join(_figure(one) for one in taken) + " |")


def _figure(taken: list[float]) -> str:
    return f"{statistics.median(taken):.1f} ({min(taken):.1f})"


@contextmanager
def database(folder: str | None, sizes: dict[str, int], rows: int) -> Iterator[Stack]:
    """The servers with their data in `folder`, filled; without one in a folder that goes again."""
    with tempfile.TemporaryDirectory(prefix="growth-", ignore_cleanup_errors=True) as temporary:
        place = Path(folder or temporary).resolve()
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o755)
        stack = Stack(place, SHOPIFY_API_SECRET=orders.SECRET, LOG_LEVEL="WARNING", **sides.LIFTED)
        stack.environment |= {
            "DATABASE_URL": servers.postgres_url(place / "postgres", stack.ports["postgres"]),
            "REDIS_URL": servers.redis_url(place / "redis", stack.ports["redis"]),
        }
        url = stack.environment["DATABASE_URL"]
        try:
            stack.start("postgres", "redis")
            stack._release()  # noqa: SLF001
            os.environ.update(stack.environment)
            once(place / "filled.json", sizes, rows, filling.fill(url, sizes, rows))
            once(place / "programme.json", sizes, rows, _configure(url, sizes))
            yield stack
        finally:
            stack.stop_everything()


def once(note: Path, sizes: dict[str, int], rows: int, made: Coroutine[Any, Any, None]) -> None:
    """Make what is not there yet, by the note of it."""
    what = {"sizes": sizes, "rows": rows}
    if note.exists():
        made.close()
        if json.loads(note.read_text()) != what:
            raise SystemExit(f"{note.parent} has something else; give another folder.")
        return
    asyncio.run(made)
    note.write_text(json.dumps(what))


async def _configure(url: str, sizes: dict[str, int]) -> None:
    config = settings.load()
    logs.setup("growth", config)
    envelope.use_secrets(config.event_secrets)
    async with db.open_stores(config):
        await configuring.configure(url, sizes)


def time_me(stack: Stack, shops: list[str]) -> str:
    """`/storefront/me` at 500 a second, of members of all these shops."""
    members = [(shop, 7_000_000_001 + number) for shop in shops for number in range(200)]
    p50, p99 = latency.time_me(stack.ports["web"], members, rounds=3)
    return f"/storefront/me, warm, 500/s, a whole programme: p50 {p50:.1f} ms, p99 {p99:.1f} ms"


def time_verification(stack: Stack) -> None:
    """All of it as if no shop had tiers, then with them."""
    url = stack.environment["DATABASE_URL"]
    asyncio.run(_execute(url, "UPDATE tier_shops SET is_on = FALSE"))
    try:
        verifying.say("no tiers", verifying.verify(stack))
    finally:
        asyncio.run(_execute(url, "UPDATE tier_shops SET is_on = TRUE"))
    verifying.say("with tiers", verifying.verify(stack))


def wait_for_figures(stack: Stack, shop: str, seconds: float = 900) -> None:
    """Until what home shows of the shop's programme was added up: somebody has to look."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        whole_pages.look(stack, shop)
        if asyncio.run(_value(stack.environment["DATABASE_URL"], COMPUTED, shop)):
            return
        time.sleep(2)
    raise SystemExit(f"The figures were not added up within {seconds:.0f} s.")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


async def _value(url: str, query: str, *given: object) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query, *given)
    finally:
        await connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], metavar="PART")
    parser.add_argument("--data", metavar="FOLDER", help="keep the database here, or use it")
    parser.add_argument(
        "--largest", type=int, default=1_000_000, help="members of the largest shop"
    )
    parser.add_argument("--rows", type=int, default=5, help="rows of the ledger a member")
    arguments = parser.parse_args()
    sizes = {
        f"size-{power}.myshopify.com": 10**power
        for power in range(3, 8)
        if 10**power <= arguments.largest
    }
    parts = arguments.parts or [one for one in PARTS if one not in LONG]
    with database(arguments.data, sizes, arguments.rows) as stack:
        print(
            f"\n{sides.machine()}, {arguments.rows} rows of the ledger a member; "
            "median (least) of ten, by members"
        )
        measure(stack, sizes, parts)


def measure(stack: Stack, sizes: dict[str, int], parts: list[str]) -> None:
    shops = list(sizes)
    if "queries" in parts:
        table("Query", sizes, asyncio.run(time_queries(settings.load(), shops)))
    if {"pages", "home", "me"} & set(parts):
        stack.start(*WORKERS)
        if {"pages", "home"} & set(parts):
            wait_for_figures(stack, shops[-1])
        if "pages" in parts:
            pages = whole_pages.time_pages(stack, shops)
            table("Whole page", sizes, pages)
            whole_pages.say_pages(pages)
        if "home" in parts:
            whole_pages.say_home(whole_pages.time_home(stack, shops[-1]))
        if "me" in parts:
            print(f"\n{time_me(stack, shops)}")
        stack.stop(*WORKERS)
    if "verify" in parts:
        time_verification(stack)
    if "beside" in parts:
        stack.start(*ROAD)
        verifying.earning_beside(stack, ORDERS_BESIDE)


if __name__ == "__main__":
    main()
