"""The two sides of a measurement, on fresh servers: Holdfast, and the peer of Node's parts."""

import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import redis

from benchmarks import orders
from local import servers
from tests.sentinels import SentinelStack
from tests.stack import Stack

PEER = Path(__file__).resolve().parent / "peer"
LIFTED = {"LANE_RATE_PER_SECOND": "1000000", "LANE_BURST": "1000000"}
SHOPS = 1000
INSTALL = """
INSERT INTO shops
       (domain, name, currency, timezone, status, plan, scopes, token_version, installed_at)
SELECT unnest($1::text[]), 'Bench', 'USD', 'UTC', 'active', 'standard', '', 0, now()
"""


def load(job: dict[str, Any]) -> dict[str, Any]:
    """Run the load generator in a process of its own; see benchmarks.load.run for the result."""
    generator = start_load(job)
    return finish_load(generator)


def start_load(job: dict[str, Any]) -> subprocess.Popen[str]:
    generator = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert generator.stdin
    generator.stdin.write(json.dumps(job))
    generator.stdin.close()
    return generator


def finish_load(generator: subprocess.Popen[str]) -> dict[str, Any]:
    assert generator.stdout
    with generator:
        lines = generator.stdout.read().splitlines()
    if generator.returncode or len(lines) < 2:
        raise SystemExit("The load generator failed.")
    result: dict[str, Any] = json.loads(lines[-1])
    if set(result["statuses"]) != {"200"}:
        raise SystemExit(f"Not every request was answered 200: {result['statuses']}")
    return result


@contextmanager
def holdfast(
    *names: str,
    appendfsync: str = "always",
    shops: int = SHOPS,
    redis_is: str = "embedded",
    kind: type[Stack] = Stack,
    **settings: str,
) -> Iterator[Stack]:
    """Holdfast with these processes and installed shops, as quiet as in production; `redis_is` may
    be `by tcp` or `sentinel`, too.
    """
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        environment = {
            "SHOPIFY_API_SECRET": orders.SECRET,
            "EMBEDDED_APPENDFSYNC": appendfsync,
            "PROMETHEUS_MULTIPROC_DIR": f"{folder}/metrics",
            "LOG_LEVEL": "WARNING",
            **settings,
        }
        (Path(folder) / "metrics").mkdir()
        stack = (SentinelStack if redis_is == "sentinel" else kind)(Path(folder), **environment)
        sockets = _sockets(stack)
        if redis_is != "embedded":
            del sockets["REDIS_URL"]
        stack.environment |= sockets
        try:
            stack.start("postgres", "redis")
            stack._release()  # noqa: SLF001
            asyncio.run(_install_shops(stack, shops))
            stack.start(*names)
            time.sleep(1)
            yield stack
        finally:
            stack.stop_everything()


def _sockets(stack: Stack) -> dict[str, str]:
    """The stores by their sockets, as `make run` has them; the peer gets the same."""
    folder = stack.directory
    return {
        "DATABASE_URL": servers.postgres_url(folder / "postgres", stack.ports["postgres"]),
        "REDIS_URL": servers.redis_url(folder / "redis", stack.ports["redis"]),
    }


async def _install_shops(stack: Stack, shops: int) -> None:
    connection = await asyncpg.connect(stack.environment["DATABASE_URL"])
    await connection.execute(INSTALL, [orders.shop_name(number) for number in range(shops)])
    await connection.close()


@contextmanager
def peer(*, workers: bool) -> Iterator[dict[str, Any]]:
    """The Express + BullMQ peer: PostgreSQL by default, a Redis that syncs nothing."""
    install_peer()
    with tempfile.TemporaryDirectory(prefix="bench-peer-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        stack = Stack(Path(folder), EMBEDDED_APPENDFSYNC="no")
        environment = {
            **os.environ,
            "NODE_ENV": "production",
            "PORT": str(stack.ports["web"]),
            "REDIS_SOCKET": str(stack.directory / "redis" / servers.REDIS_SOCKET),
            "DATABASE_URL": _sockets(stack)["DATABASE_URL"],
            "SHOPIFY_API_SECRET": orders.SECRET,
            "LIFT_LIMITS": "1",
        }
        running: list[subprocess.Popen[bytes]] = []
        try:
            stack.start("postgres", "redis")
            redis.Redis(port=stack.ports["redis"]).config_set("appendonly", "no")
            running.extend(
                subprocess.Popen(
                    ["node", script], cwd=PEER, env=environment, stdout=subprocess.DEVNULL
                )
                for script in (("server.js", "worker.js") if workers else ("server.js",))
            )
            deadline = time.monotonic() + 20
            while not servers.is_listening(stack.ports["web"]):
                if time.monotonic() > deadline:
                    raise SystemExit("The peer did not start.")
                time.sleep(0.1)
            time.sleep(1)
            yield {
                "port": stack.ports["web"],
                "database_url": environment["DATABASE_URL"],
                "processes": running,
            }
        finally:
            for process in running:
                process.terminate()
                process.wait(timeout=10)
            stack.stop_everything()


@contextmanager
def empty_server() -> Iterator[int]:
    """The same HTTP server with an empty handler, by its port."""
    port = servers.free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.empty"], env={**os.environ, "PORT": str(port)}
    )
    try:
        while not servers.is_listening(port):
            pass
        yield port
    finally:
        server.terminate()
        server.wait()


def install_peer() -> None:
    if not (PEER / "node_modules").exists():
        subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=PEER, check=True)


async def _wait_for_rows(database_url: str, table: str, rows: int, seconds: float) -> float:
    connection = await asyncpg.connect(database_url)
    deadline = time.monotonic() + seconds
    try:
        while await connection.fetchval(f"SELECT count(*) FROM {table}") < rows:
            if time.monotonic() > deadline:
                found = await connection.fetchval(f"SELECT count(*) FROM {table}")
                raise SystemExit(f"Only {found} of {rows} ledger rows after {seconds:.0f} s.")
            await asyncio.sleep(0.1)
        return time.time()
    finally:
        await connection.close()


def wait_for_rows(database_url: str, table: str, rows: int, seconds: float = 180) -> float:
    """The time (Unix seconds) at which `table` holds `rows` rows."""
    return asyncio.run(_wait_for_rows(database_url, table, rows, seconds))


def none_spilled(database_url: str) -> None:
    """Ends the program when Postgres took a webhook instead of Redis: nobody measures that here."""
    found = asyncio.run(_count(database_url, "spilled_webhooks"))
    if found:
        raise SystemExit(f"{found} webhooks were spilled.")


async def _count(database_url: str, table: str) -> int:
    connection = await asyncpg.connect(database_url)
    try:
        found: int = await connection.fetchval(f"SELECT count(*) FROM {table}")
    finally:
        await connection.close()
    return found


def memory_megabytes(stack: Stack) -> dict[str, float]:
    """Of every process, PostgreSQL's backends by their share (proportional set size)."""
    found = {}
    for name, process in stack.running.items():
        parent = psutil.Process(process.pid)
        found[name] = sum(_bytes(one) for one in (parent, *parent.children(recursive=True))) / 1e6
    return found


def _bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:  # a backend that ended just now
        return 0


def machine() -> str:
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    processor = names[0] if names else platform.machine()
    return f"{os.cpu_count()} x {processor}, {memory:.0f} GiB, Python {platform.python_version()}"
