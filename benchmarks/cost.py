"""What one webhook costs on its whole road: CPU by process, and bytes of write-ahead log."""

import asyncio
import statistics
import subprocess
import sys
import time
from typing import Any

import asyncpg
import psutil

from benchmarks import filling, sides
from tests.stack import Stack

CONNECTIONS = 128
WRITTEN = "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"
FULL_ROWS, ROWS_A_MEMBER = 10_000_000, 5
EARNING_A_SECOND = 200
ROAD = ("web", "ingest", "relay", "points")
TWICE = ("web", "web2", "ingest", "ingest2", "relay", "points", "points2")
Row = tuple[str, str, str]


def cost(count: int, rounds: int) -> list[Row]:
    """One process of each."""
    return _table("one process of each", ROAD, count, rounds)


def cost_of_tracing(count: int, rounds: int) -> list[Row]:
    """Without traces, then with one of twenty recorded, in turns; the collector answers at once."""
    found: dict[str, list[dict[str, float]]] = {"no traces": [], "5 % of traces recorded": []}
    with sides.empty_server() as port:
        recorded = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_TRACES_SAMPLER_ARG": "0.05",
        }
        for number in range(rounds):
            for what, settings in zip(found, ({}, recorded), strict=True):
                with sides.holdfast(*ROAD, **sides.LIFTED, **settings) as stack:
                    first_id = 5 * 10**9 + number * count
                    found[what].append(measure(stack, ("web",), count, first_id, sides.SHOPS))
    return [row for what, of_one in found.items() for row in _rows(what, of_one)]


def cost_of_two(count: int, rounds: int) -> list[Row]:
    """Two processes of web, ingest and points share the work."""
    return _table("two of web, ingest and points", TWICE, count, rounds)


def cost_by_shops(count: int, rounds: int) -> list[Row]:
    """The same webhooks from 10 to 10,000 shops: lanes and batches grow apart."""
    return [
        row
        for shops in (10, 100, 1_000, 10_000)
        for row in _table(f"{shops:,} shops", ROAD, count, rounds, shops=shops)
    ]


def cost_of_growth(count: int, rounds: int) -> list[Row]:
    """On an empty database, then on one with ten million rows of the ledger, which take minutes to
    make; then with the daily verification at work on them.
    """
    empty = _table("empty database", ROAD, count, rounds)
    of_others = filling.OTHERS * filling.OTHERS_MEMBERS
    sizes = {"large.myshopify.com": FULL_ROWS // ROWS_A_MEMBER - of_others}
    measured = []
    with sides.holdfast(shops=0, **sides.LIFTED) as stack:
        asyncio.run(filling.fill(stack.environment["DATABASE_URL"], sizes, ROWS_A_MEMBER))
        stack.start(*(name for name in ROAD if name != "relay"))  # which would verify it
        time.sleep(1)
        for what in ("10,000,000 ledger rows", "verified meanwhile"):
            found = []
            for _ in range(rounds + 1):  # the first warms caches, and is not counted
                first_id = 4 * 10**9 + len(measured) * 10**8 + len(found) * count
                found.append(measure(stack, ("web",), count, first_id, sides.SHOPS))
            measured += _rows(what, found[1:])
            stack.start("relay")
    return [*empty, *measured]


def retranslation(count: int, _rounds: int) -> list[Row]:
    """How fast webhooks that are kept are translated again while others earn beside it."""
    with sides.holdfast(*ROAD, **sides.LIFTED) as stack:
        database = stack.environment["DATABASE_URL"]
        job = {"shops": sides.SHOPS, "port": stack.ports["web"], "connections": CONNECTIONS}
        sides.load({**job, "count": count, "first_id": 7 * 10**9})
        sides.wait_for_rows(database, "ledger", count)
        seconds = max(5, count // 5_000)
        beside = int(EARNING_A_SECOND * seconds)
        generator = sides.start_load(
            {**job, "count": beside, "first_id": 8 * 10**9, "rate": EARNING_A_SECOND}
        )
        began = time.monotonic()
        said = _retranslate(stack)
        took = time.monotonic() - began
        ended_at = sides.finish_load(generator)["started_at"] + seconds
        waited = sides.wait_for_rows(database, "ledger", count + beside) - ended_at
        stack.verify()
    print(said, flush=True)
    return [
        (
            f"Kept webhooks translated again beside {EARNING_A_SECOND} earning a second",
            f"{count / took:,.0f}/s",
            f"{count:,} kept; the last of those beside counted {max(0.0, waited):.1f} s later",
        )
    ]


def _retranslate(stack: Stack) -> str:
    command = [
        sys.executable,
        "-m",
        "workers.retranslate",
        "--since",
        "2000-01-01",
        "--why",
        "A benchmark.",
    ]
    done = subprocess.run(
        command, env=stack.environment, cwd=stack.root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout


def _table(
    what: str, names: tuple[str, ...], count: int, rounds: int, shops: int = sides.SHOPS
) -> list[Row]:
    """Every round in a house of its own."""
    found = []
    webs = tuple(name for name in names if name.startswith("web"))
    for number in range(rounds):
        with sides.holdfast(*names, shops=shops, **sides.LIFTED) as stack:
            found.append(measure(stack, webs, count, 4 * 10**9 + number * count, shops))
            stack.verify()
    return _rows(what, found)


def _rows(what: str, found: list[dict[str, float]]) -> list[Row]:
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


def measure(
    stack: Stack, webs: tuple[str, ...], count: int, first_id: int, shops: int
) -> dict[str, float]:
    """Microseconds of CPU a webhook by process, its bytes of WAL, and the rate."""
    url = stack.environment["DATABASE_URL"]
    known = asyncio.run(_value(url, "SELECT count(*) FROM grants"))
    before, wal_before = cpu_seconds(stack), asyncio.run(_value(url, WRITTEN))
    share = count // len(webs)
    loads = [
        sides.start_load(
            {
                "port": stack.ports[web],
                "count": share,
                "shops": shops,
                "first_id": first_id + place * share,
                "connections": CONNECTIONS // len(webs),
            }
        )
        for place, web in enumerate(webs)
    ]
    started_at = min(sides.finish_load(one)["started_at"] for one in loads)
    done = share * len(webs)
    rate = done / (sides.wait_for_rows(url, "grants", known + done) - started_at)
    time.sleep(0.5)  # what follows the last commit belongs to it, too
    after, wal_after = cpu_seconds(stack), asyncio.run(_value(url, WRITTEN))
    spent = {name: (after[name] - before[name]) / done * 1e6 for name in before}
    return {**spent, "WAL bytes": (wal_after - wal_before) / done, "per second": rate}


def cpu_seconds(stack: Stack) -> dict[str, float]:
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


async def _value(url: str, query: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(query))
    finally:
        await connection.close()
