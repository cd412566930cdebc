"""What an earlier release wrote is still right after the migration of points."""

from collections.abc import AsyncIterator

import asyncpg
import msgspec
import pytest

from app import config as settings
from app.points.earning.rules import Frozen, Progress
from app.points.facts import Reversal
from tests.databases import make_empty, migrate, release

BEFORE = "0002_claims_and_reversals"
EARLIER = """
INSERT INTO members (shop, customer_id, name, email, pending, available, held, spent, expired,
                     reversed, debt, issued, sequence, joined_at, updated_at)
VALUES ('a', '7', '', '', 0, 0, 0, 0, 0, 0, 0, 0, 0, now(), now());
INSERT INTO awards (shop, order_id, order_name, member_id, outcome, rule_version, frozen, points,
                    reversed_points, progress, created_at)
VALUES ('a', '1', '#1', 1, 'earned', 1,
        '{"rule": 1, "rate": "1", "rounding": "down", "currency": "USD", "base": "49.90",
          "points": 49, "lines": [{"line_id": "l1", "quantity": 2, "base": "49.90", "points": 49}],
          "excluded": ["g1"]}', 49, 24, '{"lines": {"l1": 1}}', now());
INSERT INTO reversals (shop, order_id, source, data, is_applied, points, forgiven, created_at)
VALUES ('a', '2', 'refund:9', '{"effective_at": "2026-03-01T10:00:00Z", "trace": "t",
        "lines": {"\\u00e9": 3}}', FALSE, 0, 0, now());
INSERT INTO redemptions (id, shop, member_id, customer_id, reward_id, title, points, amount_off,
                         idempotency_key, request_hash, code, discount_gid, state, reason,
                         allocations, attempts, give_up_at, request_id, created_at, updated_at)
VALUES (gen_random_uuid(), 'a', 1, '7', 1, 'r', 10, 5, 'k', 'h', 'HF-1', '', 'held', '',
        '[[5, 10]]', 3, now(), '', now(), now());
"""


@pytest.fixture
async def earlier(stores: object, config: settings.Config) -> AsyncIterator[asyncpg.Connection]:
    """A database of its own, with the tables and rows of the release before."""
    url = await make_empty(config, "earlier")
    await migrate(url, BEFORE)
    conn = await asyncpg.connect(url)
    try:
        await conn.execute(EARLIER)
        await release(url)
        yield conn
    finally:
        await conn.close()


async def test_awards_refunds_and_redemptions_of_the_release_before_are_read_as_they_were(
    earlier: asyncpg.Connection,
) -> None:
    award = await earlier.fetchrow("SELECT * FROM awards")
    frozen = msgspec.json.decode(award["frozen"], type=Frozen)
    assert (frozen.points, frozen.lines[0].quantity, frozen.excluded) == (49, 2, ["g1"])
    assert msgspec.json.decode(award["progress"], type=Progress).lines == {"l1": 1}
    data = await earlier.fetchval("SELECT data FROM reversals")
    assert msgspec.json.decode(data, type=Reversal).lines == {"é": 3}
    redemption = await earlier.fetchrow("SELECT * FROM redemptions")
    assert msgspec.json.decode(redemption["allocations"]) == [[5, 10]]
    assert redemption["tries_sent"] == 3, "any attempt so far may have reached Shopify"
    member = await earlier.fetchrow("SELECT * FROM members")
    assert (member["frozen_at"], member["frozen_reason"]) == (None, "")
