"""A real broker for the session; each test has a topic, a relay and a bus of its own on it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from app import db
from tests.flow.conftest import service  # noqa: F401 - a fixture
from tests.operate.kafka.brokers import Brokers, brokers
from tests.operate.kafka.buses import Patient, new_topic, over_kafka
from tests.operate.parts import needed


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    needed("java", "mvn")
    directory: Path = tmp_path_factory.mktemp("kafka")
    with brokers(directory) as started:
        yield started


@pytest_asyncio.fixture
async def bus(stores: db.Stores, kafka: Brokers) -> AsyncIterator[Patient]:
    async with over_kafka(stores, kafka.url(new_topic())) as made:
        yield made
