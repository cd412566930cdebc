"""A merchant's browser for the pages, and two shops that must not see each other."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from app import config as settings
from app import db
from tests.admin.staff import Staff
from tests.points.world import ALICE
from tests.web_app import all_beat, fresh_process, install, open_app

CHARLIE = "charlie.myshopify.com"


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    fresh_process()


@pytest.fixture
async def http(stores: db.Stores, config: settings.Config) -> AsyncIterator[httpx2.AsyncClient]:
    await install(ALICE, CHARLIE)
    await all_beat(stores)
    async with open_app(config, stores) as asking:
        yield asking


@pytest.fixture
def alice(http: httpx2.AsyncClient, config: settings.Config) -> Staff:
    return Staff(http, config, ALICE)


@pytest.fixture
def charlie(http: httpx2.AsyncClient, config: settings.Config) -> Staff:
    return Staff(http, config, CHARLIE)
