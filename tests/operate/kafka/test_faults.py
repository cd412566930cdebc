"""What Kafka forgets, repeats, makes up or holds back changes nothing that a service does."""

import asyncio
from typing import Any

import pytest
from confluent_kafka import OFFSET_END, KafkaException, TopicPartition

from app import db, postgres
from app.flow.bus import log as fact_log
from app.flow.bus import places, wakes
from app.flow.bus.kafka import bus as kafka_bus
from app.flow.bus.kafka import relay
from app.flow.bus.kafka.address import parse
from app.telemetry import metrics
from tests.flow.helpers import SHOP, TOPIC, Service, consumer_of, emit, letters, order, until
from tests.operate.kafka import strangers
from tests.operate.kafka.brokers import Brokers
from tests.operate.kafka.buses import Patient, new_topic

pytestmark = pytest.mark.operate
PART = fact_log.part_of(SHOP)


def read_from(source: str) -> float:
    """How many entries points has read from there, in this process."""
    return metrics.BUS_ENTRIES.labels("points", source)._value.get()


async def handled(service: Service, numbers: list[int], seconds: float = 30.0) -> bool:
    async def are_there() -> bool:
        return await service.effects() == numbers

    return bool(await until(are_there, seconds))


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is read after a moment of nothing from Kafka."""
    monkeypatch.setattr(kafka_bus, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(kafka_bus, "AWAY_SECONDS", 0.2)


async def test_facts_come_by_kafka_and_not_by_the_log(service: Service) -> None:
    by_kafka, by_log = read_from("kafka"), read_from("log")
    await emit(*(order(number) for number in range(250)))
    await service.run_once()
    assert await service.effects() == list(range(250))
    assert read_from("kafka") - by_kafka == 3
    assert read_from("log") == by_log


async def test_a_reader_is_woken_by_what_kafka_brings(service: Service, bus: Patient) -> None:
    process, stop = consumer_of_plain(service, bus), asyncio.Event()
    running = asyncio.gather(process.wakes.listen(service.topics, stop), process.run(stop))
    seconds = []
    for number in range(6):
        await asyncio.sleep(1.2)  # by now it looks once a second only
        began = asyncio.get_running_loop().time()
        await emit(order(number))
        await wakes.tell(service.stores.queue, [TOPIC])
        assert await handled(service, list(range(number + 1)))
        seconds.append(asyncio.get_running_loop().time() - began)
    stop.set()
    await running
    assert min(seconds) < 0.3, seconds
    assert sorted(seconds)[3] < 0.9, seconds


async def test_a_message_that_is_not_the_relays_is_a_dead_letter_and_never_handled(
    service: Service, bus: Patient
) -> None:
    await emit(order(1))
    await service.run_once()
    (true,) = strangers.everything(bus.address, 1)
    headers = true.headers()
    later = f"{PART} {2**40} 1 2030-01-01".encode()  # would pass everything that is still to come
    moved = [(name, later if name == "position" else value) for name, value in headers]
    shown_to_nobody = [(name, b"x.y" if name == "topics" else value) for name, value in headers]
    strangers.write(bus.address, PART, true.value(), [])
    strangers.write(bus.address, PART, true.value(), moved)
    strangers.write(bus.address, PART, b"something else", headers)
    strangers.write(bus.address, PART, true.value(), shown_to_nobody)
    strangers.write(bus.address, (PART + 1) % 16, true.value(), headers)
    strangers.write(bus.address, PART, true.value(), headers)  # word for word: dropped as a repeat
    await emit(order(2))
    await service.run_once()

    async def five() -> bool:
        await service.look_once()
        return len(await letters()) == 5

    assert await until(five)
    assert await service.effects() == [1, 2]
    assert {letter["state"] for letter in await letters()} == {"dead"}
    assert {letter["shop"] for letter in await letters()} == {""}


async def test_what_kafka_has_dropped_by_then_is_read_from_the_log(
    service: Service, bus: Patient, kafka: Brokers
) -> None:
    await emit(order(1))
    await service.run_once()
    await bus.close()  # it sleeps, and retention passes
    for number in range(2, 6):
        await emit(order(number))
    await bus.copied()
    everything = TopicPartition(bus.address.topic, PART, OFFSET_END)
    for done in kafka.admin.delete_records([everything]).values():
        done.result(10)
    await emit(order(6))
    before = read_from("log")
    await service.run_once()
    assert await service.effects() == [1, 2, 3, 4, 5, 6]
    assert read_from("log") > before


@pytest.mark.usefixtures("soon")
async def test_a_topic_that_was_deleted_is_made_again_and_filled_from_the_log(
    service: Service, bus: Patient, kafka: Brokers
) -> None:
    await emit(order(1))
    await service.run_once()
    for done in kafka.admin.delete_topics([bus.address.topic]).values():
        done.result(10)
    stop = asyncio.Event()
    running = asyncio.create_task(consumer_of_plain(service, bus).run(stop))
    await emit(order(2))
    assert await handled(service, [1, 2]), "from the log, while there is no topic"
    assert await until(lambda: bus.address.topic in kafka.admin.list_topics(timeout=5).topics)
    await emit(order(3))
    assert await handled(service, [1, 2, 3])
    await bus.copied()
    by_kafka = read_from("kafka")
    written = 3

    async def comes_by_kafka() -> bool:
        nonlocal written
        written += 1
        await emit(order(written))
        await bus.copied()
        return read_from("kafka") > by_kafka

    assert await until(comes_by_kafka)
    assert await handled(service, list(range(1, written + 1)))
    stop.set()
    await running


@pytest.mark.usefixtures("soon")
async def test_a_frozen_and_a_killed_broker_lose_double_and_reorder_nothing(
    service: Service, bus: Patient, kafka: Brokers
) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(consumer_of_plain(service, bus).run(stop))
    written = 0

    async def write(seconds: float) -> None:
        nonlocal written
        for _ in range(round(seconds / 0.02)):
            await emit(order(written), order(written + 1))
            written += 2
            await asyncio.sleep(0.02)

    await write(1.0)
    kafka.freeze()
    try:
        await write(3.0)
        assert await handled(service, list(range(written)), 10), "the log goes on without it"
    finally:
        kafka.thaw()
    await write(1.0)
    kafka.kill()
    await write(2.0)
    await asyncio.to_thread(kafka.start)
    await write(1.0)
    assert await handled(service, list(range(written)))
    await asyncio.wait_for(bus.bring(service.name), 60)
    by_kafka = read_from("kafka")

    async def back_by_kafka() -> bool:
        await write(0.1)
        return read_from("kafka") > by_kafka

    assert await until(back_by_kafka, 30)
    assert await handled(service, list(range(written)))
    stop.set()
    await running
    positions: list[tuple[int, int]] = []
    async with db.connection() as connection:
        count = await connection.fetchval("SELECT count(*) FROM facts")
    for message in await asyncio.to_thread(strangers.everything, bus.address, count):
        _, tx, number, _ = dict(message.headers())["position"].decode().split(" ")
        positions.append((int(tx), int(number)))
    assert len(set(positions)) == count, "Kafka has got everything"
    first = list(dict.fromkeys(positions))
    assert first == sorted(first), "and in its order"
    assert not await letters()


async def test_an_entry_that_comes_twice_is_handled_once(
    service: Service, bus: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The relay does not know of its own commit, as after a connection that was lost."""
    move, losses = places.move, 3

    async def sometimes_lost(connection: Any, who: str, reached: Any) -> None:
        nonlocal losses
        if who == "relay" and losses:
            losses -= 1
            raise ConnectionResetError
        await move(connection, who, reached)

    monkeypatch.setattr(places, "move", sometimes_lost)
    await emit(*(order(number) for number in range(5)))
    await service.run_once(20)
    await emit(order(5))
    await service.run_once(20)
    assert await service.effects() == list(range(6))
    assert not losses
    assert len(await asyncio.to_thread(strangers.everything, bus.address, 2)) == 5


