"""The stand-in Shopify of this process, and an app that asks it without waiting for its index."""

import dataclasses
from collections.abc import Iterator

import pytest

from app import db
from app.core import admin_api
from app.core.reconciliation import actions, looking, rules
from app.flags import evaluation
from app.resilience.breaker import State
from app.resilience.memory import Memory
from app.shopify import graphql
from tests.devstore import conftest as devstore

fake_app, store = devstore.fake_app, devstore.store
EVERY_SECONDS = 36.0  # a look is settled at once, and looked again after a second


@pytest.fixture
def quick(stores: db.Stores) -> db.Stores:
    config = dataclasses.replace(
        stores.config,
        reconcile_every_seconds=EVERY_SECONDS,
        lane_rate_per_second=1_000.0,
        lane_burst=1_000,
    )
    return dataclasses.replace(stores, config=config)


@pytest.fixture(autouse=True)
def _as_new(_deadlines: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is known of Shopify, nor said of flags."""
    monkeypatch.setattr(looking, "ROOM_SECONDS", 0.05)
    # each change at the stand-in is a second after the one before, however fast they come
    monkeypatch.setattr(rules, "settled_seconds", lambda _: -10.0)
    monkeypatch.setattr(graphql, "budgets", graphql.Budgets())
    monkeypatch.setattr(actions, "_asked", Memory(10))
    # the stand-in is in this process: how fast it answers is a matter of the machine
    monkeypatch.setattr(graphql, "DEADLINE_SECONDS", 60.0)
    monkeypatch.setattr(admin_api.SHOPIFY, "deadline_seconds", 60.0)
    admin_api.SHOPIFY.breaker._move(State.CLOSED, "start of the test")
    evaluation.forget()
    yield
    evaluation.forget()
