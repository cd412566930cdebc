"""What `make ready` says of a Kafka that may lose what it was given, or keeps it for too short."""

from dataclasses import replace

import httpx
import pytest
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,  # type: ignore[attr-defined] # not said to be
)

from app import db
from app.flow.bus.kafka import address
from ops.readiness import bus
from ops.readiness.look import Look
from tests.flow.helpers import until
from tests.operate.kafka.brokers import Brokers
from tests.operate.kafka.buses import new_topic

pytestmark = pytest.mark.operate
HOUR_MILLISECONDS = 3_600_000


async def test_one_copy_and_a_short_time_are_named(stores: db.Stores, kafka: Brokers) -> None:
    url = kafka.url(new_topic())
    async with httpx.AsyncClient() as http:
        look = Look(replace(stores.config, bus_url=url), stores, {}, http)
        assert "start a relay" in (await bus.kafka(look))[0]
        address.ensure_topic(address.parse(url))
        copies, answers = await bus.kafka(look)
        assert copies.startswith("Kafka keeps 1 copy of the topic")
        assert answers.startswith("Kafka answers before a second broker has it")
        kept = ConfigResource(
            ConfigResource.Type.TOPIC,
            address.parse(url).topic,
            incremental_configs=[
                ConfigEntry(
                    "retention.ms",
                    str(HOUR_MILLISECONDS),
                    incremental_operation=AlterConfigOpType.SET,
                )
            ],
        )
        kafka.admin.incremental_alter_configs([kept])[kept].result(10)
        said = await until(lambda: _third(look), 20.0)  # brokers tell each other
        assert "keeps 0.0 days, and the relay makes it for 7" in said
        log = Look(replace(stores.config, bus_url=""), stores, {}, http)
        assert await bus.kafka(log) == [], "the log itself is the bus"


async def _third(look: Look) -> str:
    return "".join((await bus.kafka(look))[2:])
