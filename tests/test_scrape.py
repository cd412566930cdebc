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


async def test_services_tell_their_own_figures(stores) -> None:
    of_points = [
        one.name for told in scrape.OF_SERVICES for one in await told() if "held" in one.name
    ]
    assert of_points == ["holdfast_held_redemptions", "holdfast_held_oldest_seconds"]


def test_a_scrape_names_no_service() -> None:
    source = Path(scrape.__file__).read_text()
    assert not [one.name for one in SERVICES if f"app.{one.name}" in source]


async def test_what_is_spilled_is_as_old_as_its_oldest(stores) -> None:
    async with db.connection() as connection:
        await connection.execute(MANY_SPILLED.replace("149999", "999"))
    count, age_seconds = await spill.waiting()
    assert count == 1_000
    assert 149_999 < age_seconds < 150_100
