"""What one webhook costs on its whole road: CPU by process, and bytes of write-ahead log."""

import asyncio
import statistics
import time
from typing import Any

import asyncpg
import psutil

from benchmarks import growth, sides
from tests.stack import Stack

CONNECTIONS = 128
FULL_ROWS, ROWS_A_MEMBER = 10_000_000, 5
ROAD = ("web", "ingest", "relay", "points")
TWICE = ("web", "web2", "ingest", "ingest2", "relay", "points", "points2")
Row = tuple[str, str, str]


def cost(count: int, rounds: int) -> list[Row]:
    """One process of each."""
    return _table("one process of each", ROAD, count, rounds)


def cost_of_two(count: int, rounds: int) -> list[Row]:
    """Two processes of web, ingest and points share the work."""
    return _table("two of web, ingest and points", TWICE, count, rounds)


def cost_of_growth(count: int, rounds: int) -> list[Row]:
    """One process of each, on a database with ten million rows of the ledger, and on an empty one
    in the same run.
    """
    empty = _table("empty database", ROAD, count, rounds)
    full = _table("10,000,000 ledger rows", ROAD, count, rounds, rows=FULL_ROWS)
    return [*empty, *full]


def cost_by_shops(count: int, rounds: int) -> list[Row]:
    """The same webhooks from 10 to 10,000 shops: lanes and batches grow apart."""
    return [
        row
        for shops in (10, 100, 1_000, 10_000)
        for row in _table(f"{shops:,} shops", ROAD, count, rounds, shops=shops)
    ]


def _table(
    what: str,
    names: tuple[str, ...],
    count: int,
    rounds: int,
    *,
    rows: int = 0,
    shops: int = sides.SHOPS,
) -> list[Row]:
    found = [
        _measured(names, count, 4 * 10**9 + number * count, rows=rows, shops=shops)
        for number in range(rounds)
    ]
    parts = {name for one in found for name in one}
    middle = {name: statistics.median(one.get(name, 0.0) for one in found) for name in parts}
    wal = middle.pop("WAL bytes")
    rate = middle.pop("per second")
    listed = ", ".join(f"{name} {middle[name]:.0f}" for name in sorted(middle))
    total = sum(middle.values())
    return [
        (f"CPU a webhook, {what}", f"{total:.0f} µs", listed),
        (f"WAL a webhook, {what}", f"{wal:,.0f} B", f"at {rate:,.0f} webhooks/s"),
    ]


def _measured(
    names: tuple[str, ...], count: int, first_id: int, *, rows: int, shops: int
) -> dict[str, float]:
    """Microseconds of CPU a webhook by process, its bytes of WAL, and the rate, where the ledger
    has `rows` rows already.
    """
    with sides.holdfast(shops=0 if rows else shops, **sides.LIFTED) as stack:
        url = stack.environment["DATABASE_URL"]
        if rows:
            of_others = growth.OTHERS * growth.OTHERS_MEMBERS
            large = {"large.myshopify.com": rows // ROWS_A_MEMBER - of_others}
            asyncio.run(growth.fill(url, large, ROWS_A_MEMBER))
        stack.start(*names)
        time.sleep(1)
        job = {"count": count, "shops": shops, "first_id": first_id}
        before, wal_before = _cpu_seconds(stack), asyncio.run(_wal(url))
        ports = [stack.ports[name] for name in names if name.startswith("web")]
        share = count // len(ports)
        loads = [
            sides.start_load(
                {
                    **job,
                    "port": port,
                    "count": share,
                    "first_id": first_id + place * share,
                    "connections": CONNECTIONS // len(ports),
                }
            )
            for place, port in enumerate(ports)
        ]
        started_at = min(sides.finish_load(one)["started_at"] for one in loads)
        done = share * len(ports)
        rate = done / (sides.wait_for_rows(url, "awards", done) - started_at)
        time.sleep(0.5)  # what follows the last commit belongs to it, too
        after, wal_after = _cpu_seconds(stack), asyncio.run(_wal(url))
        if not rows:  # what it was filled with was never posted
            stack.verify()
    spent = {name: (after[name] - before[name]) / done * 1e6 for name in before}
    return {**spent, "WAL bytes": (wal_after - wal_before) / done, "per second": rate}


def _cpu_seconds(stack: Stack) -> dict[str, float]:
    """User and system time of every process so far, PostgreSQL with its backends."""
    found: dict[str, float] = {}
    for name, process in stack.running.items():
        parent = psutil.Process(process.pid)
        kind = name.rstrip("0123456789")
        family = [parent, *parent.children(recursive=True)]
        found[kind] = found.get(kind, 0.0) + sum(_seconds(one) for one in family)
    return found


def _seconds(process: psutil.Process) -> float:
    try:
        times: Any = process.cpu_times()
    except psutil.NoSuchProcess:  # a backend that ended just now: its parent has its time
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


async def _wal(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"))
    finally:
        await connection.close()
