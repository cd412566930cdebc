"""Who can write to the topic and knows no secret."""

import time
from collections.abc import Sequence
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from app.flow.bus.interface import PARTS
from app.flow.bus.kafka.address import Address

READ_SECONDS = 30.0


def write(address: Address, part: int, value: bytes, headers: list[tuple[str, bytes]]) -> None:
    """A message of anybody's; it is there when this returns."""
    producer = Producer(address.client)
    producer.produce(address.topic, value=value, headers=headers, partition=part)
    assert producer.flush(READ_SECONDS) == 0
    producer.close()


def everything(address: Address, count: int) -> list[Any]:
    """The messages there are, `count` different ones at least, in the order of each partition."""
    consumer = Consumer(
        {
            **address.client,
            "group.id": "stranger",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    beginnings = [TopicPartition(address.topic, part, OFFSET_BEGINNING) for part in range(PARTS)]
    consumer.assign(beginnings)
    found: list[Any] = []
    deadline = time.monotonic() + READ_SECONDS
    while True:
        more = consumer.consume(1_000, timeout=1.0)
        found += [one for one in more if one.error() is None]
        if not more and len(_names(found)) >= count:
            break
        assert time.monotonic() < deadline, f"{len(_names(found))} of {count} are in Kafka"
    consumer.close()
    return found


def _names(found: list[Any]) -> set[bytes]:
    return {dict(one.headers() or ()).get("position", b"") for one in found}


def are_whole_and_in_order(found: Sequence[Any], count: int) -> None:
    """So many entries, repeats left out, in the order of the log."""
    positions = [dict(one.headers())["position"] for one in found]
    once = list(dict.fromkeys(positions))
    assert len(once) == count
    assert once == sorted(once, key=lambda at: [int(one) for one in at.split(b" ")[1:3]])
