"""Chromium for the widget's tests, and a shop whose app answers what a test says."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.browser.chromium import ARGUMENTS, executable
from tests.browser.fake_shop import FakeShop


@pytest_asyncio.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        yield started
        await started.close()


@pytest_asyncio.fixture(loop_scope="session")
async def shop(chromium: Browser) -> AsyncIterator[FakeShop]:
    shop = FakeShop(chromium)
    yield shop
    await shop.leave()
    assert shop.page_errors == []
