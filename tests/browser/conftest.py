"""Chromium for the widget's tests, and a shop whose app answers what a test says."""

import os
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.browser.fake_shop import FakeShop

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    if not os.path.exists(CHROMIUM):  # noqa: PTH110, ASYNC240 - once, before anything runs
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail("There is no chromium, and REQUIRE_BROWSER=1 asks for one.")
        pytest.skip("There is no chromium on this machine.")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        await started.close()


@pytest_asyncio.fixture(loop_scope="session")
async def shop(chromium: Browser) -> AsyncIterator[FakeShop]:
    shop = FakeShop(chromium)
    yield shop
    await shop.leave()
    assert shop.page_errors == []
