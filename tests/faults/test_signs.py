"""What a part shows of itself when it stands still, and that whoever reads its log, or does not,
never stops it.
"""

import asyncio
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from app import db
from app.core.models import Shop
from app.flow.lanes import receipts
from app.flow.lanes.admission import Admission
from app.resilience import health
from app.resilience.progress import Progress
from local import servers
from tests.conftest import ROOT
from tests.flow.helpers import until
from tests.flow.lanes.drains import ALICE, emitted
from tests.stack import Stack
from tests.template import wait_for_port
from tests.waiting import seconds_until, wait_for
from tests.workers.test_ingest import item
from workers import ingest, service

SEEN_WITHIN_SECONDS = 5.0
pytestmark = pytest.mark.long
SKEWED = """
import runpy, time
true_time = time.time
time.time = lambda: true_time() + 7200
runpy.run_module("workers.relay", run_name="__main__")
"""


@contextmanager
def process(
    command: list[str], stdout: int, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=stdout,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield started
    finally:
        started.kill()
        started.wait(5)


@contextmanager
def pipe(*, is_read: bool) -> Iterator[int]:
    """The writing end of a pipe nobody reads, or whose reader has left."""
    reader, writer = os.pipe()
    if not is_read:
        os.close(reader)
    try:
        yield writer
    finally:
        os.close(writer)
        if is_read:
            os.close(reader)


def test_web_goes_on_answering_while_nobody_reads_its_log(embedded) -> None:
    port = servers.free_port()
    with (
        pipe(is_read=True) as stdout,
        process(["-m", "workers.web"], stdout, PORT=str(port)),
    ):
        wait_for_port(port)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        for number in range(3_000):
            connection.request("GET", f"/nowhere/{number}")  # a line of the log each
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 404, number
        connection.close()


async def test_ingest_goes_on_acknowledging_when_its_log_has_lost_its_reader(
    stores: db.Stores,
) -> None:
    await Shop.create(domain=ALICE)
    admission = Admission(stores)
    with pipe(is_read=False) as stdout, process(["-m", "workers.ingest"], stdout) as running:
        for burst in range(3):
            await admission.admit(item(f"w{burst}"))

            async def acknowledged(count: int = burst + 1) -> bool:
                return len(await emitted()) == count and not await stores.queue.exists(
                    f"lane:{ALICE}"
                )

            assert await until(acknowledged, 15.0)
        assert running.poll() is None
        running.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(running.wait, 10) == 0


@pytest.mark.parametrize("part", ["ingest", "relay", "points"])
def test_a_part_that_is_stopped_is_seen_everywhere_within_five_seconds(
    whole_stack: Stack, part: str
) -> None:
    stack = whole_stack
    bob = stack.customer()
    stack.order(bob, "40.00")
    stack.wait_for_points(bob, 40)
    wait_for("the balance is live", lambda: stack.me(bob)["points"]["source"] == "live", 10)
    stack.pause(part)
    try:
        took = seconds_until(
            "it is seen", lambda: stack.health()["services"][part]["status"] == "down", 15
        )
        assert took < SEEN_WITHIN_SECONDS + 1, "a second for the slowness of this machine"
        assert stack.health()["status"] == "degraded"
        me = stack.me(bob)
        assert (me["points"]["available"], me["points"]["source"]) == (40, "cached")
        assert any("on their way" in notice for notice in me["notices"])
        assert "Not answering" in stack.open_admin("/health").text
        assert "on their way" in stack.open_admin("/").text
    finally:
        stack.resume(part)
    wait_for("it is back", lambda: stack.health()["services"][part]["status"] == "healthy", 15)
    wait_for("the mark goes", lambda: stack.me(bob)["points"]["source"] == "live", 15)


@pytest.mark.parametrize("part", ["ingest", "relay", "core", "points"])
def test_a_part_that_is_cut_off_from_postgres_without_a_word_is_seen_within_five_seconds(
    whole_stack: Stack, part: str
) -> None:
    stack = whole_stack
    hole = stack.between(part, "postgres")
    time.sleep(4)  # one that was started again for it is not missed at once
    bob = stack.customer()
    stack.order(bob, "40.00")
    stack.wait_for_points(bob, 40)
    wait_for("all is well", lambda: stack.health().get("status") == "ok", 20)
    hole.be_black_hole()
    seen = seconds_until(
        "it is seen", lambda: not stack.health()["services"][part]["reaches_database"], 15
    )
    assert seen < SEEN_WITHIN_SECONDS + 1, "a second for the slowness of this machine"
    assert stack.health()["services"][part]["status"] == "late"
    assert "Not reaching the database" in stack.open_admin("/health").text
    if part != "core":
        assert "on their way" in stack.open_admin("/").text
        assert stack.me(bob)["points"]["source"] == "cached"
    hole.pass_on()
    took = seconds_until("all is well", lambda: stack.health().get("status") == "ok", 20)
    print(f"\n{part}: seen after {seen:.1f} s, well again {took:.1f} s after it ended")


def test_a_part_that_was_killed_is_seen_within_five_seconds(whole_stack: Stack) -> None:
    stack = whole_stack
    stack.kill("relay")
    took = seconds_until(
        "it is seen", lambda: stack.health()["services"]["relay"]["status"] == "down", 15
    )
    assert took < SEEN_WITHIN_SECONDS + 1


async def notice(stores: db.Stores, part: str) -> str:
    health.forget()
    return health.service_notice(await health.board(stores.queue), part)


@asynccontextmanager
async def running(work: Callable[[asyncio.Event], Awaitable[None]]) -> AsyncIterator[None]:
    stop = asyncio.Event()
    working = asyncio.ensure_future(work(stop))
    try:
        yield
    finally:
        stop.set()
        await working


async def test_an_ingest_that_stands_still_with_a_leased_lane_is_seen_within_five_seconds(
    stores: db.Stores, monkeypatch
) -> None:
    await Shop.create(domain=ALICE)
    release = asyncio.Event()
    write = receipts.write

    async def held_up(readings, *rest) -> None:
        await release.wait()
        await write(readings, *rest)

    monkeypatch.setattr(receipts, "write", held_up)
    async with running(lambda stop: ingest.work(stores, stop)):

        async def is_healthy() -> bool:
            return await notice(stores, "ingest") == "healthy"

        async def is_late() -> bool:
            return await notice(stores, "ingest") == "late"

        assert await until(is_healthy)
        await Admission(stores).admit(item("w1"))
        began = time.monotonic()
        assert await until(is_late, 15)
        assert time.monotonic() - began < SEEN_WITHIN_SECONDS + 1
        release.set()
        assert await until(is_healthy, 10)
        assert len(await emitted()) == 1


async def test_a_part_whose_store_takes_no_writes_is_late_and_to_nobodys_blame(
    stores: db.Stores, monkeypatch
) -> None:
    progress, lag = Progress(), 20.0
    monkeypatch.setattr(health, "STUCK_AFTER_SECONDS", 0.5)

    async def read_only() -> None:
        raise ConnectionError("Postgres takes no writes")

    async def lag_seconds() -> float:
        return lag

    await service._write_is_possible()
    monkeypatch.setattr(service, "_write_is_possible", read_only)
    async with running(lambda stop: service.beat(stores, "points", lag_seconds, stop, progress)):
        stuck = []
        for _ in range(40):
            await asyncio.sleep(0.1)
            stuck.append(progress.stuck_seconds())
        assert await notice(stores, "points") == "late"
    assert max(stuck) < 3, "its time began again with each look at the store"


async def test_a_process_whose_clock_is_two_hours_ahead_lives_and_dies_like_all_others(
    stores: db.Stores,
) -> None:
    with process(["-c", SKEWED], subprocess.DEVNULL) as skewed:

        async def is_healthy() -> bool:
            return await notice(stores, "relay") == "healthy"

        async def is_down() -> bool:
            return await notice(stores, "relay") == "down"

        assert await until(is_healthy, 15)
        skewed.kill()
        began = time.monotonic()
        assert await until(is_down, 15)
        assert time.monotonic() - began < SEEN_WITHIN_SECONDS
