"""Kafka on a disk that fills up: services read the log meanwhile, and it is back by itself."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app import db
from app.flow.bus import log as fact_log
from app.flow.bus.kafka.bus import KafkaBus
from tests import template
from tests.faults import disks
from tests.faults.test_full_disk_redis import supervised
from tests.flow.helpers import Service, consumer_of, letters
from tests.operate.kafka import strangers
from tests.operate.kafka.brokers import brokers
from tests.operate.kafka.buses import over_kafka
from tests.operate.kafka.stack import KafkaStack
from tests.operate.kafka.test_away import (
    all_in_kafka,
    seconds_to_effects,
    seconds_to_kafka,
)
from tests.operate.kafka.test_three_brokers import Writer, copied_up_to, handled
from tests.operate.parts import needed
from tests.proofs.test_recovery import orders_coming_in
from tests.stack import SHOP
from tests.waiting import wait_for

pytestmark = [pytest.mark.operate, pytest.mark.long]
SIZE_MEGABYTES = 64
FULL_SECONDS = 15.0
EFFECT_SECONDS_MAX = 12.0
BACK_SECONDS = 120.0


@pytest.fixture
def bus() -> Any:
    """No broker but those of these tests."""
    return fact_log


@pytest.fixture
def stack() -> Iterator[KafkaStack]:
    needed("java", "mvn")
    with (
        template.folder(),
        tempfile.TemporaryDirectory(prefix="holdfast-kafka-", ignore_cleanup_errors=True) as name,
        disks.small_disk(Path(name) / "kafka", SIZE_MEGABYTES),
    ):
        Path(name).chmod(0o755)
        made = KafkaStack(Path(name), LANE_RATE_PER_SECOND="10000", LANE_BURST="10000")
        try:
            made.start_everything()
            made.install(SHOP)
            yield made
        finally:
            made.stop_everything()


async def test_a_full_disk_under_the_only_broker_holds_nothing_up(stack: KafkaStack) -> None:
    slowest, disk = 0.0, stack.directory / "kafka"
    async with orders_coming_in(stack) as acknowledged:
        await asyncio.sleep(3)
        await seconds_to_effects(stack, acknowledged())
        with supervised(stack, "kafka") as starts:
            began = time.monotonic()
            while time.monotonic() < began + FULL_SECONDS:
                disks.fill(disk)
                slowest = max(slowest, await seconds_to_effects(stack, acknowledged()))
                await asyncio.sleep(0.5)
            during = stack.read_from()
            disks.make_room(disk)
            back_seconds = await seconds_to_kafka(stack, during, BACK_SECONDS)
            last = acknowledged()
    await seconds_to_effects(stack, last)
    count = await all_in_kafka(stack)
    print(
        f"\nfull for {FULL_SECONDS:.0f} s under {len(last)} orders: the broker ended "
        f"{len(starts)} times, slowest effect {slowest:.1f} s; read from Kafka again "
        f"{back_seconds:.1f} s after there was room; {count} entries in Kafka, all, in order"
    )
    assert slowest < EFFECT_SECONDS_MAX
    print(stack.verify())


async def test_a_full_disk_under_one_of_three_brokers_costs_nothing_but_seconds(
    stores: db.Stores, service: Service, tmp_path: Path
) -> None:
    needed("java", "mvn")
    with (
        disks.small_disk(tmp_path / "kafka-0", SIZE_MEGABYTES) as disk,
        brokers(tmp_path, 3) as cluster,
    ):
        async with over_kafka(stores, cluster.url()) as bus:
            stop = asyncio.Event()
            plain = KafkaBus(bus.config)
            running = asyncio.create_task(consumer_of(Service(stores, plain)).run(stop))
            writer = Writer()
            await asyncio.sleep(3)
            began = time.monotonic()
            while cluster.running[0].poll() is None and time.monotonic() < began + 30:
                disks.fill(disk)
                await asyncio.sleep(0.5)
            has_ended = cluster.running[0].poll() is not None
            before, began = await copied_up_to(), time.monotonic()
            while await copied_up_to() <= before:
                assert time.monotonic() < began + 60
                await asyncio.sleep(0.1)
            gap_seconds = time.monotonic() - began
            disks.make_room(disk)
            if has_ended:
                cluster.running.pop(0)
                await asyncio.to_thread(cluster.start, 0)
            await asyncio.sleep(2)
            written = await writer.end()
            assert await handled(service, written)
            await bus.copied()
            wait_for("all three answer", cluster.answer, 60)
            found = await asyncio.to_thread(strangers.everything, bus.address, written // 2)
            stop.set()
            await running
            await plain.close()
    strangers.are_whole_and_in_order(found, written // 2)
    assert not await letters()
    print(
        f"\none of three full under {written} facts: it ended: {has_ended}; "
        f"copied on after {gap_seconds:.1f} s"
    )
