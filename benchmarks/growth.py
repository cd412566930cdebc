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
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import jwt

from app import config as settings
from app import db
from app.core import reads as core_reads
from app.paging import Cursor
from app.points.ledger import totals
from app.points.members import lists, reads
from benchmarks import orders, sides
from tests.stack import Stack

OTHERS, OTHERS_MEMBERS = 1_000, 100  # small shops beside the measured ones
BUSY_ROWS = 2_005  # of one customer in every measured shop
TIMES = 12  # of every page: after five uses Postgres may choose another plan for a statement
GOAL_MILLISECONDS = 150
Row = tuple[str, list[list[float]]]  # what, and by size of shop how long each time took
FILL = (
    """
INSERT INTO shops (domain, name, currency, timezone, status, plan, access_token, scopes,
                   token_version, installed_at)
SELECT name, 'Bench', 'USD', 'Asia/Kolkata', 'active', 'standard', 'x', '', 0, now()
  FROM sizes
""",
    """
INSERT INTO program_versions (shop, version, rate, rounding, pending_days, clawback, timezone,
                              currency, state, edited_by, created_at)
SELECT name, 1, 1, 'down', 0, 'debt', 'Asia/Kolkata', 'USD', 'live', '', now() FROM sizes
""",
    """
INSERT INTO members (shop, customer_id, pending, available, held, spent, expired, reversed, debt,
                     issued, sequence, joined_at, updated_at, frozen_reason)
SELECT name, (7000000000 + number)::text, 0, rows * (10 + number % 90), 0, 0, 0, 0, 0,
       rows * (10 + number % 90), rows, now() - random() * interval '2 years', now(), ''
  FROM sizes, generate_series(1, members) AS number,
       LATERAL (SELECT CASE WHEN number = 1 THEN busy ELSE usual END AS rows) AS chosen
""",
    """
INSERT INTO customers (shop, customer_id, name, sort_name, email, consent, joined_at, updated_at)
SELECT shop, customer_id, first || ' ' || last, lower(first || ' ' || last),
       lower(first) || '.' || customer_id || '@example.com', '', joined_at, updated_at
  FROM members, LATERAL (SELECT (ARRAY['Anna', 'Bob', 'Charlie', 'Dina', 'Emil', 'Farah', 'Grace',
       'Hugo'])[1 + (hashint8(id) & 7)] AS first,
       CASE WHEN id % 200 = 0 THEN 'Smith' ELSE 'Name' || substr(md5(id::text), 1, 5) END
       AS last) AS person
""",
    """
INSERT INTO ledger (shop, member_id, sequence, source, effect, from_bucket, to_bucket, points, why,
                    effective_at, recorded_at, hash)
SELECT shop, id, number, 'order:' || id || '-' || number, 'earn', 'issued', 'available',
       available / sequence,
       '{"base":"49.90","currency":"USD","order_name":"#1","rate":"1","rounding":"down",
         "rule":1}',
       now() - random() * interval '1 year', now(), sha256(id::text::bytea)
  FROM members, generate_series(1, sequence) AS number ORDER BY random()
""",
    """
INSERT INTO lots (shop, member_id, source, granted, remaining, available_at, is_pending, expires_at,
                  due_at, lapses, created_at)
SELECT shop, member_id, source, points, points, effective_at, FALSE,
       effective_at + interval '3 years', effective_at + interval '3 years', 0, now()
  FROM ledger
""",
    f"""
INSERT INTO period_totals (shop, starts_at, earned, spent)
SELECT shop, to_timestamp(floor(extract(epoch FROM effective_at) / {totals.PERIOD_SECONDS})
       * {totals.PERIOD_SECONDS}), sum(points), 0 FROM ledger GROUP BY 1, 2
""",
    """
INSERT INTO shop_totals (shop, members, outstanding)
SELECT shop, count(*), sum(available) FROM members GROUP BY shop
""",
    "VACUUM ANALYZE",
)


async def fill(url: str, sizes: dict[str, int], rows: int) -> None:
    """Shops of these many members, with `rows` rows of ledger and lots a member."""
    connection = await asyncpg.connect(url)
    await connection.execute(
        "SET synchronous_commit = off; SET maintenance_work_mem = '512MB'; SET work_mem = '256MB';"
        "CREATE TEMPORARY TABLE sizes (name text, members bigint, busy bigint, usual bigint)"
    )
    shops = [(name, members, BUSY_ROWS, rows) for name, members in sizes.items()]
    shops += [(orders.shop_name(number), OTHERS_MEMBERS, rows, rows) for number in range(OTHERS)]
    await connection.copy_records_to_table("sizes", records=shops)
    for statement in FILL:
        started = time.perf_counter()
        await connection.execute(statement)
        words = " ".join(statement.split()[:3])
        print(f"{words:32} {time.perf_counter() - started:6.1f} s", flush=True)
    await connection.close()


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
            asyncio.run(fill(stack.environment["DATABASE_URL"], sizes, arguments.rows))
            os.environ.update(stack.environment)
            config = settings.load()
            queried = asyncio.run(time_queries(config, sizes))
            stack.start("web")
            time.sleep(1)
            pages = time_pages(stack, sizes)
        finally:
            stack.stop_everything()
    print(
        f"\n{sides.machine()}, {arguments.rows} rows of the ledger a member; "
        "median (least) of ten, by members"
    )
    table("Query", sizes, queried)
    table("Whole page", sizes, pages)
    slow = [name for name, taken in pages if max(map(statistics.median, taken)) > GOAL_MILLISECONDS]
    print(f"\nOver {GOAL_MILLISECONDS} ms: {', '.join(slow) or 'none'}")


if __name__ == "__main__":
    main()
