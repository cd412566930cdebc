"""Sentinel: another Redis takes over under load, by a kill, a pause or a plan, and every webhook
that was acknowledged has its effect once.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis
from redis.exceptions import RedisError

from app import db
from app.core.models import Shop
from app.flow import jobs
from app.flow.lanes import backlog, durability, epoch, lane, spill
from app.flow.lanes.admission import Admission
from app.sentinels import AGREED_SECONDS_MAX
from tests.faults.lanes import draining, kept, known_losses, noticed, spilled, traces
from tests.faults.redises import stores_on
from tests.flow.helpers import until
from tests.flow.lanes.drains import ALICE
from tests.flow.lanes.drains import item as order
from tests.sentinels import Sentinels
from tests.workers.test_ingest import item

pytestmark = pytest.mark.long

LOAD_SECONDS = 12.0
PAUSE_SECONDS = 0.02
SENDERS = 4
FAIL_OVER_SECONDS_MAX = 30.0


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    started = Sentinels(tmp_path)
    yield started
    started.stop()


@pytest.fixture
async def own(stores: db.Stores, sentinels: Sentinels) -> AsyncIterator[db.Stores]:
    await Shop.create(domain=ALICE)
    async with stores_on(stores, sentinels.url) as found:
        assert await until(lambda: is_begun(found), 15.0)
        yield found


async def is_begun(own: db.Stores) -> bool:
    await durability.look(own.lane, own.config)
    await epoch.look(own)
    return bool(await own.lane.exists(epoch.KEY))


async def harm(sentinels: Sentinels, how: str) -> None:
    before = sentinels.primary
    if how == "killed":
        before.kill()
    elif how == "paused":
        before.pause()
    else:
        await asyncio.to_thread(sentinels.fail_over)
    await asyncio.to_thread(sentinels.wait_for_another, before, FAIL_OVER_SECONDS_MAX)
    await asyncio.sleep(1.0)
    if how == "killed":
        before.start()
    before.resume()


@pytest.mark.parametrize("how", ["killed", "paused", "planned"])
async def test_under_load_no_acknowledged_webhook_is_lost_and_no_loss_is_noted(
    own: db.Stores, sentinels: Sentinels, how: str
) -> None:
    admission, outcomes = Admission(own), dict[str, str]()
    longest_seconds = 0.0

    async def send(sender: int, ends: float) -> None:
        nonlocal longest_seconds
        number = 0
        while time.monotonic() < ends or admission.avoid_redis_until > time.monotonic():
            name, number = f"{sender}-{number:05}", number + 1
            began = time.monotonic()
            outcomes[name] = await admission.admit(item(name))
            longest_seconds = max(longest_seconds, time.monotonic() - began)
            await asyncio.sleep(PAUSE_SECONDS)

    async with draining(own):
        ends = time.monotonic() + LOAD_SECONDS
        async with asyncio.TaskGroup() as group:
            for sender in range(SENDERS):
                group.create_task(send(sender, ends))
            await asyncio.sleep(2.0)
            await harm(sentinels, how)

        async def all_there() -> bool:
            return await spilled() == 0 and await traces() == sorted(outcomes)

        assert await until(all_there, 90.0), f"{len(await traces())} of {len(outcomes)}"
        assert await until(lambda: in_step(own), 60.0), "who was away is a replica now"
    count = list(outcomes.values()).count
    print(f"\n{how}: {count('queued')} queued, {count('spilled')} spilled, {longest_seconds:.2f} s")
    assert count("queued") > 100
    assert longest_seconds < 5.0, "Shopify waits no longer"
    assert await known_losses() == [], "a fail-over that loses nothing acknowledged is no loss"


async def in_step(own: db.Stores) -> bool:
    found = await durability.look(own.lane, own.config)
    return found is not None and found.replicas == 1


async def test_a_process_that_begins_while_there_is_no_replica_acknowledges_nothing_by_redis_alone(
    own: db.Stores, sentinels: Sentinels
) -> None:
    sentinels.replica.kill()
    durability.forget()
    assert await Admission(own).admit(order("w1")) == "spilled"


async def test_what_came_back_to_a_primary_without_a_replica_comes_again_after_it_was_lost(
    own: db.Stores, sentinels: Sentinels
) -> None:
    """Moved from Postgres to a primary nobody followed, which dies before anybody looks again."""
    primary = sentinels.primary
    with redis.Redis(port=sentinels.replica.port) as replica:
        replica.replicaof("127.0.0.1", 9)  # it follows nobody any more, and keeps what it has
    assert await Admission(own).admit(order("w1")) == "spilled"
    await spill.unspill(own)
    assert await spilled() == 0
    assert await kept() == 1
    primary.kill()
    await asyncio.to_thread(sentinels.wait_for_another, primary, FAIL_OVER_SECONDS_MAX)
    assert await until(lambda: is_empty(own), 15.0)
    primary.start()

    async def is_back() -> bool:
        await spill.unspill(own)
        return await lane.lane_length(own.lane, ALICE) == 1

    assert await until(is_back, 60.0)


async def is_empty(own: db.Stores) -> bool:
    await noticed(own)
    try:
        return (await backlog.depth(own.lane, own.config)).waiting == 0
    except (RedisError, OSError):
        return False


async def test_jobs_go_on_after_a_fail_over(own: db.Stores, sentinels: Sentinels) -> None:
    pool = jobs.pool(own.config)
    try:
        before = sentinels.primary
        assert await jobs.enqueue(pool, "arq:a test", "work", job_id="1")
        before.kill()
        await asyncio.to_thread(sentinels.wait_for_another, before, FAIL_OVER_SECONDS_MAX)

        async def is_told() -> bool:
            try:
                return await jobs.enqueue(pool, "arq:a test", "work", job_id="2")
            except (RedisError, OSError):
                return False

        assert await until(is_told, 15.0)
        assert await pool.zcard("arq:a test") == 2
    finally:
        await pool.aclose()


async def test_with_all_sentinels_away_webhooks_go_to_the_primary_of_before_and_to_postgres(
    own: db.Stores, sentinels: Sentinels
) -> None:
    admission = Admission(own)
    assert await admission.admit(order("w1")) == "queued"
    for process in sentinels.processes:
        process.kill()
        process.wait(5)
    assert await admission.admit(order("w2")) == "queued", "nobody can have taken its place yet"
    await own.lane.connection_pool.disconnect()
    await asyncio.sleep(AGREED_SECONDS_MAX)
    assert await admission.admit(order("w3")) == "spilled", "they may be on the side of another one"
    assert await lane.lane_length(own.lane, ALICE) == 3
    async with stores_on(own, sentinels.url) as begun:
        assert await Admission(begun).admit(order("w4")) == "spilled", "who knows none asks none"
