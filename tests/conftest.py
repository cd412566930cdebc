"""Real PostgreSQL and Redis for the whole session, emptied before each test that asks for them."""

import asyncio
import functools
import gc
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import jinja2
import pytest
import pytest_asyncio
import structlog
import uvloop
from playwright import async_api, sync_api
from playwright.async_api import Browser, async_playwright
from xdist.scheduler import LoadFileScheduling

from app import config as settings
from app import db
from app.flow import event
from app.flow.kept import packing
from app.points.tiers import schemes
from app.resilience import guard, health
from app.web import panels, views
from devstore.pages import shared as devstore_pages
from local import processes, servers
from tests import compiling, template
from tests.browser.chromium import ARGUMENTS, executable
from tests.emptying import Emptying
from tests.living import living
from tests.longest import LONGEST
from tests.receiver import Receiver, receiving
from tests.stack import Stack
from tests.template import wait_for_port

# the default draws every local of every frame: a failure that a test makes took ten seconds to tell
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

ROOT = Path(__file__).resolve().parent.parent
DEADLINE_SECONDS = 5.0
SECRET = "test-secret-test-secret-test-secret-1"
# what is kept of the cache without an end
CACHE_PREFIXES = ("cache:", "limit:", "lanes:bodies")
LASTING = """
local found = {}
for _, prefix in ipairs(ARGV) do
  for _, key in ipairs(redis.call('KEYS', prefix .. '*')) do
    if redis.call('PTTL', key) < 0 then found[#found + 1] = key end
  end
end
return found
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
            "DATABASE_URL": servers.postgres_url(self.directory / "postgres", self.postgres_port),
            "REDIS_URL": servers.redis_url(self.directory / "redis", self.redis_port),
        }


def pytest_configure(config: pytest.Config) -> None:
    """Processes of one run share what each would have to make."""
    # tests kill processes, never the machine: what was written is kept by the system
    os.environ |= {"EMBEDDED_FSYNC": "off", "EMBEDDED_APPENDFSYNC": "everysec"}
    # a machine with much to do is no fault of an example
    slow = [hypothesis.HealthCheck.too_slow]
    hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=slow)
    hypothesis.settings.load_profile("patient")
    for expecting in (async_api.expect, sync_api.expect):
        expecting.set_options(timeout=20_000)  # of milliseconds, on a machine with much to do
    os.environ["PYTHONPATH"] = str(ROOT / "tests" / "lean")
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # the loop of every process
    compiling.share(config)
    shared = ExitStack()
    config.add_cleanup(shared.close)
    shared.enter_context(template.folder())
    compiled = jinja2.FileSystemBytecodeCache(os.environ[template.FOLDER])
    for environment in (views.environment, devstore_pages.templates.env):
        environment.bytecode_cache = compiled
    # of several processes the first that asks would let the others wait
    if not hasattr(config, "workerinput") and config.getoption("dist", "no") != "no":
        shared.enter_context(template.making())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    return Together(config, log)


class Together(LoadFileScheduling):
    """A file's tests stay in one process, and so do all that need the whole stack, or a browser:
    starting one takes as long as many of its tests.
    """

    def _split_scope(self, nodeid: str) -> str:
        if "ten_thousand_random_histories" in nodeid:
            return nodeid  # every part for itself
        return _scope(super()._split_scope(nodeid))


@functools.cache
def _scope(file: str) -> str:
    text = (ROOT / file).read_text(encoding="utf-8")
    if "stack: Stack" in text:
        return "stack"
    return "browser" if "shop: FakeShop" in text or "chromium: Browser" in text else file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, or one process is left with it at the end; then files with
    many tests.
    """
    scopes = [_scope(item.nodeid.split("::", maxsplit=1)[0]) for item in items]
    counts = Counter(scopes)
    places = {one: place for place, one in enumerate(LONGEST)}

    def place(pair: tuple[str, pytest.Item]) -> tuple[int, int, str]:
        return places.get(pair[0], len(places)), -counts[pair[0]], pair[0]

    items[:] = [item for _, item in sorted(zip(scopes, items, strict=True), key=place)]


def pytest_collection_finish() -> None:
    gc.freeze()  # of what every test stands on nothing is garbage


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """The whole stack ends with the last test of it: idle it takes a tenth of a core."""
    yield
    if nextitem is None or _scope(nextitem.nodeid.split("::", maxsplit=1)[0]) != "stack":
        for fixture in item.session._fixturemanager.getfixturedefs("stack", item) or ():
            fixture.finish(item._request)


@pytest.fixture(scope="session")
def embedded() -> Iterator[Servers]:
    with tempfile.TemporaryDirectory(prefix="holdfast-", ignore_cleanup_errors=True) as name:
        found = Servers(Path(name), servers.free_port(), servers.free_port())
        found.directory.chmod(0o755)
        template.copy_postgres(found.directory / "postgres")
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
            yield found
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait(timeout=60)


@pytest.fixture(scope="session")
def config(embedded: Servers) -> settings.Config:
    return settings.load({**os.environ, **embedded.environment})


@pytest_asyncio.fixture(scope="session")
async def open_session(config: settings.Config) -> AsyncIterator[db.Stores]:
    event.use_secrets(config.event_secrets)
    packing.use_keys(config.token_keys)
    async with db.open_stores(config) as stores:
        yield stores


@pytest_asyncio.fixture(scope="session")
async def emptying(config: settings.Config) -> AsyncIterator[Emptying]:
    made = Emptying(config.database_url)
    yield made
    await made.close()


@pytest_asyncio.fixture
async def stores(open_session: db.Stores, emptying: Emptying) -> AsyncIterator[db.Stores]:
    """Empty tables and an empty Redis; no test leaves anything in the cache for ever."""
    await emptying.empty()
    await open_session.queue.flushall()
    schemes.forget()
    health.forget()
    yield open_session
    client: Any = open_session.cache
    assert await client.eval(LASTING, 0, *CACHE_PREFIXES) == []


@pytest.fixture(autouse=True)
def _no_shop_has_a_circuit() -> None:
    for resource in guard.known:
        resource.shops.clear()


@pytest.fixture(autouse=True)
def _deadlines(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still for a moment is no failure, where no test is about one."""
    if request.node.get_closest_marker("hangs"):
        return
    for resource in guard.known:
        roomy = max(resource.deadline_seconds, DEADLINE_SECONDS)
        monkeypatch.setattr(resource, "deadline_seconds", roomy)
    monkeypatch.setattr(panels, "ISLAND_SECONDS", DEADLINE_SECONDS)


@pytest_asyncio.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        yield started
        await started.close()


@pytest.fixture(scope="session")
def collector() -> Iterator[Receiver]:
    """What the processes of `stack` send their traces to."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def stack(collector: Receiver) -> Iterator[Stack]:
    """Every process of Holdfast, with a stand-in store: started once, for tests of the whole
    road. Recorded is the trace of whoever asks for it, and errors.
    """
    traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_TRACES_SAMPLER_ARG": "0"}
    with living(**traced) as started:
        yield started


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
