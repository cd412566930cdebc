"""Health by its four addresses: live, ready, deep, and the one of before; asking costs nothing."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest

from app import config as settings
from app import db, main
from app.flow.bus import log as fact_log
from app.operations import probes
from app.resilience import health, levels
from app.resilience.guard import bulkheads
from app.services import SERVICES
from app.shopify.client import outgoing
from app.telemetry import logs, metrics
from local import servers
from ops import holder, letters, loglevel
from tests.web_app import all_beat, fresh_process, talking_to


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    fresh_process()


@pytest.fixture
async def http(stores: db.Stores, config: settings.Config) -> AsyncIterator[httpx2.AsyncClient]:
    async with outgoing(config) as client:
        yield talking_to(main.create_app(config), main.state(config, stores, client))


def nowhere() -> db.aioredis.Redis:
    return db.redis_client(f"redis://127.0.0.1:{servers.free_port()}/0")


async def test_each_part_is_looked_at_by_itself(http, stores) -> None:
    await all_beat(stores)
    answer = await http.get("/healthz/deep")
    body = answer.json()
    assert (answer.status_code, body["status"]) == (200, "ok")
    assert set(body["checks"]) == {"postgres", "redis", "cache", "bus", "log", "disk"}
    assert all(one["status"] == "ok" for one in body["checks"].values())
    services = [one.name for one in SERVICES]
    assert body["checks"]["log"]["lag_seconds"] == dict.fromkeys(services, 0.0)
    assert 0 < body["checks"]["disk"]["free_share"] <= 1


async def test_two_hundred_who_ask_at_once_ask_the_stores_once(http, stores, monkeypatch) -> None:
    await all_beat(stores)
    asked = 0

    async def count() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.02)

    monkeypatch.setattr(probes, "ask_postgres", count)
    for path in ("/healthz", "/healthz/deep"):
        asked = 0
        before = (await stores.queue.info("stats"))["total_commands_processed"]
        answers = await asyncio.gather(*(http.get(path) for _ in range(200)))
        after = (await stores.queue.info("stats"))["total_commands_processed"]
        assert {one.status_code for one in answers} == {200}
        assert asked == 1
        assert after - before < 20, "the board, a ping, and these two questions"


async def test_a_kafka_that_is_away_degrades_the_bus_alone(config, stores) -> None:
    await all_beat(stores)
    away = replace(config, bus_url=f"kafka://127.0.0.1:{servers.free_port()}")
    async with outgoing(away) as client:
        state = main.state(away, replace(stores, config=away), client)
        asking = talking_to(main.create_app(away), state)
        checks = (await asking.get("/healthz/deep")).json()["checks"]
        assert {name for name, one in checks.items() if one["status"] != "ok"} == {"bus"}


async def test_a_cache_that_is_away_degrades_and_is_not_down(config, stores) -> None:
    await all_beat(stores)
    async with outgoing(config) as client:
        state = main.state(config, replace(stores, cache=nowhere()), client)
        asking = talking_to(main.create_app(config), state)
        deep = await asking.get("/healthz/deep")
        assert (deep.status_code, deep.json()["status"]) == (200, "degraded")
        assert deep.json()["checks"]["cache"]["status"] == "degraded"
        assert (await asking.get("/healthz/ready")).status_code == 200


async def test_with_neither_store_it_lives_and_is_not_ready(config, stores, monkeypatch) -> None:
    async def nobody() -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(probes, "ask_postgres", nobody)
    async with outgoing(config) as client:
        state = main.state(config, replace(stores, queue=nowhere(), cache=nowhere()), client)
        asking = talking_to(main.create_app(config), state)
        assert (await asking.get("/healthz/live")).status_code == 200
        for path in ("/healthz/ready", "/healthz/deep", "/healthz"):
            answer = await asking.get(path)
            assert (answer.status_code, answer.json()["status"]) == (503, "down"), path


@pytest.mark.hangs
async def test_a_part_that_hangs_keeps_nobody_longer_than_its_deadline(
    http, stores, monkeypatch
) -> None:
    await all_beat(stores)

    async def hang() -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(fact_log, "holder", hang)
    began = time.monotonic()
    body = (await http.get("/healthz/deep")).json()
    assert time.monotonic() - began < 15, "usually nine tenths of a second"
    assert (body["status"], body["checks"]["log"]["status"]) == ("degraded", "degraded")
    assert body["checks"]["postgres"]["status"] == "ok"


async def test_a_relay_that_is_gone_is_the_bus_that_is_late(http, stores) -> None:
    await all_beat(stores)
    await stores.queue.hdel(health.KEY, "relay")
    body = (await http.get("/healthz/deep")).json()
    assert (body["status"], body["checks"]["bus"]["status"]) == ("degraded", "degraded")


def sample(metric: str, **labels: str) -> float:
    found = metrics.REGISTRY.get_sample_value(metric, labels)
    assert found is not None, (metric, labels)
    return found


async def test_a_process_tells_what_it_holds(http, stores) -> None:
    taken = bulkheads()["health"]
    assert await taken.take("", "")
    levels.tell("web", stores)
    assert sample("holdfast_tickets", name="health", state="out") == 1
    assert sample("holdfast_tickets", name="health", state="most") == taken.tickets_max
    taken.give_back("", "")
    async with db.connection() as connection:
        await connection.fetchval("SELECT 1")
        levels.tell("web", stores)
        assert sample("holdfast_connections", pool="work", state="used") >= 1
    levels.tell("web", stores)
    assert sample("holdfast_tickets", name="health", state="out") == 0
    assert sample("holdfast_connections", pool="redis queue", state="most") > 0
    assert sample("holdfast_process_memory_bytes", process="web") > 10_000_000
    assert sample("holdfast_process_cpu_seconds_total", process="web") > 0


async def test_a_level_somebody_wants_comes_with_the_beat_and_ends_by_itself(
    stores, monkeypatch
) -> None:
    import redis

    heard: list[str] = []
    monkeypatch.setattr(logs, "set_level", heard.append)
    with redis.Redis.from_url(stores.config.redis_url) as client:
        assert "DEBUG" in loglevel.change(client, "DEBUG", 5)
        assert 0 < client.ttl(logs.LEVEL_KEY) <= 300
        await health.beat(stores.queue, "web", 0.0)
        loglevel.change(client, "", 5)
    await health.beat(stores.queue, "web", 0.0)
    assert heard == ["DEBUG", ""]


async def test_nothing_is_held_up_or_set_aside_and_the_commands_say_so(stores) -> None:
    assert await holder.look(end=True) == "Nobody holds the log up."
    assert await letters.by_reason() == []
