"""A small Shopify to call, and no waiting between the calls."""

from collections.abc import Iterator

import pytest
import stamina

from tests.core.shopify import Shopify


@pytest.fixture
def shopify() -> Shopify:
    return Shopify()


@pytest.fixture
def two_tries() -> Iterator[None]:
    with stamina.set_testing(True, attempts=2):
        yield
