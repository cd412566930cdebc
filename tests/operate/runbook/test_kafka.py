"""Kafka, where it is the bus, stopped and started."""

import tempfile
from pathlib import Path

import pytest

from tests import template
from tests.operate.kafka.stack import KafkaStack
from tests.operate.parts import needed
from tests.operate.runbook.following import Reader, makes
from tests.stack import SHOP

pytestmark = [pytest.mark.operate, pytest.mark.long]


@makes("kafka-away")
def test_kafka_is_killed() -> None:
    needed("java", "mvn")
    with (
        template.folder(),
        tempfile.TemporaryDirectory(prefix="holdfast-kafka-", ignore_cleanup_errors=True) as name,
    ):
        Path(name).chmod(0o755)
        stack = KafkaStack(Path(name))
        try:
            stack.start_everything()
            stack.install(SHOP)
            bob = stack.customer()
            stack.order(bob, "10.00")
            stack.wait_for_points(bob, 10, 60)
            reader = Reader(stack)
            stack.kill("kafka")
            stack.order(bob, "20.00")
            stack.wait_for_points(bob, 30, 60)
            reader.tells("kafka-away")
            stack.start("kafka")
            reader.is_over("kafka-away", 120)
        finally:
            stack.stop_everything()
