"""The customers of the release before: names move to core with their rank, figures stay and are
totalled.
"""

import importlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from app import config as settings
from app import db
from app.core.customers import NAMELESS
from tests.databases import make_empty, migrate, named

MOVED = importlib.import_module("migrations.0006_customers")
BEFORE = MOVED.Migration.dependencies[0][1]
ALICE = "alice.myshopify.com"
MARCH = datetime(2026, 3, 1, 12, 40, tzinfo=UTC)
MEMBER = """
INSERT INTO members (shop, customer_id, name, email, profile_updated_at, deleted_at, pending,
                     available, held, spent, expired, reversed, debt, issued, sequence, joined_at,
                     updated_at)
VALUES ($1, $2, $3, $4, $5, $6, 0, $7, 0, 0, 0, 0, 0, $7, $8, now(), now()) RETURNING id
"""
AWARD = """
INSERT INTO awards (shop, order_id, order_name, member_id, outcome, rule_version, frozen, points,
                    reversed_points, progress, created_at)
VALUES ($1, $2, '', $3, 'earned', 1, '{}', 5, 0, '{}', $4)
"""
EARNED = """
INSERT INTO ledger (shop, member_id, sequence, source, effect, from_bucket, to_bucket, points, why,
                    effective_at, recorded_at, hash)
VALUES ($1, $2, $3, $4, 'earn', 'issued', 'available', 5, '{}', $5, now(), '')
"""


@pytest.fixture
async def before(stores: db.Stores, config: settings.Config) -> AsyncIterator[Any]:
    """A connection to a database as the release before left it."""
    address = await make_empty(config, "before")
    await migrate(address, BEFORE)
    connection = await asyncpg.connect(address)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.long
async def test_names_move_to_core_and_figures_are_totalled(
    before: Any, config: settings.Config
) -> None:
    bob = await before.fetchval(
        MEMBER, ALICE, "1", "Bob  Smith", "b@example.com", MARCH, None, 10, 2
    )
    await before.fetchval(MEMBER, ALICE, "2", "ZOË", "", None, None, 0, 0)
    await before.fetchval(MEMBER, ALICE, "3", "", "", None, MARCH, 7, 1)
    await before.fetchval(MEMBER, ALICE, "4", "", "", None, MARCH, 0, 0)
    for number, hour in ((2, 14), (1, 9)):
        at = MARCH.replace(hour=hour)
        await before.execute(AWARD, ALICE, str(number), bob, MARCH)
        await before.execute(EARNED, ALICE, bob, number, f"order:{number}", at)
    await before.close()
    address = named(config.database_url, "before")
    await migrate(address, "0006_customers")
    connection = await asyncpg.connect(address)
    try:
        customers = await connection.fetch(
            "SELECT customer_id, name, sort_name, email, profile_updated_at, "
            "person_at IS NOT NULL AS is_named_by_order, first_order_id, first_order_at, "
            "deleted_at FROM customers ORDER BY customer_id"
        )
        members = await connection.fetch("SELECT customer_id FROM members ORDER BY id")
        periods = await connection.fetch("SELECT starts_at, earned, spent FROM period_totals")
        shop = await connection.fetchrow("SELECT members, outstanding FROM shop_totals")
    finally:
        await connection.close()
    first = MARCH.replace(hour=9)
    assert [tuple(row) for row in customers] == [
        ("1", "Bob  Smith", "bob smith", "b@example.com", MARCH, False, "1", first, None),
        ("2", "ZOË", "zoe", "", None, True, None, None, None),
        ("3", "", NAMELESS, "", None, False, None, None, MARCH),
        ("4", "", NAMELESS, "", None, False, None, None, MARCH),
    ]
    assert [row["customer_id"] for row in members] == ["1", "2", "3"]
    assert sorted(tuple(row) for row in periods) == [
        (MARCH.replace(hour=hour, minute=30), 5, 0) for hour in (9, 14)
    ]
    assert tuple(shop) == (3, 17)
