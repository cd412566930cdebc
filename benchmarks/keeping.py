"""What keeping webhooks costs, and how fast kept ones are translated again: CPU of this process and
of its Postgres backend, WAL, and webhooks a second.

    python -m benchmarks.keeping [NUMBER]
"""

import argparse
import asyncio
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Self

import asyncpg
import msgspec

from app import config as settings
from app import db
from app.flow import event
from app.flow.kept import bodies, packing, retranslation
from app.flow.kept.bodies import Kept
from app.flow.kept.retranslation import Place, Window
from app.flow.lanes import lane
from app.flow.lanes.lane import LaneItem
from app.points.corrections import actions as corrections
from app.shopify import payloads
from app.telemetry import logs
from app.writes import Writes
from benchmarks import orders, posting
from workers import service

NUMBER, SHOPS, BATCH = 50_000, 200, 1_000
LARGE_LINES = 18  # an order as large as real ones: about 10 kB
WHY = "A benchmark."
_encode = msgspec.json.Encoder().encode


class Cost(NamedTuple):
    """Of so many webhooks."""

    number: int
    seconds: float
    python_seconds: float
    postgres_seconds: float
    wal_bytes: int

    def line(self, what: str) -> str:
        micros = 1e6 / self.number
        return (
            f"| {what} | {self.number / self.seconds:,.0f}/s | "
            f"{self.python_seconds * micros:.1f} µs | {self.postgres_seconds * micros:.1f} µs | "
            f"{self.wal_bytes / self.number:,.0f} B |"
        )


class Measuring:
    """Measures what is done inside; the pool has one connection."""

    def __init__(self, admin: asyncpg.Connection, backend: int, number: int) -> None:
        self.admin, self.backend, self.number = admin, backend, number

    async def __aenter__(self) -> Self:
        self.before = await self._now()
        return self

    async def __aexit__(self, *_: object) -> None:
        after = await self._now()
        seconds, python, postgres, wal = (b - a for a, b in zip(self.before, after, strict=True))
        self.cost = Cost(self.number, seconds, python, postgres, int(wal))

    async def _now(self) -> tuple[float, float, float, float]:
        wal = await self.admin.fetchval("SELECT pg_current_wal_insert_lsn()::pg_lsn - '0/0'")
        cpu = posting.cpu_seconds(self.backend)
        return time.monotonic(), time.process_time(), cpu, float(wal)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.keeping")
    parser.add_argument("number", nargs="?", type=int, default=NUMBER)
    number = parser.parse_args().number
    with posting.database() as environment:
        os.environ.update(environment)
        config = settings.load(dict(os.environ))
        logs.setup("keeping", config)
        event.use_secrets(config.event_secrets)
        packing.use_keys(config.token_keys)
        service.freeze_the_program()
        load = " ".join(Path("/proc/loadavg").read_text().split()[:3])
        print(f"{number:,} orders/paid of {SHOPS} shops, batches of {BATCH:,}; load {load}")
        print("| | webhooks | Python | Postgres | WAL |\n|---|---|---|---|---|")
        for name, lines in (("2 kB", 0), (f"{LARGE_LINES} lines", LARGE_LINES)):
            asyncio.run(measure(config, name, number, lines))


async def measure(config: settings.Config, name: str, number: int, lines: int) -> None:
    admin = await asyncpg.connect(config.database_url)
    await admin.execute("TRUNCATE webhook_bodies, program_versions, grants, ledger, lots, members")
    shops = [orders.shop_name(shop) for shop in range(SHOPS)]
    await admin.execute(posting.INSERT_PROGRAM, shops)
    async with db.open_stores(config):
        async with db.connection() as connection:
            backend = await connection.fetchval("SELECT pg_backend_pid()")
        measuring = Measuring(admin, backend, number)
        items = list(_items(number, lines))
        size = sum(len(lane.encode_item(one)) for one in items) / number
        kept = [Kept(one, lane.encode_item(one), _told(one)) for one in items]
        async with measuring:
            for start in range(0, number, BATCH):
                async with db.transaction() as connection:
                    writes = Writes()
                    bodies.add(writes, kept[start : start + BATCH])
                    await writes.send(connection)
        print(measuring.cost.line(f"{name} ({size:,.0f} B): kept"))
        stored = sum(one.bytes for one in await bodies.sizes()) / number
        print(f"| {name}: {stored:,.0f} B stored a webhook | | | | |")
        async with measuring:
            assert await _walk(is_whole=False) == number
        print(measuring.cost.line(f"{name}: translated again, all as before"))
        async with measuring:
            await _walk(is_whole=True, previews=True)
        print(measuring.cost.line(f"{name}: all told otherwise, dry run"))
        async with measuring:
            await _walk(is_whole=True, tells=True)
        print(measuring.cost.line(f"{name}: all told otherwise, told"))
    await admin.close()


async def _walk(*, is_whole: bool, previews: bool = False, tells: bool = False) -> int:
    now, count = datetime.now(UTC), 0
    window = Window(now - timedelta(days=1), now + timedelta(days=1), "", WHY, is_whole)
    async for one in retranslation.walk(window, Place(), payloads.translate, _known):
        count += one.webhooks
        if previews and one.events:
            assert not (await corrections.preview(one.events)).refused
        if tells and one.events:
            async with db.transaction() as connection:
                await retranslation.tell(connection, one)
    return count


async def _known(shops: Sequence[str]) -> set[str]:
    return set(shops)


def _told(item: LaneItem) -> bytes:
    facts = payloads.translate(item)
    return packing.digest((fact.topic, _encode(fact.data)) for fact in facts)


def _items(number: int, lines: int) -> Iterator[LaneItem]:
    now = int(time.time() * 1000)
    for one in range(number):
        shop = one // 5 % SHOPS  # a lane has a few at once
        body = orders.order_body(10**9 + one, shop * 20 + one % 20 + 1)
        yield LaneItem(
            now + one // 10,
            orders.shop_name(shop),
            "orders/paid",
            str(uuid.uuid4()),
            "2026-07",
            "2026-11-20T15:00:01Z",
            str(uuid.uuid4()),
            str(uuid.uuid4()),
            _with_lines(body, one, lines) if lines else body,
        )


def _with_lines(body: bytes, number: int, lines: int) -> bytes:
    order = msgspec.json.decode(body)
    first = order["line_items"][0]
    order["line_items"] = [
        {**first, "id": (number + 1) * 100 + at, "title": f"Thing {at}"} for at in range(lines)
    ]
    return msgspec.json.encode(order)


if __name__ == "__main__":
    main()
