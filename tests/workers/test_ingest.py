"""The ingest process: from the lane to the log by itself, also after the one before it was
killed.
"""

import asyncio
import itertools
import json
import signal
import time
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app import db
from app.core.models import Shop
from app.flow import dead_letters
from app.flow.lanes import backlog, lane, spill
from app.flow.lanes import receipts as written
from app.flow.lanes.admission import Admission
from app.flow.worker import worker_settings
from tests.flow.helpers import letters, until
from tests.flow.lanes.drains import ALICE, STRANGER, emitted, receipts
from tests.workers.started import said, start, started
from workers import ingest

CUSTOMER = {
    "id": 7,
    "state": "enabled",
    "first_name": "Bob",
    "created_at": "2026-07-01T00:00:00Z",
    "updated_at": "2026-07-01T00:00:00Z",
}


def item(
    name: str, shop: str = ALICE, body: bytes | None = None, topic: str = "customers/update"
) -> lane.LaneItem:
    return lane.LaneItem(
        int(time.time() * 1000),
        shop,
        topic,
        name,
        "2026-07",
        "",
        "",
        name,
        json.dumps({**CUSTOMER, "note": shop}).encode() if body is None else body,
    )


@asynccontextmanager
async def running(stores: db.Stores):
    stop = asyncio.Event()
    working = asyncio.create_task(ingest.work(stores, stop))
    try:
        yield
    finally:
        stop.set()
        await working


@pytest.fixture
async def alice(stores: db.Stores) -> None:
    await Shop.create(domain=ALICE)


async def facts_are(count: int, seconds: float = 30.0) -> bool:
    async def found() -> bool:
        return len(await emitted()) == count

    return await until(found, seconds)


async def test_an_admitted_webhook_becomes_a_fact_soon(stores: db.Stores, alice):
    admission = Admission(stores)
    async with running(stores):
        await asyncio.sleep(1.0)  # past the first look around
        took = [60.0]
        while min(took) > 1.0 and len(took) < 10:  # a machine may stand still now and then
            began = time.monotonic()
            await admission.admit(item(f"w{len(took)}"))
            assert await facts_are(len(took))
            took.append(time.monotonic() - began)
        assert min(took) < 1.0, "usually a tenth of that"
        assert (await emitted())[0].topic == "customer.updated"


async def test_a_shop_over_its_pace_is_drained_as_its_tokens_come_when_it_may_not_borrow(
    stores: db.Stores, alice
):
    await stores.queue.hset("lanes:limits", ALICE, "5:50:0")
    admission = Admission(stores)
    async with running(stores):
        began = time.monotonic()
        await asyncio.gather(*(admission.admit(item(f"w{number}")) for number in range(55)))
        assert await facts_are(55)
        assert time.monotonic() - began >= 0.9, "five of them had to wait for their tokens"


async def test_a_webhook_whose_wake_was_lost_is_drained_all_the_same(stores: db.Stores, alice):
    async with running(stores):
        await asyncio.sleep(1.0)
        await lane.admit(stores.queue, [item("w1")], stores.config)  # and nobody enqueues a drain
        assert await facts_are(1)


@pytest.mark.long
async def test_two_ingest_processes_share_the_lanes_and_keep_every_shop_in_order(
    stores: db.Stores, tmp_path: Path, monkeypatch
):
    shops = [f"shop{number}.myshopify.com" for number in range(60)]
    for shop in shops:
        await Shop.create(domain=shop)
        found = [item(f"{shop}-{number}", shop) for number in range(100)]
        await lane.admit(stores.queue, found, stores.config)
    monkeypatch.setenv("DRAIN_BATCH", "40")
    monkeypatch.setenv("LANE_BURST", "100")
    directories = [tmp_path / name for name in ("one", "two")]
    for directory in directories:
        directory.mkdir()
    with started(directories[0], "ingest"), started(directories[1], "ingest"):
        assert await facts_are(6000, 40.0), f"{len(await emitted())} facts of 6000"
    parts = [said(directory).count("webhooks drained") for directory in directories]
    assert min(parts) > 0.1 * sum(parts), parts
    order: dict[str, list[str]] = {shop: [] for shop in shops}
    for fact in await emitted():
        order[fact.shop].append(fact.trace)
    assert all(order[shop] == [f"{shop}-{number}" for number in range(100)] for shop in shops)


