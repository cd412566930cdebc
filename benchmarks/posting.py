"""What posting a batch of paid orders costs, without the road: CPU of points, CPU of its Postgres
backend, WAL.

    python -m benchmarks.posting
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import psutil
import uvloop

from app import config as settings
from app import db
from app.flow import event as envelope
from app.flow.event import Event
from app.points import handlers
from app.telemetry import logs
from local import processes, servers
from workers import service

EVENTS, SHOPS, MEMBERS_A_SHOP = 20_000, 200, 50  # half of the orders are a member's first
BATCHES = (1_000, 40, 4)
TURNS_MAX = 1_000  # a connection is changed for another after 50,000 statements
ROUNDS = 3
INSERT_PROGRAM = """
INSERT INTO program_versions (shop, version, rate, rounding, pending_days, expiry_days, clawback,
                              timezone, currency, state, edited_by, created_at)
SELECT shop, 1, 1, 'down', 0, NULL, 'within_balance', 'UTC', 'USD', 'live', 'bench', now()
  FROM unnest($1::text[]) AS fresh (shop)
"""


Rows = list[tuple[str, str, str]]  # what was measured, the figure, and against what


class Cost(NamedTuple):
    """Of one event: µs of CPU in Python and in the Postgres backend, bytes of WAL."""

    python_micros: float
    postgres_micros: float
    wal_bytes: float

    @property
    def micros(self) -> float:
        return self.python_micros + self.postgres_micros

    @property
    def text(self) -> str:
        return f"{self.python_micros:.0f} + {self.postgres_micros:.0f} µs"


def cheapest(rounds: Sequence[Cost]) -> Cost:
    return Cost(*(min(column) for column in zip(*rounds, strict=True)))


def main() -> None:
    with database() as environment:
        os.environ.update(environment)
        config = settings.load(os.environ)
        logs.setup("posting", config)
        envelope.use_secrets(config.event_secrets)
        found = asyncio.run(measure(config))
    print(f"{EVENTS:,} order.paid, {SHOPS} shops, the cheapest of {ROUNDS} rounds, an event")
    print("| batch | Python µs | Postgres µs | WAL bytes |\n|---|---|---|---|")
    for batch, cost in found.items():
        print(
            f"| {batch:,} | {cost.python_micros:.1f} | {cost.postgres_micros:.1f} | "
            f"{cost.wal_bytes:,.0f} |"
        )


def alone(
    name: str, measure: Callable[[settings.Config], Coroutine[Any, Any, Rows]]
) -> list[tuple[str, str, str]]:
    """What `measure` finds on a fresh database, in a process of its own: its environment and its
    clock are nobody else's.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_alone, name, measure).result()


def _alone(name: str, measure: Callable[[settings.Config], Coroutine[Any, Any, Rows]]) -> Rows:
    with database() as environment:
        os.environ.update(environment)
        config = settings.load(os.environ)
        logs.setup(name, config)
        envelope.use_secrets(config.event_secrets)
        return uvloop.run(measure(config))


async def measure(config: settings.Config) -> dict[int, Cost]:
    costs: dict[int, list[Cost]] = {batch: [] for batch in BATCHES}
    admin = await asyncpg.connect(config.database_url)
    # the plans of a database in use, not those made for empty tables
    await admin.execute("ALTER DATABASE postgres SET enable_seqscan = off")
    async with db.open_stores(config):
        for number in range(ROUNDS):
            for batch in BATCHES:
                shops = [f"r{number}-b{batch}-s{shop}.myshopify.com" for shop in range(SHOPS)]
                await admin.execute(INSERT_PROGRAM, shops)
                await admin.execute("VACUUM ANALYZE")
                costs[batch].append(await post(orders(shops)[: batch * TURNS_MAX], batch))
    await admin.close()
    return {batch: cheapest(rounds) for batch, rounds in costs.items()}


async def post(events: Sequence[Event], batch: int) -> Cost:
    async with db.connection() as conn:
        wal_before = await conn.fetchval("SELECT pg_current_wal_insert_lsn()::pg_lsn - '0/0'")
    service.freeze_the_program()  # as the worker does
    python_before, postgres = time.process_time(), 0.0
    for start in range(0, len(events), batch):
        async with db.transaction() as conn:
            backend = await conn.fetchval("SELECT pg_backend_pid()")  # the pool may change it
            postgres_before = cpu_seconds(backend)
            await handlers.handle(conn, events[start : start + batch])
        postgres += cpu_seconds(backend) - postgres_before
    python = time.process_time() - python_before
    async with db.connection() as conn:
        wal = await conn.fetchval("SELECT pg_current_wal_insert_lsn()::pg_lsn - '0/0'")
    return Cost(
        python / len(events) * 1e6,
        postgres / len(events) * 1e6,
        float(wal - wal_before) / len(events),
    )


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, in ticks of 10 ms: a round takes hundreds of them."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def orders(shops: Sequence[str]) -> list[Event]:
    chance = random.Random(1)
    told = datetime.now(UTC).isoformat()
    return [order(chance, number, chance.choice(shops), told) for number in range(EVENTS)]


def order(chance: random.Random, number: int, shop: str, told: str) -> Event:
    customer = str(7_000_000_000_000 + chance.randrange(MEMBERS_A_SHOP * 2))
    data: dict[str, Any] = {
        "order_id": str(5_000_000_000_000 + number),
        "order_name": f"#{number}",
        "customer_id": customer,
        "test": False,
        "currency": "USD",
        "processed_at": told,
        "lines": [
            {
                "line_id": str(9_000_000_000_000 + number * 2 + place),
                "quantity": chance.randint(1, 3),
                "amount": f"{chance.randint(5, 80)}.{chance.randint(0, 99):02d}",
                "gift_card": False,
            }
            for place in range(2)
        ],
        "customer": {"id": customer, "name": "Bob Buyer", "email": f"{customer}@example.com"},
        "discount_codes": [],
    }
    return envelope.new("order.paid", shop, shop, data, trace="bench", occurred_at=told)


@contextmanager
def database() -> Iterator[dict[str, str]]:
    """A fresh PostgreSQL with our tables; its settings as an environment."""
    with tempfile.TemporaryDirectory(prefix="posting-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        port = servers.free_port()
        server = subprocess.Popen(
            [sys.executable, "-m", "local.servers", "postgres", f"{name}/postgres", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        environment = {
            **os.environ,
            "HOLDFAST_ENV": "development",
            "HOLDFAST_DATA": f"{name}/holdfast",
            "SHOPIFY_API_SECRET": "posting-posting-posting-posting-posting",
            "DATABASE_URL": servers.postgres_url(Path(name) / "postgres", port),
            "DATABASE_POOL_SIZE": "1",
            "LOG_LEVEL": "WARNING",
        }
        try:
            while not servers.is_listening(port):
                if server.poll() is not None:
                    raise SystemExit("PostgreSQL did not start.")
                time.sleep(0.1)
            subprocess.run(
                processes.app_commands()["release"],
                env=environment,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            yield environment
        finally:
            server.send_signal(signal.SIGINT)  # a fast shutdown: connections may be open
            server.wait(timeout=30)


if __name__ == "__main__":
    main()
