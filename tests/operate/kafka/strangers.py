"""Who can write to the topic and knows no secret."""

from typing import Any

from confluent_kafka import Consumer, Producer

from app.flow.bus.interface import PARTS
from tests.operate.kafka.buses import Patient

READ_SECONDS = 10.0


def write(bus: Patient, part: int, value: bytes, headers: list[tuple[str, bytes]]) -> None:
    """A message of anybody's; it is there when this returns."""
    producer = Producer(bus.address.client)
    producer.produce(bus.address.topic, value=value, headers=headers, partition=part)
    assert producer.flush(READ_SECONDS) == 0
    producer.close()


def everything(bus: Patient, count: int) -> list[Any]:
    """The messages there are, `count` at least, in the order of each partition."""
    from confluent_kafka import OFFSET_BEGINNING, TopicPartition

    consumer = Consumer(
        {
            **bus.address.client,
            "group.id": "stranger",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    topic = bus.address.topic
    consumer.assign([TopicPartition(topic, part, OFFSET_BEGINNING) for part in range(PARTS)])
    found: list[Any] = []
    while len(found) < count:
        more = consumer.consume(100, timeout=READ_SECONDS / 10)
        found += [one for one in more if one.error() is None]
    consumer.close()
    return found
