"""The lanes when Redis is full, forgets, goes back in time, loses its replica, or has another
clock than we.
"""

import asyncio
import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from redis.exceptions import RedisError

from app import db
from app.core.models import Shop
from app.flow.lanes import backlog, durability, epoch, lane, spill
from app.flow.lanes.admission import Admission
from tests.conftest import ROOT
from tests.faults.redises import OwnRedis, stores_on
from tests.flow.helpers import until
from tests.flow.lanes.drains import ALICE, BOB, drain_once, emitted, fact_ids
from tests.flow.lanes.drains import item as order
from tests.silence import Silence
from tests.test_config import COMPLETE
from tests.workers.test_ingest import item
from workers import ingest


@pytest.fixture
def redises(tmp_path: Path) -> Iterator[list[OwnRedis]]:
    started: list[OwnRedis] = []
    yield started
    for one in started:
        one.kill()


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    yield
    durability.forget()


@asynccontextmanager
async def draining(stores: db.Stores) -> AsyncIterator[None]:
    """The ingest process, here."""
    stop = asyncio.Event()
    working = asyncio.create_task(ingest.work(stores, stop))
    try:
        yield
    finally:
        stop.set()
        await working


def replica_of(port: int, directory: Path) -> OwnRedis:
    return OwnRedis(directory, "--replicaof", "127.0.0.1", str(port))


async def in_step(stores: db.Stores) -> bool:
    found = await durability.look(stores.queue, stores.config)
    return found is not None and found.replicas == 1


async def noticed(stores: db.Stores) -> epoch.Loss | None:
    """A look at a Redis that has just come back: connections of before fail once."""
    try:
        return await epoch.look(stores)
    except (RedisError, OSError):
        return None


async def spilled() -> int:
    async with db.connection() as connection:
        count: int = await connection.fetchval("SELECT count(*) FROM spilled_webhooks")
    return count


async def traces() -> list[str]:
    return sorted(fact.trace for fact in await emitted())


async def test_a_full_redis_spills_what_comes_drains_what_waits_and_takes_the_rest_back(
    stores: db.Stores, tmp_path: Path, redises: list[OwnRedis]
) -> None:
    await Shop.create(domain=ALICE)
    redises.append(OwnRedis(tmp_path / "redis"))
    async with stores_on(stores, redises[0].url) as own:
        used = (await own.queue.info("memory"))["used_memory"]
        await own.queue.config_set("maxmemory", used + 4_000_000)
        admission = Admission(own)
        names = [f"w{number:03}" for number in range(400)]
        body = b'{"id": 7, "first_name": "' + b"x" * 20_000 + b'"}'
        answers = [await admission.admit(item(name, body=body)) for name in names]
        assert set(answers) == {"queued", "spilled"}
        waiting = await lane.lane_length(own.queue, ALICE)
        assert waiting == answers.count("queued") > 50
        assert await spilled() == answers.count("spilled") > 50
        await own.queue.config_set("maxmemory", 1_000_000)  # now far above its limit
        claims = await lane.claim(own.queue, 10, own.config)
        assert await lane.renew(own.queue, claims, own.config) == 1
        assert await lane.acknowledge(own.queue, claims, own.config, counts=[0]) == 1
        await own.queue.config_set("maxmemory", used + 4_000_000)
        async with draining(own):

            async def all_there() -> bool:
                return await traces() == names

            assert await until(all_there, 40.0), f"{len(await traces())} of 400"
            assert await until(_none_spilled, 10.0)


async def _none_spilled() -> bool:
    return await spilled() == 0


async def test_where_a_replica_is_lost_webhooks_are_kept_in_postgres_until_one_has_them(
    stores: db.Stores, tmp_path: Path, redises: list[OwnRedis], monkeypatch
) -> None:
    redises.append(OwnRedis(tmp_path / "primary"))
    redises.append(replica_of(redises[0].port, tmp_path / "replica"))
    async with stores_on(stores, redises[0].url) as own:
        assert await until(lambda: in_step(own), 15.0)
        admission = Admission(own)
        assert await admission.admit(order("w1")) == "queued"
        redises[1].pause()
        began = time.monotonic()
        assert await admission.admit(order("w2")) == "spilled"
        assert time.monotonic() - began < 3
        assert await admission.admit(order("w3")) == "spilled"
        await spill.unspill(own)
        await drain_once(own)
        assert sorted(await fact_ids()) == ["w1", "w2", "w3"], "they do not wait for the replica"
        assert await spilled() == 2, "but are kept until it has them"
        assert await spill.waiting() == (0, 0.0)
        redises[1].resume()

        async def forgotten() -> bool:
            await spill.unspill(own)
            return await spilled() == 0

        assert await until(forgotten, 10.0)
        admission.avoid_redis_until = 0.0
        assert await admission.admit(order("w4")) == "queued"


