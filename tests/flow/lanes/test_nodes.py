"""Several Redis for lanes, here databases of one server; one that is away costs its own shops."""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from app import db
from app.core.models import Shop
from app.flow.lanes import admission, backlog, epoch, lane, nodes, spill
from ops import lanes as command
from tests.conftest import Servers
from tests.faults.lanes import draining, spilled, traces
from tests.flow.helpers import until
from tests.flow.lanes.drains import item as order
from tests.workers.test_ingest import item

SHOPS = [f"shop-{number}.myshopify.com" for number in range(300)]
NOWHERE = "redis://127.0.0.1:9/0"


async def several(stores: db.Stores, *urls: str) -> db.Stores:
    config = dataclasses.replace(stores.config, lane_redis_urls=urls)
    return db.with_nodes(dataclasses.replace(stores, config=config, moved={}))


async def close(own: db.Stores) -> None:
    for one in own.besides:
        await one.lane.aclose()


@pytest.fixture
async def own(stores: db.Stores, embedded: Servers) -> AsyncIterator[db.Stores]:
    base = embedded.environment["REDIS_URL"].removesuffix("0")
    found = await several(stores, base + "1", base + "2")
    yield found
    await close(found)


@pytest.fixture
async def second_away(stores: db.Stores) -> AsyncIterator[db.Stores]:
    found = await several(stores, NOWHERE)
    yield found
    await close(found)


def on_node(own: db.Stores, number: int) -> str:
    return next(shop for shop in SHOPS if nodes.of(own, shop).node == number)


async def test_shops_spread_evenly_and_one_node_more_moves_only_those_it_gets(
    own: db.Stores,
) -> None:
    places = [nodes.of(own, shop).node for shop in SHOPS]
    assert all(70 < count < 130 for count in Counter(places).values()), Counter(places)
    more = await several(own, *own.config.lane_redis_urls, NOWHERE)
    now = [nodes.of(more, shop).node for shop in SHOPS]
    assert {after for before, after in zip(places, now, strict=True) if before != after} == {4}
    assert len(nodes.grouped(own, SHOPS)) == 3
    await close(more)


async def test_every_webhook_goes_to_the_node_of_its_shop_and_all_are_drained(
    own: db.Stores,
) -> None:
    await Shop.bulk_create([Shop(domain=shop) for shop in SHOPS[:30]])
    admissions = admission.of(own)
    answers = await asyncio.gather(*(admissions.admit(item(shop, shop)) for shop in SHOPS[:30]))
    assert answers == ["queued"] * 30
    assert (await backlog.depth_of_all(own)).waiting == 30
    for shop in SHOPS[:30]:
        assert await lane.lane_length(nodes.of(own, shop).lane, shop) == 1
    async with draining(own):

        async def all_there() -> bool:
            return await traces() == sorted(SHOPS[:30])

        assert await until(all_there, 15.0)
    assert (await backlog.depth_of_all(own)).waiting == 0


async def test_a_shop_is_moved_under_traffic_and_every_webhook_counts_once(
    own: db.Stores, monkeypatch
) -> None:
    monkeypatch.setattr(nodes, "LOOK_EVERY_SECONDS", 0.1)
    monkeypatch.setattr(command, "SEEN_SECONDS", 0.3)
    shop, sent = on_node(own, 1), []
    await Shop.create(domain=shop)
    admissions = admission.of(own)
    following = asyncio.create_task(nodes.follow(own))

    async def send() -> None:
        while True:
            sent.append(f"w{len(sent):04}")
            await admissions.admit(item(sent[-1], shop))
            await asyncio.sleep(0.005)

    async with draining(own):
        sending = asyncio.create_task(send())
        for number in (2, 3, 1):
            await asyncio.sleep(0.2)
            assert await command.move(own, shop, number) == 0
            assert nodes.of(own, shop).node == number
        await own.queue.delete(nodes.MOVED_KEY)
        await asyncio.sleep(0.3)
        sending.cancel()

        async def all_there() -> bool:
            return await traces() == sent

        await asyncio.gather(sending, return_exceptions=True)
        assert await until(all_there, 30.0), f"{len(await traces())} of {len(sent)}"
    following.cancel()
    assert len(sent) > 50


async def test_a_move_is_known_to_who_looks_and_refused_where_there_is_no_such_node(
    own: db.Stores, capsys
) -> None:
    shop = on_node(own, 1)
    await nodes.move(own, shop, 3)
    assert nodes.of(own, shop).node == 1, "not yet"
    await command.show(own)
    assert nodes.of(own, shop).node == 3
    assert f"{shop} was moved to node 3" in capsys.readouterr().out
    await nodes.move(own, shop, 1)
    await nodes.look(own)
    assert await own.queue.hgetall(nodes.MOVED_KEY) == {}, "its hash says so"
    with pytest.raises(ValueError, match="no number 4"):
        await nodes.move(own, shop, 4)


async def test_with_a_node_away_its_shops_go_to_postgres_and_the_others_to_their_lanes(
    second_away: db.Stores, stores: db.Stores
) -> None:
    own = second_away
    here, there = on_node(own, 1), on_node(own, 2)
    admissions = admission.of(own)
    assert await admissions.admit(order("w1", there)) == "spilled"
    assert await admissions.admit(order("w2", here)) == "queued"
    await spill.spill([(here, "w3", lane.encode_item(order("w3", here)))])
    assert (await spill.unspill(own))[0] == 1, "of those whose lane is there"
    assert await lane.lane_length(stores.queue, here) == 2
    assert await spilled() == 1
    assert (await backlog.depth_of_all(own)).waiting == 2
    assert await backlog.overdue_besides(own) == 0.0
    assert (await spill.unspill(stores))[0] == 1, "with one Redis it goes there"


async def test_each_node_has_an_era_of_its_own(own: db.Stores) -> None:
    for one in own.nodes:
        assert await epoch.look(one) is None
    await own.besides[0].lane.delete(epoch.KEY)
    found = [await epoch.look(one) for one in own.nodes]
    assert [loss.kind if loss else None for loss in found] == [None, "lost", None]
