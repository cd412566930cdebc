"""Caches, limits and the memory of bodies in a real Redis Cluster, which loses a node."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from app import db, redises
from app.flow.lanes import bodies
from app.resilience import cache, limits
from app.resilience.breaker import Breaker
from app.resilience.guard import Resource
from tests.faults.clusters import Cluster
from tests.faults.shoppers import bob_with, redeem
from tests.flow.helpers import until
from tests.flow.lanes.numbered import item
from tests.living import living
from tests.stack import SHOP, Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.long

SOURCE = Resource("a test's source", 5.0, tickets=64, breaker=Breaker("a test's source"))
SHOPS, CUSTOMERS = 40, 5
BACK_SECONDS_MAX = 30.0


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    started = Cluster(tmp_path)
    yield started
    started.stop()


@pytest.fixture
async def own(stores: db.Stores, cluster: Cluster) -> AsyncIterator[db.Stores]:
    client = redises.cache_client(cluster.url, timeout_seconds=1.0, connections_max=64)
    yield dataclasses.replace(stores, cache=client)
    await client.aclose()


def key(shop: int, customer: int) -> str:
    return f"cache:points:balance:{{shop-{shop}.myshopify.com}}:{customer}"


async def read(own: db.Stores, which: str, load: Callable[[], int]) -> cache.Reading[int]:
    async def source() -> int:
        return load()

    return await cache.read_through(own.cache, which, source, SOURCE)


def never() -> int:
    raise AssertionError("it is in the cache")


async def test_what_shops_have_in_the_cache_is_written_together_read_alone_and_ends_by_itself(
    own: db.Stores, cluster: Cluster
) -> None:
    all_keys = [key(shop, customer) for shop in range(SHOPS) for customer in range(CUSTOMERS)]
    await cache.put_if_newer(own.cache, [(one, 2, b"7") for one in all_keys])
    await cache.put_if_newer(own.cache, [(one, 1, b"6") for one in all_keys])
    for one in all_keys:
        found = await read(own, one, never)
        assert (found.source, found.value) == ("live", 7)
    for number in range(SHOPS):
        subject = f"{{shop-{number}.myshopify.com}}"
        taken = [
            (await limits.take(own.cache, "a test", subject, rate_per_second=0.01)).is_allowed
            for _ in range(2)
        ]
        assert taken == [True, False]
    body = b"x" * 100
    assert await bodies.foreign(own.cache, [item(1, body=body)]) == [False]
    assert await bodies.foreign(own.cache, [item(1, "bob.myshopify.com", body)]) == [True]
    kept = dict(cluster.keys())
    assert len(kept) == SHOPS * CUSTOMERS + SHOPS + 1
    assert [one for one, milliseconds in kept.items() if milliseconds <= 0] == []


async def test_with_a_node_lost_everything_is_read_from_its_source_and_cached_again_soon(
    own: db.Stores, cluster: Cluster
) -> None:
    all_keys = [key(shop, 1) for shop in range(SHOPS)]
    await cache.put_if_newer(own.cache, [(one, 1, b"7") for one in all_keys])
    cluster.nodes[0].kill()
    for one in all_keys:
        began = time.monotonic()
        assert (await read(own, one, lambda: 8)).value in {7, 8}
        assert time.monotonic() - began < 2.0
    lost_at = time.monotonic()

    async def is_back() -> bool:
        await cache.put_if_newer(own.cache, [(one, 3, b"9") for one in all_keys])
        try:
            found = [await own.cache.get(one) for one in all_keys]
        except (RedisError, OSError):
            return False
        return all(one is not None and one.startswith(b"3 ") for one in found)

    assert await until(is_back, BACK_SECONDS_MAX)
    print(f"\nall is cached again after {time.monotonic() - lost_at:.1f} s")
    cluster.nodes[0].start()
    await asyncio.to_thread(wait_for, "it is a replica now", cluster.is_whole, 60)


@pytest.fixture
def stack_on_it(cluster: Cluster) -> Iterator[Stack]:
    with living(CACHE_REDIS_URL=cluster.url) as started:
        yield started


def test_the_product_on_it_leaves_no_key_that_stays_and_none_for_what_is_repeated(
    stack_on_it: Stack, cluster: Cluster
) -> None:
    stack = stack_on_it
    bob = bob_with(stack, 140)

    def live() -> None:
        for path in ("/", "/customers", "/health", "/program"):
            assert stack.open_admin(path).status_code in {200, 404}
        for path in ("/storefront/me", "/storefront/account"):
            stack.proxy("GET", path, bob)
        assert stack.me(bob)["points"]["source"] in {"live", "cached"}

    live()
    redeem(stack, bob)
    stack.order(bob, "5.00")
    time.sleep(2)
    live()
    before = dict(cluster.keys())
    for _ in range(10):
        live()
    after = dict(cluster.keys())
    assert after.keys() <= before.keys() | {one for one in after if one.startswith("limit:")}
    assert [one for one, milliseconds in after.items() if milliseconds <= 0] == []
    assert any(f"{{{SHOP}}}" in one for one in after), "it must have been used to mean anything"
    cluster.nodes[1].kill()
    for _ in range(20):
        assert stack.me(bob)["points"]["source"] in {"live", "cached"}
        time.sleep(0.2)
    wait_for("the cache is read again", lambda: stack.health().get("status") == "ok", 30)


def test_with_every_node_lost_orders_become_points_and_shoppers_see_them(
    stack_on_it: Stack, cluster: Cluster
) -> None:
    stack = stack_on_it
    bob = bob_with(stack, 100)
    for node in cluster.nodes:
        node.kill()
    for orders in range(1, 6):
        stack.order(bob, "10.00")
        began = time.monotonic()
        stack.wait_for_points(bob, 100 + 10 * orders)
        print(f"\nwith no cache at all: seen after {time.monotonic() - began:.1f} s")
    for path in ("/", "/customers", "/health"):
        assert stack.open_admin(path).status_code == 200
    for node in cluster.nodes:
        node.start()
    wait_for("the cache is read again", lambda: stack.health().get("status") == "ok", 60)
