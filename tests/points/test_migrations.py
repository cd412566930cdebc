"""What an earlier release wrote is still right after the migration of points."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator

import asyncpg
import msgspec
import pytest

from app import config as settings
from app.points.earning.rules import Frozen, Progress
from app.points.facts import Reversal

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
INSERT INTO awards (shop, order_id, order_name, member_id, outcome, rule_version, frozen, points,
                    reversed_points, progress, created_at)
VALUES ('a', '3', '#3', 1, 'zero', 1, '{}', 0, 0, '{}', '2026-03-05T10:00:00Z');
UPDATE awards SET created_at = '2026-03-01T10:00:00Z' WHERE order_id = '1';
INSERT INTO shops (domain, name, currency, timezone, status, plan, scopes, token_version,
                   installed_at)
VALUES ('a', 'A', 'EUR', 'Europe/Berlin', 'active', '', '', 0, '2026-01-01T00:00:00Z'),
       ('b', 'B', 'USD', 'UTC', 'active', '', '', 0, '2026-01-01T00:00:00Z');
INSERT INTO program_versions (shop, version, rate, rounding, pending_days, clawback, timezone,
                              currency, edited_by, created_at)
VALUES ('b', 4, 3, 'up', 0, 'debt', 'UTC', 'USD', '42', now());
"""


@pytest.fixture
async def earlier(stores: object, config: settings.Config) -> AsyncIterator[asyncpg.Connection]:
    """A database of its own, with the tables and rows of the release before."""
    admin = await asyncpg.connect(config.database_url)
    await admin.execute("DROP DATABASE IF EXISTS earlier")
    await admin.execute("CREATE DATABASE earlier")
    url = config.database_url.rsplit("/", 1)[0] + "/earlier"
    await run("-m", "tortoise", "-c", "app.db.TORTOISE", "migrate", "app", BEFORE, url=url)
    conn = await asyncpg.connect(url)
    try:
        await conn.execute(EARLIER)
        await run("-m", "workers.release", url=url)
        yield conn
    finally:
        await conn.close()
        await admin.execute("DROP DATABASE earlier")
        await admin.close()


async def run(*arguments: str, url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=settings.ROOT,
        env={**os.environ, "DATABASE_URL": url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


async def test_awards_refunds_and_redemptions_of_the_release_before_are_read_as_they_were(
    earlier: asyncpg.Connection,
) -> None:
    award = await earlier.fetchrow("SELECT * FROM awards WHERE order_id = '1'")
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


async def test_a_programme_that_was_there_is_live_and_the_last_orders_are_known(
    earlier: asyncpg.Connection,
) -> None:
    rules = await earlier.fetch(
        "SELECT shop, version, rate, currency, state FROM program_versions ORDER BY shop"
    )
    assert [tuple(row) for row in rules] == [
        ("a", 1, 1, "EUR", "live"),
        ("b", 4, 3, "USD", "live"),
    ]
    last = await earlier.fetch("SELECT shop, customer_id, ordered_at FROM last_orders")
    assert [(row["shop"], row["customer_id"], row["ordered_at"].day) for row in last] == [
        ("a", "7", 5)
    ]
