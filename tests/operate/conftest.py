"""A canary behind the real router, one for all tests of a module."""

import asyncio
from collections.abc import Iterator

import pytest

from ops.canary import state
from tests.operate.parts import needed
from tests.operate.routed import Routed, install_all, routed


@pytest.fixture(scope="module")
def house() -> Iterator[Routed]:
    needed("haproxy", "prometheus")
    with routed() as made:
        asyncio.run(install_all(made.stack))
        yield made


@pytest.fixture
def place(house: Routed) -> Routed:
    """No canary, no fault, and a Prometheus that knows nothing of before."""
    house.fault.unlink(missing_ok=True)
    with state.acting(house.plan.folder) as found:
        found.status, found.share, found.pins = state.NONE, 0, {}
        house.router.give(0)
        house.router.pin({})
    canary = house.processes["canary"]
    if house.is_fat:
        canary.kill()  # it would not start with what it holds
        canary.wait(10)
        house.is_fat = False
    if canary.poll() is not None:
        house.start_canary()
    house.forget()
    return house
