"""From the log to Kafka and back, and several processes on it: nothing is lost, nothing doubled."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import KafkaException

from app import db
from app.flow.bus import log as fact_log
from app.flow.bus.interface import PARTS
from app.flow.bus.kafka.bus import KafkaBus
from tests import databases
from tests.flow.helpers import Service, consumer_of, emit, letters, order, until
from tests.operate.kafka.brokers import Brokers
from tests.operate.kafka.buses import Patient, new_topic, over_kafka

pytestmark = pytest.mark.operate
ALONE_SECONDS = 12.0  # three to notice, and what a crowded machine takes


@pytest.fixture
def bus() -> Any:
    """Services begin with the log."""
    return fact_log


async def relay_places() -> int:
    async with db.connection() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM places WHERE service = 'relay'"))


async def all_of(service: Service, count: int, seconds: float = 30.0) -> bool:
    async def are_there() -> bool:
        return sorted(await service.effects()) == list(range(count))

    return bool(await until(are_there, seconds))


async def test_the_bus_is_moved_to_kafka_and_back_while_facts_come_in(
    stores: db.Stores, service: Service, kafka: Brokers
) -> None:
    url = kafka.url(new_topic())
    written = 0
    stop_writing = asyncio.Event()

    async def write() -> None:
        nonlocal written
        while not stop_writing.is_set():
            await emit(*(order(written + at, shop=f"shop-{at}.example") for at in range(5)))
            written += 5
            await asyncio.sleep(0.02)

    async def runs(bus: Any, slot: str, stop: asyncio.Event) -> None:
        await consumer_of(Service(stores, bus), slot).run(stop)

    writing = asyncio.create_task(write())
    stops = [asyncio.Event() for _ in range(3)]
    running = [asyncio.create_task(runs(fact_log, "1", stops[0]))]
    await asyncio.sleep(0.5)
    said = await databases.run(stores.config.database_url, "-m", "ops.kafka.move", "to", url)
    assert "facts copied" in said
    async with over_kafka(stores, url) as bus:
        plain = KafkaBus(bus.config)
        running.append(asyncio.create_task(runs(plain, "2", stops[1])))
        await asyncio.sleep(1.5)  # both at once
        stops[0].set()
        await asyncio.sleep(1.5)  # Kafka alone
        running.append(asyncio.create_task(runs(fact_log, "3", stops[2])))
        stops[1].set()
        await plain.close()
    said = await databases.run(stores.config.database_url, "-m", "ops.kafka.move", "back")
    assert f"{PARTS} places of the relay given up" in said
    await asyncio.sleep(0.5)
    stop_writing.set()
    await writing
    assert await all_of(service, written)
    stops[2].set()
    await asyncio.gather(*running)
    assert await relay_places() == 0, "or the log would keep its days for it"
    assert not await letters()


async def test_processes_of_a_service_share_the_partitions_and_do_each_others_work(
    stores: db.Stores, service: Service, kafka: Brokers
) -> None:
    """Each entry is handled once; where one process stands still, the others read the log."""
    async with over_kafka(stores, kafka.url(new_topic())) as first:
        buses = [KafkaBus(replace(first.config, process_slot=slot)) for slot in "123"]
        stops = [asyncio.Event() for _ in buses]
        running = [
            asyncio.create_task(consumer_of(Service(stores, bus), slot).run(stop))
            for bus, slot, stop in zip(buses, "123", stops, strict=True)
        ]
        shares = await spread(kafka, first, 3)
        assert sum(shares) == PARTS
        assert min(shares) >= PARTS // 3, shares
        await write_numbers(0, 300)
        assert await all_of(service, 300)
        stops[2].set()  # and goes on holding its partitions
        await running[2]
        await write_numbers(300, 400)
        assert await all_of(service, 400, ALONE_SECONDS)
        for stop in stops:
            stop.set()
        await asyncio.gather(*running)
        for bus in buses:
            await bus.close()
    assert not await letters()


async def write_numbers(first: int, end: int) -> None:
    for start in range(first, end, 20):
        await emit(
            *(order(number, shop=f"shop-{number % 30}.x") for number in range(start, start + 20))
        )


async def spread(kafka: Brokers, bus: Patient, members: int) -> list[int]:
    """How many partitions each member of points' group has, once all have joined."""
    group = f"{bus.address.topic}.points"

    def shares() -> list[int]:
        try:
            found = kafka.admin.describe_consumer_groups([group])[group].result(10)
        except (
            KafkaException,
            TimeoutError,
        ):  # a broker with a lot to do answers late: it is asked again
            return []
        counts = [len(member.assignment.topic_partitions) for member in found.members]
        return counts if len(counts) == members and sum(counts) == PARTS and all(counts) else []

    return list(await until(lambda: asyncio.to_thread(shares), 60))
