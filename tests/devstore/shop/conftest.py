"""A shop whose orders are changed."""

import pytest_asyncio

from tests.devstore.conftest import Store
from tests.devstore.shop.changing import Shop


@pytest_asyncio.fixture
async def shop(store: Store) -> Shop:
    return Shop(store)
