"""What growth does to the pages: shops of 10^3 to 10^6 members in one database, every admin page
timed in the server, as a table.

`python -m benchmarks.growth [--largest 1000000] [--rows 5]`, in a database of its own under a
temporary folder.
"""

import argparse
import asyncio
import functools
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt

from app import config as settings
from app import db
from app.core import reads as core_reads
from app.paging import Cursor
from app.points.members import lists, reads
from benchmarks import filling, orders, sides
from tests.stack import Stack

TIMES = 12  # of every page: after five uses Postgres may choose another plan for a statement
GOAL_MILLISECONDS = 150
Row = tuple[str, list[list[float]]]  # what, and by size of shop how long each time took


def queries(shop: str) -> dict[str, Callable[[], Awaitable[Any]]]:
    """What the pages of a shop ask of core and points."""
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
    }


PAGES = {
    "/": "/",
    "/customers, newest": "/customers",
    "/customers, most points": "/customers?sort=points",
    "/customers, by name": "/customers?sort=name",
    "/customers, 'smith'": "/customers?q=smith",
    "/customers, 'a'": "/customers?q=a",
    "/customers/…": "/customers/7000000005",
    "/customers/…, 2,005 rows": "/customers/7000000001",
    "/program": "/program",
    "/health": "/health",
}


async def time_queries(config: settings.Config, sizes: dict[str, int]) -> list[Row]:
    found: dict[str, list[list[float]]] = {}
    async with db.open_stores(config):
        while await lists.refresh_tops():
            pass
        for shop in sizes:
            for name, query in queries(shop).items():
                found.setdefault(name, []).append(await _times(query))
    return list(found.items())


async def _times(query: Callable[[], Awaitable[Any]]) -> list[float]:
    taken = []
    for _ in range(TIMES):
        started = time.perf_counter()
        await query()
        taken.append((time.perf_counter() - started) * 1_000)
    return taken[2:]


def time_pages(stack: Stack, sizes: dict[str, int]) -> list[Row]:
    """Whole requests through the web process, each twelve times, the median of the last ten."""
    found: dict[str, list[list[float]]] = {}
    with httpx.Client(base_url=stack.app_url, timeout=30) as client:
        for shop in sizes:
            for name, path in PAGES.items():
                taken = []
                for _ in range(TIMES):
                    headers = {"Authorization": f"Bearer {_token(shop)}"}
                    started = time.perf_counter()
                    answer = client.get(path, headers=headers)
                    taken.append((time.perf_counter() - started) * 1_000)
                    answer.raise_for_status()
                    if "cannot be" in answer.text or "Figures as of" in answer.text:
                        taken[-1] = float("inf")  # it was not shown live
                found.setdefault(name, []).append(taken[2:])
    return list(found.items())


def time_verification(stack: Stack) -> str:
    """The verify command over everything: what it said, how long it took, its peak of memory."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "workers.verify"], env=stack.environment, cwd=stack.root
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    took = time.perf_counter() - began
    return (
        f"verify: {took:.1f} s, {used.ru_maxrss / 1024:.0f} MB at its peak, "
        f"exit code {process.returncode}"
    )


def _token(shop: str) -> str:
    now = int(time.time())
    claims = {
        "iss": f"https://{shop}/admin",
        "dest": f"https://{shop}",
        "aud": "dev-key",
        "sub": "42",
        "exp": now + 60,
        "nbf": now - 1,
        "iat": now,
        "jti": str(uuid.uuid4()),
        "sid": "session",
    }
    return jwt.encode(claims, orders.SECRET, "HS256")


def table(title: str, sizes: dict[str, int], rows: list[Row]) -> None:
    print(f"\n| {title} (ms) | " + " | ".join(f"{size:,}" for size in sizes.values()) + " |")
    print("|---|" + "---|" * len(sizes))
    for name, taken in rows:
        print(f"| {name} | " + " | ".join(_figure(one) for one in taken) + " |")


def _figure(taken: list[float]) -> str:
    return f"{statistics.median(taken):.1f} ({min(taken):.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
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
    with tempfile.TemporaryDirectory(prefix="growth-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        stack = Stack(Path(folder), SHOPIFY_API_SECRET=orders.SECRET, LOG_LEVEL="WARNING")
        try:
            stack.start("postgres", "redis")
            stack._release()  # noqa: SLF001
            asyncio.run(filling.fill(stack.environment["DATABASE_URL"], sizes, arguments.rows))
            os.environ.update(stack.environment)
            config = settings.load()
            queried = asyncio.run(time_queries(config, sizes))
            stack.start("web")
            time.sleep(1)
            pages = time_pages(stack, sizes)
            stack.stop("web")
            verified = time_verification(stack)
        finally:
            stack.stop_everything()
    print(
        f"\n{sides.machine()}, {arguments.rows} rows of the ledger a member; "
        "median (least) of ten, by members"
    )
    table("Query", sizes, queried)
    table("Whole page", sizes, pages)
    slow = [name for name, taken in pages if max(map(statistics.median, taken)) > GOAL_MILLISECONDS]
    print(f"\n{verified}")
    print(f"\nOver {GOAL_MILLISECONDS} ms: {', '.join(slow) or 'none'}")


if __name__ == "__main__":
    main()
