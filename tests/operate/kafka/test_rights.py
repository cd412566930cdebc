"""Kafka with the rights that the documentation names and no more, which are taken away and given
back while everything runs.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from app import db
from app.flow.bus import log as fact_log
from app.flow.bus.kafka import address
from tests.flow.helpers import Service, emit, letters, order, until
from tests.operate.kafka.buses import over_kafka
from tests.operate.kafka.test_faults import (  # noqa: F401 - soon is a fixture
    consumer_of_plain,
    handled,
    read_from,
    soon,
)
from tests.operate.kafka.test_security import MUTUAL, folder, secured  # noqa: F401 - a fixture

pytestmark = [pytest.mark.operate, pytest.mark.long]
WITH_RIGHTS = f"""
{MUTUAL}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:CN=server;User:ANONYMOUS
"""
OF_TOPIC = (AclOperation.DESCRIBE, AclOperation.CREATE, AclOperation.WRITE, AclOperation.READ)
OF_RELAY = (AclOperation.DESCRIBE, AclOperation.WRITE)
EXACTLY, BEGINS = ResourcePatternType.LITERAL, ResourcePatternType.PREFIXED


@pytest.fixture
def bus() -> Any:
    """No broker but those of these tests."""
    return fact_log


def rights(
    kind: ResourceType,
    name: str,
    pattern: ResourcePatternType,
    operations: Sequence[AclOperation],
) -> list[AclBinding]:
    who, allow = "User:CN=client", AclPermissionType.ALLOW
    return [AclBinding(kind, name, pattern, who, "*", one, allow) for one in operations]


def give(admin: AdminClient, given: list[AclBinding]) -> None:
    for done in admin.create_acls(given).values():
        done.result(10)


def take_away(admin: AdminClient) -> None:
    whatever = AclBindingFilter(
        ResourceType.TOPIC,
        "facts",
        EXACTLY,
        None,
        None,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    for done in admin.delete_acls([whatever]).values():
        assert done.result(10)


@pytest.mark.usefixtures("soon")
async def test_rights_that_are_taken_away_hold_nothing_up_and_work_again_once_they_are_back(
    stores: db.Stores,
    service: Service,
    folder: Path,  # noqa: F811 - the fixture
) -> None:
    with secured(folder, "SSL", WITH_RIGHTS) as port:
        url = f"kafkas://127.0.0.1:{port}/facts?ca={folder}/ca.crt"
        whole = address.parse(f"{url}&certificate={folder}/server.crt&key={folder}/server.key")
        admin = AdminClient(whole.client)
        of_topic = rights(ResourceType.TOPIC, "facts", EXACTLY, OF_TOPIC)
        await asyncio.to_thread(
            give,
            admin,
            [
                *of_topic,
                *rights(ResourceType.GROUP, "facts.", BEGINS, [AclOperation.READ]),
                *rights(ResourceType.TRANSACTIONAL_ID, "holdfast-relay-facts", EXACTLY, OF_RELAY),
            ],
        )
        mine = f"{url}&certificate={folder}/client.crt&key={folder}/client.key"
        async with over_kafka(stores, mine) as kafka:
            stop = asyncio.Event()
            running = asyncio.create_task(consumer_of_plain(service, kafka).run(stop))
            written = 0

            async def comes_by_kafka() -> bool:
                nonlocal written
                before = read_from("kafka")
                written += 1
                await emit(order(written))
                await asyncio.sleep(0.3)
                return read_from("kafka") > before

            assert await until(comes_by_kafka, 60)
            await asyncio.to_thread(take_away, admin)
            await asyncio.sleep(1)
            by_kafka = read_from("kafka")
            for _ in range(5):
                written += 1
                await emit(order(written))
            assert await handled(service, list(range(1, written + 1)), 60)
            assert read_from("kafka") == by_kafka, "or nothing was taken away"
            await asyncio.to_thread(give, admin, of_topic)
            assert await until(comes_by_kafka, 90)
            assert await handled(service, list(range(1, written + 1)), 60)
            await kafka.copied()
            stop.set()
            await running
    assert not await letters()
