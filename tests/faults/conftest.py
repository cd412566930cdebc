"""Redis servers and a session of a test's own, ended with it, and nothing remembered of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.flow.lanes import durability
from tests.faults.beside import Beside
from tests.faults.redises import OwnRedis
from tests.stack import Stack


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


@pytest.fixture
def beside(whole_stack: Stack) -> Iterator[Beside]:
    made = Beside(whole_stack)
    yield made
    made.close()
