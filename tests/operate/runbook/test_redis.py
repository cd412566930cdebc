"""Redis: stopped, emptied, set up wrongly, full; that of the caches away; one of several."""

import tempfile
from pathlib import Path

import pytest
import redis

from tests import template
from tests.faults.redises import OwnRedis
from tests.faults.shoppers import bob_with, gauge
from tests.operate.runbook.following import House, Reader, makes
from tests.stack import Stack
from tests.waiting import wait_for

pytestmark = [pytest.mark.operate, pytest.mark.long]
LOOKED_SECONDS = 150.0  # processes look once a minute how Redis is set up
SHOPS = [f"{name}.myshopify.com" for name in ("alice", "anna", "amir", "ada")]


@makes("redis-away")
def test_redis_is_stopped(house: House) -> None:
    bob = bob_with(house.stack, 40)
    house.stack.stop("redis")
    house.stack.order(bob, "60.00")
    house.tells("redis-away")
    house.stack.start("redis")
    house.is_over("redis-away")
    house.stack.wait_for_points(bob, 100, 60)


@makes("redis-forgot")
def test_redis_is_emptied(house: House, queue: "redis.Redis") -> None:
    bob = bob_with(house.stack, 40)
    queue.flushall()
    house.tells("redis-forgot")
    house.does("redis-forgot")
    house.is_over("redis-forgot")
    house.stack.order(bob, "60.00")
    house.stack.wait_for_points(bob, 100, 60)


@makes("redis-may-lose")
def test_redis_leaves_writing_to_the_operating_system(house: House, queue: "redis.Redis") -> None:
    queue.config_set("appendfsync", "no")
    wait_for(
        "the processes have looked",
        lambda: gauge(house.stack, "holdfast_redis_durable") == 0,
        LOOKED_SECONDS,
    )
    house.tells("redis-may-lose")
    queue.config_set("appendfsync", "always")
    house.is_over("redis-may-lose", LOOKED_SECONDS)


@makes("redis-nearly-full")
def test_redis_has_hardly_room(house: House, queue: "redis.Redis") -> None:
    used = int(queue.info("memory")["used_memory"])
    queue.config_set("maxmemory", str(int(used * 1.02)))
    house.tells("redis-nearly-full")
    bob = house.stack.customer()
    for _ in range(40):  # until it takes no more: then Postgres keeps them
        house.stack.order(bob, "1.00")
    queue.config_set("maxmemory", "2gb")
    house.stack.wait_for_points(bob, 40, 90)
    house.is_over("redis-nearly-full", 90)
    queue.config_set("maxmemory", "0")


@makes("cache-away")
def test_the_redis_of_the_caches_is_stopped(house: House) -> None:
    bob = bob_with(house.stack, 40)
    house.cache.kill()
    assert house.stack.me(bob)["points"]["available"] == 40, "from Postgres"
    house.tells("cache-away")
    house.cache.start()
    house.is_over("cache-away")


@makes("redis-node-away")
def test_one_of_several_redis_for_lanes_is_stopped() -> None:
    with (
        template.folder(),
        tempfile.TemporaryDirectory(prefix="holdfast-stack-", ignore_cleanup_errors=True) as name,
    ):
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "second").mkdir()
        second = OwnRedis(folder / "second")
        stack = Stack(folder)
        stack.environment["REDIS_URL"] += f" {second.url}"
        try:
            stack.start_everything()
            customers = {shop: stack.customer(shop=shop) for shop in SHOPS}
            for shop in SHOPS:
                stack.install(shop)
            reader = Reader(stack)
            second.kill()
            for shop, customer in customers.items():
                stack.order(customer, "10.00", shop)
            wait_for("some are kept in Postgres", lambda: gauge(stack, SPILLED) > 0, 30)
            reader.tells("redis-node-away")
            second.start()
            reader.is_over("redis-node-away", 90)
            for shop, customer in customers.items():
                stack.wait_for_points(customer, 10, 60, shop)
        finally:
            stack.stop_everything()
            second.kill()


SPILLED = "holdfast_spilled_webhooks"
