"""A merchant's browser for the pages, and two shops that must not see each other."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from app import config as settings
from app import db
from app.core.models import Shop
from app.resilience import breaker, cache, health
from app.resilience.breaker import State
from tests.admin.staff import Staff, open_app
from tests.points.world import ALICE

CHARLIE = "charlie.myshopify.com"


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    health.forget()
    cache.forget()
    for known in breaker._known.values():
        known._move(State.CLOSED, "start of the test")


@pytest.fixture
async def http(stores: db.Stores, config: settings.Config) -> AsyncIterator[httpx2.AsyncClient]:
    for shop in (ALICE, CHARLIE):
        await Shop.create(
            domain=shop,
            name=shop,
            timezone="Europe/Berlin",
            currency="USD",
            access_token=b"never used here",
        )
    for service in health.PROCESSES:
        await health.beat(stores.queue, service, 0.0)
    async with open_app(config, stores) as asking:
        yield asking


@pytest.fixture
def alice(http: httpx2.AsyncClient, config: settings.Config) -> Staff:
    return Staff(http, config, ALICE)


@pytest.fixture
def charlie(http: httpx2.AsyncClient, config: settings.Config) -> Staff:
    return Staff(http, config, CHARLIE)
