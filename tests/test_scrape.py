"""What a scrape costs when a great deal waits: as much as when little does."""

import re
import time
from pathlib import Path

import pytest

from app import db
from app.flow.lanes import spill
from app.operations import scrape
from app.services import PROCESSES, SERVICES

PATIENTLY = "SET LOCAL statement_timeout = 0; "
MANY_LETTERS = """
INSERT INTO dead_letters (service, shop, topic, reference, payload, state, reason, attempts,
                          history, next_attempt_at, proof, created_at, updated_at)
SELECT 'points', 'alice.myshopify.com', 'order.paid', number::text, '', 'waiting', 'x', 1,
       '[]', now(), '', now(), now()
  FROM generate_series(1, 100000) AS number
"""
MANY_SPILLED = """
INSERT INTO spilled_webhooks (shop, webhook_id, item, spilled_at)
SELECT 'alice.myshopify.com', number::text, '', now() - make_interval(secs => 150000 - number)
  FROM generate_series(0, 149999) AS number
"""


def test_every_count_of_a_scrape_has_an_end() -> None:
    for statement in (scrape.WAITING, scrape.LETTERS, spill.WAITING):
        counts = re.findall(r"count\(\*\)", statement)
        bounded = re.findall(
            r"count\(\*\)(?:::int)?(?: AS \w+)? FROM\s+\(SELECT [^()]* LIMIT \$1\)", statement
        )
        assert counts
        assert len(bounded) == len(counts)
        assert not re.search(r"(min|max)\(", statement), "that would walk through the table"


@pytest.mark.long  # the test above has what makes it so
async def test_a_hundred_thousand_letters_and_spilled_webhooks_are_counted_at_a_glance(
    stores,
) -> None:
    async with db.connection() as connection:
        await connection.execute(PATIENTLY + MANY_LETTERS, timeout=120)
        await connection.execute(PATIENTLY + MANY_SPILLED, timeout=120)
        await connection.execute("ANALYZE dead_letters, spilled_webhooks")
        took = []
        while len(took) < 50 and min(took, default=1.0) > 0.1:
            began = time.perf_counter()
            spilled = await connection.fetchval(scrape.WAITING, scrape.COUNT_MAX)
            letters = await connection.fetch(scrape.LETTERS, scrape.COUNT_MAX, list(PROCESSES))
            took.append(time.perf_counter() - began)
        await connection.execute("TRUNCATE dead_letters, spilled_webhooks")
    assert spilled == scrape.COUNT_MAX
    counts = {row["service"]: (row["waiting"], row["dead"]) for row in letters}
    assert counts == {**dict.fromkeys(PROCESSES, (0, 0)), "points": (scrape.COUNT_MAX, 0)}
    assert min(took) < 0.1, "usually five milliseconds"
    print(f"scrape of a great deal: {min(took) * 1000:.1f} ms")


LATE = """
INSERT INTO referral_links (shop, customer_id, advocate_id, status, asked_at)
SELECT 'alice.myshopify.com', number::text, number::text, 'queued', now() - interval '1 hour'
  FROM generate_series(1, 3) AS number;
INSERT INTO tier_shops (shop, version, is_on, timezone, stage, since_tx, place, done, total,
                        asked_at, figures)
VALUES ('alice.myshopify.com', 1, true, 'UTC', 'placing', 0, '', 0, 0,
        now() - interval '1 hour', ''),
       ('bob.myshopify.com', 1, true, 'UTC', 'done', 0, '', 0, 0, now() - interval '2 hours', '');
INSERT INTO ways (shop, kind, handle, title, points, per, times, url, is_active, version, given,
                  given_points, walk_at, walked_id, updated_at)
SELECT shop, 'birthday', '', 'Birthday', 100, 'year', 1, '', shop < 'b', 1, 0, 0,
       now() - interval '1 hour', '', now()
  FROM unnest(ARRAY['alice.myshopify.com', 'bob.myshopify.com']) AS shop;
INSERT INTO saga_steps (shop, saga, subject, customer_id, step, state, words, at, due_at, tries)
VALUES ('alice.myshopify.com', 'welcome', '1', '1', 'mail', 'waiting', '', now(),
        now() - interval '1 hour', 0);
INSERT INTO campaigns (shop, campaign_id, version, sort_name, state, starts_at, definition,
                       labels, request_hash, edited_by, created_at, updated_at)
SELECT 'alice.myshopify.com', number::text, 1, '', CASE number WHEN 1 THEN 'draft' ELSE 'live' END,
       now(), '{}', '{}', '', '', now(), now()
  FROM generate_series(1, 3) AS number
"""


async def figures() -> dict[str, float]:
    """What services tell of themselves, by name and the value of a label."""
    told = [await of_one() for of_one in scrape.OF_SERVICES]
    return {
        f"{one.name} {label}".strip(): value
        for group in told
        for one in group
        for label, value in one.values.items()
    }


async def test_services_tell_what_waits_with_them_and_since_when(stores) -> None:
    before = await figures()
    assert set(before.values()) == {0.0}, before
    async with db.connection() as connection:
        await connection.execute(LATE)
    after = await figures()
    assert set(after) == set(before)
    assert (after["holdfast_referral_links_queued"], after["holdfast_tier_placings"]) == (3.0, 1.0)
    assert (after["holdfast_campaigns live"], after["holdfast_campaigns draft"]) == (2.0, 1.0)
    for name in ("referral_link_oldest", "tier_placing_oldest", "birthdays_behind", "steps_behind"):
        assert 3_600 <= after[f"holdfast_{name}_seconds"] < 3_700, name


def test_a_scrape_names_no_service() -> None:
    source = Path(scrape.__file__).read_text()
    assert not [one.name for one in SERVICES if f"app.{one.name}" in source]


async def test_what_is_spilled_is_as_old_as_its_oldest(stores) -> None:
    async with db.connection() as connection:
        await connection.execute(MANY_SPILLED.replace("149999", "999"))
    count, age_seconds = await spill.waiting()
    assert count == 1_000
    assert 149_999 < age_seconds < 150_100
