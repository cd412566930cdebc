"""Real PostgreSQL and Redis for the whole session, emptied before each test that asks for them."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
import structlog

from app import config as settings
from app import db
from app.flow import event
from app.resilience import guard
from local import processes, servers
from tests.stack import Stack

# the default draws every local of every frame: a failure that a test makes took ten seconds to tell
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

ROOT = Path(__file__).resolve().parent.parent
SECRET = "test-secret-test-secret-test-secret-1"
# not TRUNCATE: on tables this small it takes fifty times as long, before every test
EMPTYING = """
SELECT 'DELETE FROM ' || tablename AS statement
  FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE '%migration%'
UNION ALL
SELECT format('SELECT setval(%L, 1, false)', sequencename)
  FROM pg_sequences WHERE schemaname = 'public' AND sequencename NOT LIKE '%migration%'
"""


@dataclass
class Servers:
    """The embedded servers of this test session; a test may stop and start them through
    `local.servers`.
    """

    directory: Path
    postgres_port: int
    redis_port: int

    @property
    def environment(self) -> dict[str, str]:
        return {
            "HOLDFAST_ENV": "development",
            "PROGRAM_STARTS_AS": "live",
            "HOLDFAST_DATA": str(self.directory / "holdfast"),
            "SHOPIFY_API_SECRET": SECRET,
            "DATABASE_URL": f"postgres://postgres@127.0.0.1:{self.postgres_port}/postgres",
            "REDIS_URL": f"redis://127.0.0.1:{self.redis_port}/0",
        }


def wait_for_port(port: int, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not servers.is_listening(port):
        assert time.monotonic() < deadline, f"nothing listens on {port} after {seconds} s"
        time.sleep(0.05)


def migrated() -> None:
    """The tables as the release process makes them: what a test sees is what is deployed."""
    done = subprocess.run(
        processes.app_commands()["release"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def embedded() -> Iterator[Servers]:
    with tempfile.TemporaryDirectory(prefix="holdfast-", ignore_cleanup_errors=True) as name:
        found = Servers(Path(name), servers.free_port(), servers.free_port())
        found.directory.chmod(0o755)
        started = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "local.servers",
                    kind,
                    str(found.directory / kind),
                    str(port),
                ],
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for kind, port in (("postgres", found.postgres_port), ("redis", found.redis_port))
        ]
        try:
            wait_for_port(found.postgres_port)
            wait_for_port(found.redis_port)
            os.environ.update(found.environment)
            migrated()
            yield found
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait(timeout=10)


@pytest.fixture(scope="session")
def config(embedded: Servers) -> settings.Config:
    return settings.load({**os.environ, **embedded.environment})


@pytest_asyncio.fixture(scope="session")
async def open_session(config: settings.Config) -> AsyncIterator[db.Stores]:
    event.use_secrets(config.event_secrets)
    async with db.open_stores(config) as stores:
        yield stores


@pytest_asyncio.fixture
async def stores(open_session: db.Stores) -> db.Stores:
    """Empty tables and an empty Redis."""
    async with db.connection() as raw:
        emptying = await raw.fetch(EMPTYING)
        await raw.execute("; ".join(row["statement"] for row in emptying))
    await open_session.queue.flushall()
    return open_session


@pytest.fixture(autouse=True)
def _no_shop_has_a_circuit() -> None:
    for resource in guard.known:
        resource.shops.clear()


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Every process of Holdfast, with a stand-in store: started once, for tests of the whole
    road.
    """
    with tempfile.TemporaryDirectory(prefix="holdfast-stack-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        started = Stack(Path(name))
        try:
            started.start_everything()
            started.install()
            yield started
        finally:
            started.stop_everything()


@pytest.fixture
def whole_stack(stack: Stack) -> Iterator[Stack]:
    """The stack, with everything running again after a test that broke a part of it."""
    yield stack
    stack.end_silences()
    for name in processes.SERVERS:
        if name in stack.running:
            stack.resume(name)
    stack.start("devstore")
    stack.control("POST", "shopify", {"mode": "normal"})
    stack.start_everything()
