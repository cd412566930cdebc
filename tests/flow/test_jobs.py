"""Jobs: signed JSON on arq, retried, refused when tampered with, surviving a lost Redis."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from redis.exceptions import ConnectionError as RedisConnectionError

from app import db
from app.errors import RefusedError
from app.flow import jobs, worker

QUEUE = "arq:test"


async def run_until(settings, condition, seconds=30.0):
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run_worker(settings, stop))
    deadline = time.monotonic() + seconds
    try:
        while not condition():
            assert time.monotonic() < deadline, "the job did not run in time"
            assert not running.done(), running.exception()
            await asyncio.sleep(0.01)
    finally:
        stop.set()
        await running


async def test_a_job_gets_its_arguments_context_and_the_request_id_of_its_caller(stores: db.Stores):
    seen = []

    async def greet(ctx, name, count):
        seen.append(
            (ctx["who"], name, count, structlog.contextvars.get_contextvars()["request_id"])
        )

    pool = jobs.pool(stores.config)
    with structlog.contextvars.bound_contextvars(request_id="req-1"):
        assert await jobs.enqueue(pool, QUEUE, "greet", "Bob", 3)
    await run_until(
        worker.worker_settings(stores.config, QUEUE, [greet], ctx={"who": "Alice"}), lambda: seen
    )
    assert seen == [("Alice", "Bob", 3, "req-1")]
    await pool.aclose()


async def test_the_same_job_id_waits_once_in_a_queue_and_another_queue_may_use_it_too(
    stores: db.Stores,
):
    pool = jobs.pool(stores.config)
    later = datetime.now(UTC) + timedelta(hours=1)
    assert await jobs.enqueue(pool, QUEUE, "greet", job_id="one", defer_until=later)
    assert not await jobs.enqueue(pool, QUEUE, "greet", job_id="one")
    assert await jobs.enqueue(pool, "arq:other", "greet", job_id="one")
    await pool.aclose()


async def test_a_waiting_job_outlives_a_weekend(stores: db.Stores):
    pool = jobs.pool(stores.config)
    await jobs.enqueue(pool, QUEUE, "greet", job_id="one")
    assert await stores.queue.pttl(f"arq:job:{QUEUE}:one") > 6 * 24 * 3600 * 1000
    await pool.aclose()


async def test_a_tampered_job_is_refused_and_the_next_one_runs(stores: db.Stores):
    seen = []

    async def pay(_ctx, amount):
        seen.append(amount)

    pool = jobs.pool(stores.config)
    await jobs.enqueue(pool, QUEUE, "pay", 1, job_id="tampered")
    key = f"arq:job:{QUEUE}:tampered"
    payload = await stores.queue.get(key)
    assert b"[1]" in payload
    await stores.queue.set(key, payload.replace(b"[1]", b"[9]"), keepttl=True)
    await jobs.enqueue(pool, QUEUE, "pay", 2)
    await run_until(worker.worker_settings(stores.config, QUEUE, [pay]), lambda: seen)
    assert seen == [2]
    assert not await stores.queue.exists(key)
    await pool.aclose()


def test_any_known_secret_verifies_a_job_and_only_the_first_signs():
    old_dump, _ = jobs.codec(lambda: ["old"])
    new_dump, new_load = jobs.codec(lambda: ["new", "old"])
    assert new_load(old_dump({"a": [1]})) == {"a": [1]}
    with pytest.raises(jobs.BadJobError):
        jobs.codec(lambda: ["old"])[1](new_dump({}))
    with pytest.raises(jobs.BadJobError):
        new_load(b"")


async def test_a_job_that_fails_is_tried_again_and_a_permanent_error_is_not(
    stores: db.Stores, monkeypatch
):
    tries = {"shaky": 0, "refused": 0}

    async def shaky(_ctx):
        tries["shaky"] += 1
        if tries["shaky"] == 1:
            raise OSError("once")

    async def refused(_ctx):
        tries["refused"] += 1
        raise RefusedError("Never.")

    monkeypatch.setattr(worker.random, "uniform", lambda _low, _high: 0.01)
    pool = jobs.pool(stores.config)
    await jobs.enqueue(pool, QUEUE, "refused")
    await jobs.enqueue(pool, QUEUE, "shaky")
    await run_until(
        worker.worker_settings(stores.config, QUEUE, [shaky, refused]), lambda: tries["shaky"] == 2
    )
    assert tries == {"shaky": 2, "refused": 1}
    await pool.aclose()


async def test_a_cron_job_runs_at_its_time(stores: db.Stores):
    seen = []

    async def tick(_ctx):
        seen.append(1)

    await run_until(
        worker.worker_settings(stores.config, QUEUE, [], [worker.every(1, tick)]), lambda: seen
    )


async def test_a_worker_that_loses_redis_starts_again_after_a_pause(stores: db.Stores, monkeypatch):
    seen, starts = [], []
    work = worker._work

    async def lose_once(found, stop):
        starts.append(time.monotonic())
        if len(starts) <= 2:
            await worker._close(found, asyncio.create_task(asyncio.sleep(0)))
            raise RedisConnectionError("gone")
        await work(found, stop)

    async def greet(_ctx):
        seen.append(1)

    monkeypatch.setattr(worker, "_work", lose_once)
    pool = jobs.pool(stores.config)
    await jobs.enqueue(pool, QUEUE, "greet")
    await run_until(worker.worker_settings(stores.config, QUEUE, [greet]), lambda: seen)
    assert starts[1] - starts[0] >= 0.19
    assert starts[2] - starts[1] >= 0.39
    await pool.aclose()


async def test_a_worker_told_to_stop_lets_its_job_end(stores: db.Stores):
    state = []

    async def slow(_ctx):
        state.append("started")
        await asyncio.sleep(0.3)
        state.append("ended")

    pool = jobs.pool(stores.config)
    await jobs.enqueue(pool, QUEUE, "slow")
    await run_until(worker.worker_settings(stores.config, QUEUE, [slow]), lambda: state)
    assert state == ["started", "ended"]
    await pool.aclose()
