"""The router, and the canary behind it."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.operate.parts import needed
from tests.operate.routed import Routed, install_all, routed
from tests.operate.runbook.following import Reader, makes
from tests.waiting import wait_for

pytestmark = [pytest.mark.operate, pytest.mark.long]
LONG_STEPS = ("--step-seconds", "600")
ANSWERS_MIN = 10


@pytest.fixture(scope="module")
def place() -> Iterator[Routed]:
    needed("haproxy", "prometheus")
    with routed() as made:
        asyncio.run(install_all(made.stack))
        yield made


@makes("canary-rolled-back")
def test_a_canary_does_harm_and_goes_back(place: Routed) -> None:
    reader = Reader(
        place.stack,
        CANARY_FOLDER=str(place.plan.folder),
        ROUTER_SOCKET=str(place.router.socket_path),
        ROUTER_PINS=str(place.pins),
        PROMETHEUS_URL=place.url("prometheus"),
    )
    place.forget()
    with place.traffic():
        controller = place.begin(*LONG_STEPS)
        wait_for("it has shops", lambda: place.router.share() > 0, 30)
        wait_for("it answers", lambda: _of_canary(place) > ANSWERS_MIN, 30)
        place.fault.write_text("errors", encoding="utf-8")
        assert controller.wait(90) == 1
    reader.tells("canary-rolled-back")
    reader.does("canary-rolled-back")
    reader.is_over("canary-rolled-back")


def _of_canary(place: Routed) -> int:
    return sum(one.release == "v2" for one in place.answers)


@makes("router-away")
def test_the_router_is_stopped(place: Routed) -> None:
    reader = Reader(place.stack, HOLDFAST=place.url("router"), WEB=place.stack.app_url)
    router = place.processes["router"]
    router.kill()
    router.wait(10)
    reader.tells("router-away")
    place.start_router()
    reader.is_over("router-away")
