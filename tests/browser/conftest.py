"""A shop whose app answers what a test says, and the browser context most of its pages share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext

from tests.browser.fake_shop import FakeShop, context_of

HERE = Path(__file__).parent
# what the suite has of a browser; the others are run by `make browser`
IN_THE_SUITE = {"test_widget.py", "test_first_load.py"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == HERE and item.path.name not in IN_THE_SUITE:
            item.add_marker("browser")


@pytest_asyncio.fixture(scope="module")
async def usual(chromium: Browser) -> AsyncIterator[BrowserContext]:
    """Opening one costs as much as a page; a shop leaves nothing in it."""
    context = await context_of(chromium)
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def shop(chromium: Browser, usual: BrowserContext) -> AsyncIterator[FakeShop]:
    shop = FakeShop(chromium, usual)
    yield shop
    await shop.leave()
    assert shop.page_errors == []
