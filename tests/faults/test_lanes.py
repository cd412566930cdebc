"""The lanes when Redis is full, loses its replica, or has another clock than we."""

import json
import time
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from app import db
from app.core.models import Shop
from app.flow.lanes import epoch, lane, spill
from app.flow.lanes.admission import Admission
from tests.faults.lanes import draining, has_come, in_step, kept, replica_of, spilled, traces
from tests.faults.redises import OwnRedis, stores_on
from tests.flow.helpers import until
from tests.flow.lanes.drains import ALICE, BOB, drain_once, fact_ids
from tests.flow.lanes.drains import item as order
from tests.workers.test_ingest import CUSTOMER, item

pytestmark = pytest.mark.long


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
        body = json.dumps({**CUSTOMER, "note": "x" * 20_000}).encode()
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
        monkeypatch.setattr(spill, "MOVED_KEPT", timedelta(0))
        await spill.unspill(own)
        assert await kept() == 2, "but are kept until it has them"
        assert await spill.waiting() == (0, 0.0)
        redises[1].resume()

        async def forgotten() -> bool:
            await spill.unspill(own)
            return await kept() == 0

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
            assert await until(lambda hours=hours: has_come(f"w{hours}"), 5.0)


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
