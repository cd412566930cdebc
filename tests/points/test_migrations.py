"""What an earlier release wrote is still right after the migration of points."""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from app import config as settings
from app.points.earning import standing
from app.points.earning.rules import Back, Frozen, Known, Line
from app.points.earning.stored import from_row
from app.points.ledger.accounts import GENESIS
from app.points.ledger.posting import canonical
from tests.databases import make_empty, migrate, named, release, run

pytestmark = pytest.mark.long  # a database of long ago, brought forward

BEFORE = "0002_claims_and_reversals"
EARLIER = """
INSERT INTO members (shop, customer_id, name, email, pending, available, held, spent, expired,
                     reversed, debt, issued, sequence, joined_at, updated_at)
VALUES ('a', '7', '', '', 0, 5, 10, 0, 10, 24, 0, 49, 4, now(), now());
INSERT INTO awards (shop, order_id, order_name, member_id, outcome, rule_version, frozen, points,
                    reversed_points, progress, created_at)
VALUES ('a', '1', '#1', 1, 'earned', 3,
        '{"rule": 3, "rate": "1", "rounding": "down", "currency": "USD", "base": "49.90",
          "points": 49, "lines": [{"line_id": "l1", "quantity": 2, "base": "49.90", "points": 49}],
          "excluded": ["g1"]}', 49, 24, '{"lines": {"l1": 1}}', now()),
       ('a', '3', '#3', NULL, 'guest', 1,
        '{"rule": 1, "rate": "2.5", "rounding": "up", "currency": "JPY", "base": "300",
          "points": 0, "lines": [], "excluded": []}', 0, 0, '{"cancelled": true}', now());
INSERT INTO reversals (shop, order_id, source, data, is_applied, points, forgiven, created_at)
VALUES ('a', '2', 'refund:9', '{"effective_at": "2026-03-01T10:00:00Z", "trace": "t",
        "lines": {"\\u00e9": 3}, "adjustment_micros": 5000000}', FALSE, 0, 0, now()),
       ('a', '2', 'cancel:2', '{"effective_at": "2026-03-01T10:00:00Z", "trace": "t",
        "cancelled": true}', FALSE, 0, 0, now()),
       ('a', '1', 'refund:8', '{"effective_at": "2026-03-01T10:00:00Z", "trace": "t",
        "lines": {"l1": 1}}', TRUE, 24, 0, now()),
       ('a', '3', 'cancel:3', '{"effective_at": "2026-03-01T10:00:00Z", "trace": "t",
        "cancelled": true}', TRUE, 0, 0, now());
INSERT INTO lots (shop, member_id, source, granted, remaining, available_at, is_pending,
                  expires_at, due_at, lapses, created_at)
VALUES ('a', 1, 'order:1', 49, 5, now(), FALSE, NULL, NULL, 1, now());
INSERT INTO redemptions (id, shop, member_id, customer_id, reward_id, title, points, amount_off,
                         idempotency_key, request_hash, code, discount_gid, state, reason,
                         allocations, attempts, give_up_at, request_id, created_at, updated_at)
VALUES (gen_random_uuid(), 'a', 1, '7', 1, 'r', 10, 5, 'k', 'h', 'HF-1', '', 'held', '',
        '[[1, 10]]', 3, now(), '', now(), now());
INSERT INTO awards (shop, order_id, order_name, member_id, outcome, rule_version, frozen, points,
                    reversed_points, progress, created_at)
VALUES ('a', '4', '#4', 1, 'zero', 1, '{}', 0, 0, '{}', '2026-03-05T10:00:00Z');
INSERT INTO shops (domain, name, currency, timezone, status, plan, scopes, token_version,
                   installed_at)
VALUES ('a', 'A', 'EUR', 'Europe/Berlin', 'active', '', '', 0, '2026-01-01T00:00:00Z'),
       ('b', 'B', 'USD', 'UTC', 'active', '', '', 0, '2026-01-01T00:00:00Z');
INSERT INTO program_versions (shop, version, rate, rounding, pending_days, clawback, timezone,
                              currency, edited_by, created_at)
VALUES ('b', 4, 3, 'up', 0, 'debt', 'UTC', 'USD', '42', now());
"""
LEDGER = """
INSERT INTO ledger (shop, member_id, sequence, source, effect, from_bucket, to_bucket, points, why,
                    effective_at, recorded_at, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""
MARCH = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
ROWS = (
    ("order:1", "earn", "issued", "available", 49, "{}"),
    ("refund:8", "reverse.available", "available", "reversed", 24, "{}"),
    ("lot:1", "expire", "available", "expired", 10, '{"lot": "order:1"}'),
    ("redemption:1", "hold", "available", "held", 10, "{}"),
)


async def write_ledger(conn: asyncpg.Connection) -> None:
    """The member's rows, chained as they were."""
    digest = GENESIS
    for sequence, row in enumerate(ROWS, 1):
        whole = ("a", 1, sequence, *row, MARCH, MARCH)
        digest = sha256(digest + canonical(*whole)).digest()
        await conn.execute(LEDGER, *whole, digest)
    await conn.execute("UPDATE members SET last_hash = $1", digest)


