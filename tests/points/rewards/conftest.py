"""Shopify as the tests of redemptions find it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from app import db
from app.points.rewards import issuing
from devstore import main
from tests.devstore.conftest import FakeApp, fake_app, settings_for
from tests.points.rewards.discounts import Shopify
from tests.points.rewards.store import Store

__all__ = ["fake_app"]


@pytest.fixture
def shopify(stores: db.Stores, monkeypatch: pytest.MonkeyPatch) -> Shopify:
    stand_in = Shopify()
    monkeypatch.setattr(issuing.admin_api, "call", stand_in.call)
    return stand_in


@pytest_asyncio.fixture
async def store(
    stores: db.Stores, fake_app: FakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Store]:
    """The stand-in store in this process, in the place of Shopify."""
    app = main.make_app(settings_for(tmp_path))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://store.test") as http,
    ):
        # built by the first who asks, who would have it counted as Shopify's slowness
        await asyncio.to_thread(app.state.schemas.get, app.state.world.settings.api_version)
        made = Store(app.state.world, http)
        monkeypatch.setattr(issuing.admin_api, "call", made.call)
        yield made
