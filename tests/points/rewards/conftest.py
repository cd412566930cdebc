"""Shopify as the tests of redemptions find it."""

import pytest

from app import db
from app.points.rewards import issuing
from tests.points.rewards.discounts import Shopify


@pytest.fixture
def shopify(stores: db.Stores, monkeypatch: pytest.MonkeyPatch) -> Shopify:
    stand_in = Shopify()
    monkeypatch.setattr(issuing.admin_api, "call", stand_in.call)
    return stand_in
