"""Redis servers of a test's own, ended with it, and nothing remembered of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.flow.lanes import durability
from tests.faults.redises import OwnRedis


@pytest.fixture
def redises(tmp_path: Path) -> Iterator[list[OwnRedis]]:
    started: list[OwnRedis] = []
    yield started
    for one in started:
        one.kill()


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    yield
    durability.forget()