async def test_a_drain_that_goes_on_is_no_part_of_a_job_that_ends_by_the_clock(
    stores: db.Stores, alice, monkeypatch
):
    """Otherwise the batch in hand is cut off, and its lanes wait for the end of their leases."""
    write, begun, ended = written.write, [], []

    async def slow(*arguments: Any) -> None:
        begun.append(time.monotonic())
        await asyncio.sleep(0.2)
        await write(*arguments)
        ended.append(time.monotonic())

    monkeypatch.setattr(written, "write", slow)
    monkeypatch.setattr(ingest, "worker_settings", partial(worker_settings, job_timeout_seconds=1))
    await stores.queue.hset("lanes:limits", ALICE, "100000:100000")
    admission = Admission(stores)
    async with running(stores):
        for number in range(60):
            await admission.admit(item(f"w{number}"))
            await asyncio.sleep(0.05)
        assert await facts_are(60)
    assert len(begun) == len(ended), "a batch was cut off"
    assert max(after - before for before, after in itertools.pairwise(begun)) < 1.5


async def test_spilled_webhooks_come_back_and_are_drained(stores: db.Stores, alice):
    one = item("w1")
    await spill.spill([(one.shop, one.webhook_id, lane.encode_item(one))])
    async with running(stores):
        assert await facts_are(1)
    assert await spill.waiting() == (0, 0.0)


async def test_a_shop_that_installs_now_is_known_at_once(stores: db.Stores):
    admission = Admission(stores)
    async with running(stores):
        await admission.admit(item("w1", STRANGER))
        assert await until(receipts)
        await Shop.create(domain=STRANGER)
        await admission.admit(item("w2", STRANGER))
        assert await facts_are(1)
    assert await receipts() == {"w1": "dead", "w2": "facts"}, "what came before waits"


async def test_a_dead_letter_is_tried_again_when_a_replay_is_asked_for(
    stores: db.Stores, alice, monkeypatch
):
    monkeypatch.setattr(ingest, "TIMED_SECONDS", 1)
    admission = Admission(stores)
    async with running(stores):
        await admission.admit(item("w1", body=b"nope"))
        (letter,) = await until(letters)
        assert letter["reason"].startswith("The customers/update payload is not JSON")
        await dead_letters.replay(ALICE, letter["id"])

        async def tried_again() -> bool:
            (found,) = await letters()
            return found["state"] == "dead" and len(found["history"]) > len(letter["history"])

        assert await until(tried_again)


async def test_kill_9_in_the_middle_of_draining_loses_and_doubles_nothing(
    stores: db.Stores, alice, tmp_path: Path
):
    await stores.queue.hset("lanes:limits", ALICE, "100000:100000")
    admission = Admission(stores)
    with started(tmp_path, "ingest") as running:
        for burst in range(3):
            await asyncio.gather(
                *(admission.admit(item(f"w{burst}-{number}")) for number in range(1500))
            )
            assert await until(emitted), said(tmp_path)
            running["ingest"].send_signal(signal.SIGKILL)
            running["ingest"].wait()
            running["ingest"] = start("ingest", tmp_path)
        assert await facts_are(4500, 300.0), f"{len(await emitted())} facts of 4500"
        assert len(await receipts()) == 4500
        assert (await backlog.depth(stores.queue, stores.config)).waiting == 0
        running["ingest"].send_signal(signal.SIGTERM)
        assert running["ingest"].wait(timeout=60) == 0, said(tmp_path)