async def test_what_no_replica_had_comes_back_after_redis_was_lost(
    stores: db.Stores, tmp_path: Path, redises: list[OwnRedis]
) -> None:
    redises.append(OwnRedis(tmp_path / "primary"))
    redises.append(replica_of(redises[0].port, tmp_path / "replica"))
    async with stores_on(stores, redises[0].url) as own:
        assert await until(lambda: in_step(own), 15.0)
        await epoch.look(own)
        redises[1].pause()
        assert await Admission(own).admit(order("w1")) == "spilled"
        await spill.unspill(own)
        await own.queue.flushall()
        loss = await epoch.look(own)
        assert loss is not None
        await spill.unspill(own)
        await drain_once(own)
        assert await fact_ids() == ["w1"]


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
        (loss,) = await until(epoch.losses, 10.0)
        assert loss.kind == "lost"
        assert loss.lost_from.timestamp() <= flushed_at <= loss.noticed_at.timestamp()
        began = time.monotonic()
        await admission.admit(item("after"))
        assert await until(lambda: _has("after"), 10.0)
        assert time.monotonic() - began < 5

        async def settled() -> bool:
            return (await backlog.depth(own.queue, own.config)).waiting == 0

        assert await until(settled, 30.0)
        arrived = set(await traces())
        missing = [at for name, at in admitted_at.items() if name not in arrived]
        assert all(loss.lost_from.timestamp() <= at <= flushed_at for at in missing)
        assert len(arrived) > 1000


async def _has(trace: str) -> bool:
    return trace in await traces()


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
        assert await epoch.losses() == [loss]
        await drain_once(own)
        assert await fact_ids() == ["w1"]


async def test_a_failover_to_a_replica_that_lagged_is_noticed(
    stores: db.Stores, tmp_path: Path, redises: list[OwnRedis]
) -> None:
    redises.append(OwnRedis(tmp_path / "primary"))
    with Silence(redises[0].port) as between:
        redises.append(replica_of(between.port, tmp_path / "replica"))
        async with stores_on(stores, redises[0].url) as own:
            assert await until(lambda: in_step(own), 15.0)
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
    assert len(await epoch.losses()) == 1


async def test_a_web_process_two_hours_ahead_holds_up_no_lane(
    stores: db.Stores, monkeypatch
) -> None:
    await Shop.create(domain=ALICE)
    admission = Admission(stores)
    monkeypatch.setattr("arq.connections.timestamp_ms", lambda: int(time.time() * 1000) + 7_200_000)
    async with draining(stores):
        for hours in (2, 0, -2):
            one = item(f"w{hours}")
            received_ms = one.received_ms + hours * 3_600_000
            await admission.admit(msgspec.structs.replace(one, received_ms=received_ms))
            assert await until(lambda hours=hours: _has(f"w{hours}"), 5.0)


async def test_one_spilled_webhook_is_back_within_seconds_beside_150_000_of_another_shop(
    stores: db.Stores,
) -> None:
    await spill.spill([(ALICE, "first", lane.encode_item(order("first")))])
    async with db.transaction() as connection:
        await connection.execute("SET LOCAL statement_timeout = 0")
        await connection.execute(
            "INSERT INTO spilled_webhooks (shop, webhook_id, item, spilled_at)"
            " SELECT shop, 'w' || number, item, now()"
            "   FROM spilled_webhooks, generate_series(1, 149999) AS number"
        )
    await spill.spill([(BOB, "w1", lane.encode_item(order("w1", BOB)))])
    began = time.monotonic()
    await spill.unspill(stores)
    assert time.monotonic() - began < spill.UNSPILL_SECONDS_MAX + 3
    assert await lane.lane_length(stores.queue, BOB) == 1
    assert await lane.lane_length(stores.queue, ALICE) == spill.ROOM_MAX
    began = time.monotonic()
    assert (await spill.unspill(stores))[0] == 0
    assert time.monotonic() - began < 1, "a full lane is not tried again and again"
    assert (await spill.waiting())[0] == spill.COUNT_MAX
    await drain_once(stores)
    assert (await spill.unspill(stores))[0] > 0, "what was drained makes room"


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
