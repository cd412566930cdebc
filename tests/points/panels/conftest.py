"""A shopper's part is asked as the storefront asks it."""

from tests.storefront.conftest import (
    _nothing_remembered,
    app,
    http,
    rewards,
    shopify,
    take_postgres_away,
)

__all__ = ["_nothing_remembered", "app", "http", "rewards", "shopify", "take_postgres_away"]
