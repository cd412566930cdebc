"""A Redis that loses, or may lose, what it was given: noticed, told, refused in production."""

import asyncio
import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app import db
from app.core.models import Shop
from app.flow.lanes import backlog, durability, epoch, lane
from app.flow.lanes.admission import Admission
from tests.conftest import ROOT
from tests.faults.lanes import (
    draining,
    has_come,
    in_step,
    known_losses,
    noticed,
    replica_of,
    traces,
)
from tests.faults.redises import OwnRedis, stores_on
from tests.flow.helpers import until
from tests.flow.lanes.drains import ALICE, drain_once, fact_ids
from tests.flow.lanes.drains import item as order
from tests.silence import Silence
from tests.test_config import COMPLETE
from tests.workers.test_ingest import item

pytestmark = pytest.mark.long


async def test_flushall_in_the_middle_is_noticed_its_window_noted_and_webhooks_flow_on(
    stores: db.Stores, tmp_path: Path, redises: list[OwnRedis]
) -> None:
    await Shop.create(domain=ALICE)
    redises.append(OwnRedis(tmp_path / "redis"))
    async with stores_on(stores, redises[0].url) as own, draining(own):
        assert await until(lambda: own.queue.exists(epoch.KEY))
        admission, admitted_at = Admission(own), {}

        async def send(first: int, last: int) -> None:
            for number in range(first, last):
                await admission.admit(item(f"w{number:04}"))
                admitted_at[f"w{number:04}"] = time.time()

        await asyncio.gather(*(send(part * 250, part * 250 + 125) for part in range(8)))
        await own.queue.flushall()
        flushed_at = time.time()
        await asyncio.gather(*(send(part * 250 + 125, part * 250 + 250) for part in range(8)))
        (loss,) = await until(known_losses, 10.0)
        assert loss.kind == "lost"
        assert loss.lost_from.timestamp() <= flushed_at <= loss.noticed_at.timestamp()
        began = time.monotonic()
        await admission.admit(item("after"))
        assert await until(lambda: has_come("after"), 10.0)
        assert time.monotonic() - began < 5

        async def settled() -> bool:
            return (await backlog.depth(own.queue, own.config)).waiting == 0

        assert await until(settled, 30.0)
        arrived = set(await traces())
        missing = [at for name, at in admitted_at.items() if name not in arrived]
        assert all(loss.lost_from.timestamp() <= at <= flushed_at for at in missing)
        assert len(arrived) > 1000


async def test_an_append_only_file_that_was_cut_is_noticed_with_the_moment_it_went_back_to(
    stores: db.Stores, tmp_path: Path, redises: list[OwnRedis]
) -> None:
    redises.append(OwnRedis(tmp_path / "redis"))
    async with stores_on(stores, redises[0].url) as own:
        assert await epoch.look(own) is None
        await lane.admit(own.queue, [order("w1")], own.config)
        assert await epoch.look(own) is None
        kept = redises[0].append_only_file.stat().st_size
        before = time.time()
        await lane.admit(own.queue, [order("w2")], own.config)
        await asyncio.sleep(0.01)
        assert await epoch.look(own) is None
        redises[0].kill()
        os.truncate(redises[0].append_only_file, kept)
        redises[0].start()
        loss = await until(lambda: noticed(own))
        assert loss.kind == "went_back"
        assert loss.lost_from.timestamp() <= before + 0.01
        assert await epoch.look(own) is None, "it is noted once"
        assert await known_losses() == [loss]
        await drain_once(own)
        assert await fact_ids() == ["w1"]


async def test_a_failover_to_a_replica_that_lacks_what_another_confirmed_is_noticed(
    stores: db.Stores, tmp_path: Path, redises: list[OwnRedis]
) -> None:
    redises.append(OwnRedis(tmp_path / "primary"))
    with Silence(redises[0].port) as between:
        redises.append(replica_of(between.port, tmp_path / "replica"))
        redises.append(replica_of(redises[0].port, tmp_path / "other"))
        async with stores_on(stores, redises[0].url) as own:
            assert await until(lambda: in_step(own, 2), 15.0)
            await epoch.look(own)
            await lane.admit(own.queue, [order("w1")], own.config)
            assert await durability.replica_answers(own.queue, 1000)
            between.be_black_hole()
            await lane.admit(own.queue, [order("w2")], own.config)
            await asyncio.sleep(0.01)
            assert await epoch.look(own) is None
            redises[0].kill()
        async with stores_on(stores, redises[1].url) as own:
            await own.queue.replicaof("NO", "ONE")
            loss = await until(lambda: noticed(own))
            assert loss.kind == "went_back"
            await drain_once(own)
    assert await fact_ids() == ["w1"]


async def test_several_processes_that_look_at_once_note_nothing_or_one_loss(
    stores: db.Stores,
) -> None:
    for _ in range(5):
        assert await asyncio.gather(*(epoch.look(stores) for _ in range(4))) == [None] * 4
    await stores.queue.flushall()
    found = await asyncio.gather(*(epoch.look(stores) for _ in range(4)))
    found += [await epoch.look(stores) for _ in range(3)]
    assert len([loss for loss in found if loss]) == 1
    assert len(await known_losses()) == 1


async def test_a_redis_that_may_lose_webhooks_is_told(
    stores: db.Stores, tmp_path: Path, redises: list[OwnRedis]
) -> None:
    assert (await _problems(stores)) == ()
    wrong = {
        "appendonly": ("no", "append-only"),
        "appendfsync": ("no", "appendfsync"),
        "maxmemory-policy": ("allkeys-lru", "noeviction"),
    }
    redises.append(OwnRedis(tmp_path / "redis"))
    async with stores_on(stores, redises[0].url) as own:
        assert await _problems(own) == ()
        for name, (value, told) in wrong.items():
            before = (await own.queue.config_get(name))[name]
            await own.queue.config_set(name, value)
            (problem,) = await _problems(own)
            assert told in problem
            await own.queue.config_set(name, before)
        redises.append(replica_of(redises[0].port, tmp_path / "replica"))
        assert await until(lambda: in_step(own), 15.0)
        redises[1].kill()

        async def is_missed() -> bool:
            return any("had 1 replica" in problem for problem in await _problems(own))

        assert await until(is_missed, 10.0)


async def _problems(stores: db.Stores) -> tuple[str, ...]:
    found = await durability.look(stores.queue, stores.config)
    assert found is not None
    return found.problems


@pytest.mark.parametrize("worker", ["web", "ingest"])
def test_production_does_not_start_on_a_redis_that_may_lose_webhooks(
    tmp_path: Path, redises: list[OwnRedis], worker: str
) -> None:
    redises.append(OwnRedis(tmp_path / "redis", "--appendonly", "no"))
    done = subprocess.run(
        [sys.executable, "-m", f"workers.{worker}"],
        cwd=ROOT,
        env={**os.environ, **COMPLETE, "REDIS_URL": redises[0].url},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1
    assert "Holdfast does not start: Redis keeps no append-only file" in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_redis_that_does_not_tell_its_settings_is_trusted_when_we_are_told_so(
    stores: db.Stores, tmp_path: Path, redises: list[OwnRedis]
) -> None:
    redises.append(OwnRedis(tmp_path / "redis", "--rename-command", "CONFIG", ""))
    async with stores_on(stores, redises[0].url) as own:
        (problem,) = await _problems(own)
        assert "REDIS_DURABLE=yes" in problem
        trusted = dataclasses.replace(own.config, redis_is_durable=True)
        assert await _problems(dataclasses.replace(own, config=trusted)) == ()
