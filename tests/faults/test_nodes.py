"""Two Redis for lanes, one of them under Sentinel: one is killed and one fails over under load."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app import db
from app.core.models import Shop
from app.flow.lanes import admission, backlog, durability, epoch, nodes
from tests.faults.lanes import draining, known_losses, spilled, traces
from tests.faults.redises import OwnRedis
from tests.flow.helpers import until
from tests.sentinels import Sentinels
from tests.workers.test_ingest import item

pytestmark = pytest.mark.long

SHOPS = [f"shop-{number}.myshopify.com" for number in range(20)]
AWAY_SECONDS = 3.0
PAUSE_SECONDS = 0.02


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    (tmp_path / "sentinels").mkdir()
    started = Sentinels(tmp_path / "sentinels")
    yield started
    started.stop()


@pytest.fixture
async def own(
    stores: db.Stores, tmp_path: Path, redises: list[OwnRedis], sentinels: Sentinels
) -> AsyncIterator[db.Stores]:
    redises.append(OwnRedis(tmp_path / "home"))
    config = dataclasses.replace(
        stores.config, redis_url=redises[0].url, lane_redis_urls=(sentinels.url,)
    )
    queue = db.redis_client(config.redis_url)
    found = db.with_nodes(dataclasses.replace(stores, config=config, queue=queue, moved={}))
    for one in found.nodes:
        assert await durability.look(one.lane, one.config)
        await epoch.look(one)
    yield found
    for one in found.nodes:
        await one.lane.aclose()


async def test_each_costs_its_own_shops_alone_and_every_webhook_counts_once(
    own: db.Stores, redises: list[OwnRedis], sentinels: Sentinels
) -> None:
    await Shop.bulk_create([Shop(domain=shop) for shop in SHOPS])
    admissions = admission.of(own)
    answers: dict[str, tuple[int, str]] = {}
    is_over = asyncio.Event()

    async def send(shop: str) -> None:
        number = 0
        while not is_over.is_set():
            name, number = f"{shop} {number:04}", number + 1
            outcome = await admissions.admit(item(name, shop))
            answers[name] = (nodes.of(own, shop).node, outcome)
            await asyncio.sleep(PAUSE_SECONDS * len(SHOPS) / 4)

    def spilled_on(node: int) -> int:
        return list(answers.values()).count((node, "spilled"))

    async with draining(own), asyncio.TaskGroup() as group:
        for shop in SHOPS:
            group.create_task(send(shop))
        await asyncio.sleep(1.0)
        redises[0].kill()
        await asyncio.sleep(AWAY_SECONDS)
        assert spilled_on(1) > 0
        assert spilled_on(2) == 0
        redises[0].start()
        await asyncio.sleep(1.5)
        of_home = spilled_on(1)
        before = sentinels.primary
        before.kill()
        await asyncio.to_thread(sentinels.wait_for_another, before)
        before.start()
        assert spilled_on(1) == of_home
        is_over.set()

        async def all_there() -> bool:
            return await spilled() == 0 and await traces() == sorted(answers)

        assert await until(all_there, 90.0), f"{len(await traces())} of {len(answers)}"
    assert (await backlog.depth_of_all(own)).waiting == 0
    assert await known_losses() == []
    assert {node for node, _ in answers.values()} == {1, 2}
