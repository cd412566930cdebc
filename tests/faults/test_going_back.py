"""A Redis that goes back in time where no look at its era can see it at once."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import RedisError

from app import db
from app.flow.lanes import backlog, epoch, lane, spill
from app.flow.lanes.admission import Admission
from app.flow.lanes.epoch import Witness
from app.flow.lanes.lane import Told
from tests.faults.lanes import known_losses
from tests.faults.redises import OwnRedis, stores_on
from tests.flow.helpers import until
from tests.flow.lanes.drains import item as order

SHOP = "spilled.myshopify.com"


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    started = OwnRedis(tmp_path / "redis")
    yield started
    started.kill()


def test_a_witness_tells_the_last_beat_before_redis_went_back() -> None:
    witness = Witness()

    def heard(era: str, beat: int, before: int | None = None) -> int | None:
        """The beat that Redis went back to, as far as the next call shows."""
        call = witness.call()
        return witness.went_back_to(Told(era, beat, call.number - 1 if before is None else before))

    beats = (1_000, 2_000, 2_000, 3_000, 3_000)
    assert [heard("a", beat) for beat in beats] == [None] * 5
    assert heard("a", 4_000, 3) == 1_000, "one beat more: the beat is of before the calls"
    assert heard("a", 4_000, 0) is None, "once"
    witness.call()  # nobody knows what became of this one
    assert heard("a", 4_000, 1) is None, "what was not known to be kept may be gone"
    assert heard("b", 5_000) is None, "another era is noted by who began it"
    assert heard("b", 5_000, 0) == 5_000 - epoch.UNKNOWN_MILLISECONDS
    assert heard("b", 5_000, 0) is None
    assert heard("", 0, 0) is None, "what Redis forgot is seen by the looks"
    assert heard("c", 6_000, 0) is None


async def test_what_came_back_from_postgres_and_was_lost_at_once_comes_back_again(
    stores: db.Stores, own_redis: OwnRedis
) -> None:
    async with stores_on(stores, own_redis.url) as own:
        await epoch.look(own)
        await spill.spill([(SHOP, f"w{number}", b"item") for number in range(2)])
        assert (await spill.unspill(own))[0] == 2
        kept = own_redis.append_only_file.stat().st_size
        await spill.spill([(SHOP, f"w{number}", b"item") for number in range(2, 5)])
        assert (await spill.unspill(own))[0] == 3
        own_redis.kill()
        os.truncate(own_redis.append_only_file, kept)
        own_redis.start()
        assert await until(lambda: _looked(own))
        assert await known_losses() == [], "the look before the cut saw nothing newer"
        # others go on meanwhile, and more often than was lost
        admission = Admission(own)
        for number in range(4):
            await admission.admit(order(f"o{number}"))
        await spill.spill([(SHOP, "w5", b"item")])
        assert (await spill.unspill(own))[0] == 1
        (loss,) = await until(known_losses, 10.0)
        assert loss.kind == "went_back"
        assert (await spill.unspill(own))[0] == 6
        assert await lane.lane_length(own.queue, SHOP) == 6


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
        assert await known_losses() == [], "the look before the cut saw nothing newer"
        await admission.admit(order("w3"))
        (loss,) = await until(known_losses, 10.0)
        assert loss.kind == "went_back"
        assert loss.lost_from.timestamp() <= lost_at <= loss.noticed_at.timestamp()
        await admission.admit(order("w4"))
        await asyncio.sleep(1.5)
        assert await epoch.look(own) is None
        assert await known_losses() == [loss], "it is noted once"


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


async def test_what_came_in_while_a_look_was_under_way_lies_within_the_window_of_a_loss(
    stores: db.Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    await epoch.look(stores)
    depth = backlog.depth
    came_at = []

    async def slow(*args: Any, **kwargs: Any) -> backlog.Depth:
        found = await depth(*args, **kwargs)
        came_at.append(time.time())
        await lane.admit(stores.queue, [order("w1")], stores.config)
        return found

    monkeypatch.setattr(backlog, "depth", slow)
    await epoch.look(stores)
    monkeypatch.undo()
    await stores.queue.flushall()
    loss = await epoch.look(stores)
    assert loss is not None
    assert loss.lost_from.timestamp() <= came_at[0] <= loss.noticed_at.timestamp()
