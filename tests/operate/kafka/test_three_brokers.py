"""One of three brokers killed under load, and a second cluster that takes over from the first."""

import asyncio
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from app import db
from app.flow.bus import log as fact_log
from app.flow.bus.kafka.bus import KafkaBus
from ops.kafka import broker
from tests.flow.helpers import Service, consumer_of, emit, letters, order, until
from tests.operate.kafka import strangers
from tests.operate.kafka.brokers import Brokers, brokers
from tests.operate.kafka.buses import over_kafka
from tests.operate.parts import needed

pytestmark = [pytest.mark.operate, pytest.mark.long]
MIRROR = """
clusters=first,second
first.bootstrap.servers={first}
second.bootstrap.servers={second}
first->second.enabled=true
first->second.topics=facts
first->second.groups=.*
replication.policy.class=org.apache.kafka.connect.mirror.IdentityReplicationPolicy
replication.factor=1
checkpoints.topic.replication.factor=1
heartbeats.topic.replication.factor=1
offset-syncs.topic.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
config.storage.replication.factor=1
sync.group.offsets.enabled=true
sync.group.offsets.interval.seconds=1
emit.checkpoints.interval.seconds=1
refresh.topics.interval.seconds=1
refresh.groups.interval.seconds=1
"""


@pytest.fixture
def bus() -> Any:
    """No broker but those of these tests."""
    return fact_log


class Writer:
    """Writes two facts every 20 ms; `written` says how many there are."""

    def __init__(self) -> None:
        self.written = 0
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while not self.stop.is_set():
            await emit(order(self.written), order(self.written + 1))
            self.written += 2
            await asyncio.sleep(0.02)

    async def end(self) -> int:
        self.stop.set()
        await self.task
        return self.written


async def copied_up_to() -> int:
    async with db.connection() as connection:
        return int(await connection.fetchval("SELECT max(tx) FROM places WHERE service = 'relay'"))


async def handled(service: Service, count: int) -> bool:
    async def are_there() -> bool:
        return await service.effects() == list(range(count))

    return bool(await until(are_there, 60))


async def test_one_of_three_brokers_killed_costs_nothing_but_seconds(
    stores: db.Stores, service: Service, tmp_path: Path
) -> None:
    needed("java", "mvn")
    with brokers(tmp_path, 3) as cluster:
        async with over_kafka(stores, cluster.url()) as bus:
            stop = asyncio.Event()
            plain = KafkaBus(bus.config)
            running = asyncio.create_task(consumer_of(Service(stores, plain)).run(stop))
            writer = Writer()
            await asyncio.sleep(3)
            await asyncio.to_thread(cluster.kill, 0)
            began, before = time.monotonic(), await copied_up_to()

            async def copied_on() -> bool:
                return await copied_up_to() > before

            await asyncio.sleep(1)
            assert await until(copied_on)
            gap_seconds = time.monotonic() - began
            await asyncio.sleep(2)
            written = await writer.end()
            assert await handled(service, written)
            await bus.copied()
            found = await asyncio.to_thread(strangers.everything, bus.address, written // 2)
            stop.set()
            await running
            await plain.close()
    strangers.are_whole_and_in_order(found, written // 2)
    assert not await letters()
    print(f"\none of three killed under {written} facts: copied on after {gap_seconds:.1f} s")


async def test_a_second_cluster_takes_over_from_a_mirror_that_is_behind(
    stores: db.Stores, service: Service, tmp_path: Path
) -> None:
    needed("java", "mvn")
    with brokers(tmp_path / "first") as first, brokers(tmp_path / "second") as second:
        async with over_kafka(stores, first.url()) as bus:
            mirroring = mirror(first, second, tmp_path)
            try:
                await emit(*(order(number) for number in range(50)))
                await Service(stores, bus).run_once()
                there = await until(lambda: asyncio.to_thread(is_mirrored, second, 1), 90)
                assert there, (tmp_path / "mirror.log").read_text()[-2_000:]
            finally:
                mirroring.kill()
                mirroring.wait()
            await emit(*(order(number) for number in range(50, 60)))
            await bus.copied()  # to the first cluster, and not to its mirror
        first.kill()
        async with over_kafka(stores, second.url()) as bus:
            await emit(order(60))
            await Service(stores, bus).run_once(20)
        assert await service.effects() == list(range(61))
    assert not await letters()


def mirror(first: Brokers, second: Brokers, folder: Path) -> "subprocess.Popen[bytes]":
    settings = folder / "mirror.properties"
    settings.write_text(MIRROR.format(first=first.servers, second=second.servers))
    main = broker.java(
        "org.apache.kafka.connect.mirror.MirrorMaker", str(settings), pom=broker.MIRROR
    )
    with (folder / "mirror.log").open("wb") as log:
        return subprocess.Popen(main, stdout=log, stderr=log)


def is_mirrored(cluster: Brokers, count: int) -> bool:
    topics = cluster.admin.list_topics(timeout=5).topics
    if "facts" not in topics or topics["facts"].error is not None:
        return False
    asked = {
        TopicPartition("facts", part): OffsetSpec.latest() for part in topics["facts"].partitions
    }
    offsets = cluster.admin.list_offsets(asked)
    try:
        return sum(one.result(5).offset for one in offsets.values()) >= count
    except KafkaException:
        return False  # a topic made just now has no leaders yet
