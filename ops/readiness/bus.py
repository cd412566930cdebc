"""Whether Kafka, where it is the bus, keeps what it is given."""

import asyncio

from app.flow.bus import buses
from ops.readiness.look import Look

ANSWER_SECONDS = 4.0
COPIES_MIN, IN_SYNC_MIN = 2, 2
DAY_MILLISECONDS = 86_400_000


async def kafka(look: Look) -> list[str]:
    """Its topic's copies, how many of them must have a message, and for how long it is kept."""
    if not buses.is_kafka(look.config):
        return []
    return await asyncio.to_thread(_asked, look.config.bus_url)


def _asked(url: str) -> list[str]:
    # the client is there only where Kafka is the bus
    # it does not say that it exports the second
    from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]

    from app.flow.bus.kafka import address as kafka_address

    address = kafka_address.parse(url)
    admin = AdminClient(address.client)
    topic = admin.list_topics(address.topic, timeout=ANSWER_SECONDS).topics[address.topic]
    if topic.error is not None:
        return [f"Kafka has no topic {address.topic}: start a relay, which makes it."]
    resource = ConfigResource(ConfigResource.Type.TOPIC, address.topic)
    asked = admin.describe_configs([resource], request_timeout=ANSWER_SECONDS)
    settings = {name: one.value for name, one in asked[resource].result(ANSWER_SECONDS).items()}
    copies = min((len(one.replicas) for one in topic.partitions.values()), default=0)
    missing = []
    if copies < COPIES_MIN:
        missing.append(
            f"Kafka keeps {copies} copy of the topic {address.topic}: with its broker the bus is "
            "gone. Three brokers and a replication factor of 3."
        )
    if int(settings["min.insync.replicas"]) < IN_SYNC_MIN:
        missing.append("Kafka answers before a second broker has it: min.insync.replicas=2.")
    kept_days = kafka_address.RETENTION_DAYS
    kept = int(settings["retention.ms"])
    if 0 <= kept < kept_days * DAY_MILLISECONDS:
        missing.append(
            f"The topic {address.topic} keeps {kept / DAY_MILLISECONDS:.1f} days, and the relay "
            f"makes it for {kept_days}: a service that slept reads the rest from Postgres."
        )
    return missing
