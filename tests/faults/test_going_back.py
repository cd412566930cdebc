"""A Redis that goes back in time where no look at its era can see it at once."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from app import db
from app.flow.lanes import epoch
from app.flow.lanes.admission import Admission
from app.flow.lanes.epoch import Witness
from app.flow.lanes.lane import Told
from tests.faults.redises import OwnRedis, stores_on
from tests.flow.helpers import until
from tests.flow.lanes.drains import item as order


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    started = OwnRedis(tmp_path / "redis")
    yield started
    started.kill()


def test_a_witness_tells_the_last_beat_before_redis_went_back() -> None:
    witness = Witness()
    told = [Told("a", 1_000, 1), Told("a", 2_000, 5), Told("a", 3_000, 9), Told("a", 3_000, 10)]
    assert [witness.went_back_to(one) for one in told] == [None] * 4
    assert witness.went_back_to(Told("a", 4_000, 7)) == 1_000, "one beat more, for what others did"
    assert witness.went_back_to(Told("a", 4_000, 8)) is None, "once"
    assert witness.went_back_to(Told("b", 5_000, 1)) is None, "another era is noted by who began it"
    assert witness.went_back_to(Told("", 0, 1)) is None, "what Redis forgot is seen by the looks"


async def test_an_append_only_file_that_was_cut_between_two_looks_is_noticed_by_who_admits(
    stores: db.Stores, own_redis: OwnRedis
) -> None:
    async with stores_on(stores, own_redis.url) as own:
        admission = Admission(own)
        await epoch.look(own)
        await admission.admit(order("w1"))
        kept = own_redis.append_only_file.stat().st_size
        await admission.admit(order("w2"))
        lost_at = time.time()
        own_redis.kill()
        os.truncate(own_redis.append_only_file, kept)
        own_redis.start()
        assert await until(lambda: _looked(own))
        assert await epoch.losses() == [], "the look before the cut saw nothing newer"
        await admission.admit(order("w3"))
        (loss,) = await until(epoch.losses, 10.0)
        assert loss.kind == "went_back"
        assert loss.lost_from.timestamp() <= lost_at <= loss.noticed_at.timestamp()
        await admission.admit(order("w4"))
        await asyncio.sleep(1.5)
        assert await epoch.look(own) is None
        assert await epoch.losses() == [loss], "it is noted once"


async def _looked(stores: db.Stores) -> bool:
    try:
        await epoch.look(stores)
    except (RedisError, OSError):
        return False
    return True


async def test_a_redis_that_went_back_is_noted_by_a_later_look_when_the_first_could_not(
    stores: db.Stores,
) -> None:
    await epoch.look(stores)
    before = await stores.queue.hget(epoch.KEY, "beat")
    await asyncio.sleep(0.01)
    await epoch.look(stores)
    await stores.queue.hset(epoch.KEY, "beat", before)
    await stores.queue.set(epoch.REPAIR_KEY, "")  # whoever holds it died over it
    assert await epoch.look(stores) is None
    await stores.queue.delete(epoch.REPAIR_KEY)
    loss = await epoch.look(stores)
    assert loss is not None
    assert loss.kind == "went_back"
