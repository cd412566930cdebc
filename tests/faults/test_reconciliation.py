"""Hours in which nothing of Shopify arrived, a Redis that forgot its lanes, a core that is killed
in the middle: all that is missing is found at Shopify, once.
"""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis

from tests import template
from tests.stack import SHOP, Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.long
SECONDS = 240
ROUND_SECONDS = 36  # looks again after one


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A stack whose rounds are short."""
    with (
        template.folder(),
        tempfile.TemporaryDirectory(prefix="holdfast-stack-", ignore_cleanup_errors=True) as name,
    ):
        Path(name).chmod(0o755)
        made = Stack(
            Path(name),
            RECONCILE_EVERY_SECONDS=str(ROUND_SECONDS),
            LANE_RATE_PER_SECOND="1000",
            LANE_BURST="1000",
        )
        try:
            made.start_everything()
            made.install()
            ask(made, "UPDATE shops SET installed_at = now() - interval '2 days'")
            yield made
        finally:
            made.stop_everything()


def ask(stack: Stack, statement: str, *arguments: Any) -> list[Any]:
    async def fetch() -> list[Any]:
        connection = await asyncpg.connect(stack.environment["DATABASE_URL"])
        try:
            return list(await connection.fetch(statement, *arguments))
        finally:
            await connection.close()

    return asyncio.run(fetch())


def lose(stack: Stack, *topics: str) -> None:
    stack.control("POST", "webhooks", {"lose": list(topics)})


def is_settled(stack: Stack) -> bool:
    """Whether every loss is compared in every shop."""
    return not ask(stack, "SELECT FROM redis_losses WHERE reconciled_at IS NULL")


def report(stack: Stack, hours: float) -> str:
    """What the command says of the last hours."""
    since = datetime.now(UTC) - timedelta(hours=hours)
    done = subprocess.run(
        [sys.executable, "-m", "ops.reconcile", "--since", since.isoformat(), SHOP],
        cwd=stack.root,
        env=stack.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def round_begins(stack: Stack, hours: float) -> None:
    """The last round was so many hours ago."""
    wait_for(
        "the round is booked",
        lambda: ask(stack, "SELECT FROM reconciliations WHERE name = 'round'"),
        SECONDS,
    )
    ask(
        stack,
        "UPDATE reconciliations SET since = now() - make_interval(secs => $1), until = NULL, "
        "next_at = now(), part = 'orders', looks = 0 WHERE name = 'round'",
        hours * 3600,
    )


def test_six_hours_of_shopify_that_never_arrived_are_found_by_the_round(stack: Stack) -> None:
    lose(stack, "*")
    bob = stack.customer("Bob")
    hour = 1 / 24
    for number in range(6):  # an order an hour
        stack.order(bob, "100.00", days_ago=(5.8 - number) * hour)
    changed = stack.order(bob, "50.00", days_ago=5 * hour)
    path = f"shops/{SHOP}/orders/{changed['id']}"
    stack.control("POST", f"{path}/refund", {"amount": "20.00"})
    gone = stack.order(bob, "70.00", days_ago=4 * hour)
    stack.control("POST", f"shops/{SHOP}/orders/{gone['id']}/cancel", {"refund": True})
    stack.order(None, "30.00", days_ago=3 * hour)
    assert stack.me(bob)["points"]["available"] == 0
    lose(stack)
    round_begins(stack, 6)
    # of 50.00 the 20.00 that came back were with their tax
    stack.wait_for_points(bob, 631, SECONDS)
    said = report(stack, 6)
    print(f"\n{said}")
    assert "9 orders had changed, 9 were known, 0 are told again" in said
    assert stack.me(bob)["points"]["available"] == 631
    print(stack.verify())


def test_a_redis_that_forgets_what_waits_in_lanes_loses_nothing(stack: Stack) -> None:
    carol = stack.customer("Carol")
    stack.order(carol, "10.00")
    stack.wait_for_points(carol, 10, SECONDS)
    stack.stop("ingest")
    for _ in range(5):
        stack.order(carol, "20.00")
    with redis.Redis(port=stack.ports["redis"]) as client:
        lane = f"lane:{SHOP}"
        wait_for("they wait in the lane", lambda: client.llen(lane) >= 5, SECONDS)
        client.flushall()
    stack.start("ingest")
    wait_for("the loss is noted", lambda: ask(stack, "SELECT FROM redis_losses"), SECONDS)
    stack.wait_for_points(carol, 110, SECONDS)
    wait_for("it is settled", lambda: is_settled(stack), SECONDS)
    title = "The queue lost what was waiting in it"
    wait_for("Health says so", lambda: title in stack.open_admin("/health").text, SECONDS)
    stack.verify()


def test_a_core_that_is_killed_while_it_looks_and_two_at_once_tell_all_once(stack: Stack) -> None:
    lose(stack, "*")
    dave = stack.customer("Dave")
    for _ in range(25):
        stack.order(dave, "10.00")
    lose(stack)
    stack.control("POST", "shopify", {"mode": "slow", "seconds": 0.2})
    round_begins(stack, 1)
    stack.start("core2")
    try:
        told = "SELECT FROM receipts WHERE webhook_id LIKE 'reconciled-order-%'"
        before = len(ask(stack, told))
        wait_for("some are told", lambda: len(ask(stack, told)) >= before + 5, SECONDS)
        stack.kill("core", "core2")
        assert len(ask(stack, told)) < before + 25, "it was in the middle"
        stack.start("core", "core2")
        stack.control("POST", "shopify", {"mode": "normal"})
        stack.wait_for_points(dave, 250, SECONDS)
    finally:
        stack.control("POST", "shopify", {"mode": "normal"})
        stack.stop("core2")
    assert "0 are told again" in report(stack, 2)
    assert stack.me(dave)["points"]["available"] == 250
    stack.verify()