@pytest_asyncio.fixture(scope="module")
async def earlier(
    open_session: object, config: settings.Config
) -> AsyncIterator[asyncpg.Connection]:
    """A database of its own, with the tables and rows of the release before, which tests read."""
    url = await make_empty(config, "earlier")
    await migrate(url, BEFORE)
    conn = await asyncpg.connect(url)
    try:
        await conn.execute(EARLIER)
        await write_ledger(conn)
        await release(url)
        yield conn
    finally:
        await conn.close()


@pytest.mark.long
async def test_orders_refunds_and_redemptions_of_the_release_before_are_read_as_they_were(
    earlier: asyncpg.Connection,
) -> None:
    grants = {row["source"]: row for row in await earlier.fetch("SELECT * FROM grants")}
    assert sorted(grants) == ["order:1", "order:2", "order:3", "order:4"]
    of_bob = from_row(grants["order:1"])
    assert (of_bob.points, of_bob.net, of_bob.member_id) == (49, 25, 1)
    assert of_bob.known == Known(
        at=MARCH,
        placed_at=MARCH,
        paid_at=MARCH,
        customer_id="7",
        customer_at=MARCH,
        lines=[Line("l1", 2, 2, 49_900_000, 0)],
        excluded=1,
        currency="USD",
        refunds={"8": Back({"l1": 1})},
    )
    assert standing.amount(of_bob.known) == (24_950_000, 1)
    assert (of_bob.frozen, of_bob.rate_units) == (Frozen(3, "1", "down"), 10_000)
    assert (grants["order:1"]["lapsed"], grants["order:1"]["revision"]) == (10, 0)
    waiting = from_row(grants["order:2"])
    assert (waiting.outcome, waiting.frozen) == ("waiting", None)
    assert waiting.known == Known(refunds={"9": Back({"é": 3}, -5_000_000)}, ended="cancel")
    guest = from_row(grants["order:3"])
    assert (guest.outcome, guest.known.ended, guest.known.lines) == ("guest", "cancel", [])
    assert guest.frozen == Frozen(1, "2.5", "up")
    redemption = await earlier.fetchrow("SELECT * FROM redemptions")
    assert msgspec.json.decode(redemption["allocations"]) == [[1, 10]]
    assert redemption["tries_sent"] == 3, "any attempt so far may have reached Shopify"
    member = await earlier.fetchrow("SELECT * FROM members")
    assert (member["frozen_at"], member["frozen_reason"]) == (None, "")
    assert member["merged_into"] is None
    url = named(os.environ["DATABASE_URL"], "earlier")
    assert "drift 0, broken chains 0, 0 problems" in await run(url, "-m", "workers.verify")


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
