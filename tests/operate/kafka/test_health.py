"""What deep health says of Kafka: brokers that answer, and how far the copy is behind."""

from dataclasses import replace

import pytest

from app import db
from app.flow.bus import buses
from tests.operate.kafka.brokers import Brokers
from tests.operate.kafka.buses import new_topic

pytestmark = pytest.mark.operate


async def test_brokers_that_answer_are_counted(stores: db.Stores, kafka: Brokers) -> None:
    found = await buses.asked(replace(stores.config, bus_url=kafka.url(new_topic())), 5.0)
    assert found == {"brokers": 1, "behind_seconds": 0.0}