async def facts_copied(copier: relay.Copier) -> int:
    return (await copier.copy_once()).facts


async def test_a_relay_that_was_paused_cannot_go_on_beside_the_next_one(
    stores: db.Stores, kafka: Brokers
) -> None:
    address = parse(kafka.url(new_topic()))
    async with (
        db.connection() as its_session,
        db.connection() as session,
        relay.copying(address, its_session) as paused,
        relay.copying(address, session) as next_one,
    ):
        await emit(order(1))
        assert await until(lambda: facts_copied(next_one)) == 1
        await emit(order(2))
        with pytest.raises(KafkaException):
            assert await until(lambda: facts_copied(paused)) is None
        assert await until(lambda: facts_copied(next_one)) == 1


async def test_a_leader_whose_session_ended_is_followed_by_another(stores: db.Stores) -> None:
    async with relay.leading() as first:
        assert first is not None
        async with relay.leading() as second:
            assert second is None
        postgres.give_up(first)

        async def leads() -> bool:
            async with relay.leading() as third:
                return third is not None

        assert await until(leads, 5)


async def test_what_was_copied_from_a_database_that_is_no_more_is_not_read(
    service: Service, bus: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restore: other facts have the numbers that Kafka knows."""
    await emit(order(1))
    await service.run_once()
    restored = "SELECT 'restored'"
    locked = kafka_bus.LOCK.replace(kafka_bus.TIMELINE, restored)
    monkeypatch.setattr(kafka_bus, "LOCK", locked)
    monkeypatch.setattr(kafka_bus, "PLACES", kafka_bus.PLACES.replace(kafka_bus.TIMELINE, restored))
    monkeypatch.setattr(kafka_bus, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(kafka_bus, "AWAY_SECONDS", 0.2)
    before = read_from("log")
    await emit(order(2))
    stop = asyncio.Event()
    running = asyncio.create_task(consumer_of_plain(service, bus).run(stop))
    assert await handled(service, [1, 2])
    stop.set()
    await running
    assert read_from("log") == before + 1


def consumer_of_plain(service: Service, bus: Patient) -> Any:
    """A consumer that does not wait for Kafka before it looks."""
    plain = kafka_bus.KafkaBus(bus.config)
    plain.readings = bus.readings
    return consumer_of(Service(service.stores, plain))
