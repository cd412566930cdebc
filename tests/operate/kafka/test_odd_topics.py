"""A topic that takes no large messages, has other partitions, or messages of another release."""

import asyncio

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions

from app.flow.bus.kafka import address, messages
from tests.flow.helpers import Service, emit, letters, order, until
from tests.operate.kafka.brokers import Brokers
from tests.operate.kafka.buses import Patient
from tests.operate.kafka.test_faults import (  # noqa: F401 - soon is a fixture
    consumer_of_plain,
    handled,
    read_from,
    soon,
)

pytestmark = pytest.mark.operate
SMALL_BYTES = 3_000


async def test_what_is_too_large_for_the_topic_is_read_from_the_log_and_the_rest_from_kafka(
    service: Service, bus: Patient, kafka: Brokers
) -> None:
    await emit(order(1))
    await service.run_once()
    entry = ConfigEntry(
        "max.message.bytes", str(SMALL_BYTES), incremental_operation=AlterConfigOpType.SET
    )
    topic = ConfigResource(
        ConfigResource.Type.TOPIC, bus.address.topic, incremental_configs=[entry]
    )
    for done in kafka.admin.incremental_alter_configs([topic]).values():
        done.result(10)
    by_log = read_from("log")
    many = [order(number) for number in range(2, 252)]
    await emit(*many)  # in entries of a hundred facts
    await emit(order(252))
    await service.run_once(20)
    assert await service.effects() == list(range(1, 253))
    assert read_from("log") > by_log, "they were too large for this test to mean anything"
    by_kafka = read_from("kafka")
    await emit(order(253))
    await service.run_once(20)
    assert await service.effects() == list(range(1, 254))
    assert read_from("kafka") > by_kafka
    assert not await letters()


@pytest.mark.usefixtures("soon")
async def test_messages_of_another_release_are_read_from_the_log_and_no_dead_letters(
    service: Service, bus: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await emit(order(1))
    await service.run_once()
    stop = asyncio.Event()
    running = asyncio.create_task(consumer_of_plain(service, bus).run(stop))
    with monkeypatch.context() as newer:
        of_before, read = messages.VERSION, messages.read

        def as_of_before(found, secrets):
            newer.setattr(messages, "VERSION", of_before)
            try:
                return read(found, secrets)
            finally:
                newer.setattr(messages, "VERSION", "2")

        newer.setattr(messages, "VERSION", "2")
        newer.setattr(messages, "read", as_of_before)
        for number in range(2, 7):
            await emit(order(number))
        assert await handled(service, [1, 2, 3, 4, 5, 6])
        await bus.copied()
    await emit(order(7))
    assert await handled(service, list(range(1, 8)))
    stop.set()
    await running
    assert not await letters()


@pytest.mark.usefixtures("soon")
async def test_a_topic_that_was_given_more_partitions_is_read_on_and_refused_to_the_next_relay(
    service: Service, bus: Patient, kafka: Brokers
) -> None:
    await emit(order(1))
    await service.run_once()
    more = NewPartitions(bus.address.topic, 20)
    for done in kafka.admin.create_partitions([more]).values():
        done.result(10)
    for number in range(2, 5):
        await emit(order(number))
    await service.run_once(20)
    assert await service.effects() == [1, 2, 3, 4]

    async def is_refused() -> bool:
        try:
            await asyncio.to_thread(address.ensure_topic, bus.address)
        except address.WrongTopicError as error:
            return "has 20 partitions and needs 16" in str(error)
        return False

    assert await until(is_refused, 30.0)
    assert not await letters()
