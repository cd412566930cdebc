"""Postgres in trouble beneath the whole stack: whom it concerns, what the others see meanwhile,
and that it is over by itself.
"""

import asyncio
import contextlib
import re
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
import pytest

from tests.faults.beside import Beside
from tests.faults.shoppers import bob_with, redeem
from tests.stack import SHOP, Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.long

OTHER = "charlie.myshopify.com"
LETTER_BYTES = 4_900_000
LETTERS = """
INSERT INTO dead_letters (service, shop, topic, reference, payload, state, reason, attempts,
                          history, proof, created_at, updated_at)
SELECT 'ingest', $1, 'orders/paid', 'large ' || number, payload, 'dead', 'too large', 1, '[]', '',
       now(), now()
  FROM generate_series(1, 20) AS number,
       (SELECT string_agg(md5(n::text), '')::bytea AS payload FROM generate_series(1, $2 / 32) AS n)
"""
OF_THE_APP = "application_name LIKE 'holdfast%' AND pid <> pg_backend_pid()"


@pytest.fixture
def other_shop(whole_stack: Stack) -> str:
    whole_stack.install(OTHER)
    return OTHER


@pytest.fixture
def many() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as threads:
        yield threads


def test_one_shopper_whose_row_is_locked_stops_nobody_else(
    whole_stack: Stack, beside: Beside, many: ThreadPoolExecutor
) -> None:
    stack = whole_stack
    bob = bob_with(stack, 400)
    others = [stack.customer(f"Dora{number}") for number in range(4)]
    for one in others:
        stack.order(one, "200.00")
    for one in others:
        stack.wait_for_points(one, 200)
    beside.execute("BEGIN")
    beside.execute("SELECT 1 FROM members WHERE customer_id = $1 FOR UPDATE", bob)
    of_bob = [many.submit(redeem, stack, bob) for _ in range(10)]  # he presses again and again
    began = time.monotonic()
    for one in others * 2:
        answer = redeem(stack, one)
        assert answer.status_code in {200, 202}, answer.text
        assert answer.elapsed.total_seconds() < 2
        seen = stack.proxy("GET", "/storefront/me", one)
        assert seen.json()["points"]["source"] == "live"
        assert seen.elapsed.total_seconds() < 1
    assert not all(one.done() for one in of_bob), "the lock was there all the time"
    assert stack.me(bob)["points"]["source"] == "live", "reading waits for no lock"
    assert time.monotonic() - began < 15
    for one in of_bob:
        assert one.result().status_code == 503
        assert one.result().elapsed.total_seconds() < 5
    beside.execute("ROLLBACK")
    wait_for("Bob can spend again", lambda: redeem(stack, bob).status_code in {200, 202}, 10)
    stack.verify()


def test_four_tabs_with_large_letters_leave_the_pages_of_others_in_time(
    whole_stack: Stack, beside: Beside, many: ThreadPoolExecutor, other_shop: str
) -> None:
    stack = whole_stack
    beside.execute(LETTERS, SHOP, LETTER_BYTES)
    try:
        stack.open_admin("/", other_shop)
        found = re.search(r"/health/set-aside/\d+", stack.open_admin("/health").text)
        assert found, "the letters are there, under their reason"
        tabs = [many.submit(stack.open_admin, found[0]) for _ in range(4)]
        looked = 0
        while looked < 3 or not all(tab.done() for tab in tabs):
            page = stack.open_admin("/", other_shop)
            assert "as of" not in page.text
            assert "cannot be shown" not in page.text
            assert page.elapsed.total_seconds() < 1
            looked += 1
        for tab in tabs:
            page = tab.result()
            assert page.status_code == 200
            assert "characters more" in page.text, "the letters are there, too"
            assert len(page.content) < 2_000_000
    finally:
        beside.execute("DELETE FROM dead_letters WHERE reference LIKE 'large %'")


def test_with_all_connections_taken_webhooks_are_kept_and_pages_are_old_but_there(
    whole_stack: Stack, beside: Beside
) -> None:
    stack = whole_stack
    bob = bob_with(stack, 140)
    assert stack.open_admin("/").status_code == 200
    taken = beside.run(everything(beside))
    try:
        stack.order(bob, "60.00")
        wait_for("Shopify was answered", lambda: newest_delivery(stack) == ("delivered", 1), 5)
        assert stack.me(bob)["points"]["available"] == 140
        assert redeem(stack, bob).status_code == 503
        page = stack.open_admin("/")
        assert page.status_code == 200
        assert "as of" in page.text
        assert stack.health()["checks"] == {"postgres": "down", "redis": "ok"}
        assert stack.health()["status"] == "degraded"
    finally:
        beside.run(leave(taken))
    stack.wait_for_points(bob, 200, 30)
    wait_for("all is well", lambda: stack.health().get("status") == "ok", 30)
    stack.verify()


def newest_delivery(stack: Stack) -> tuple[str, int]:
    """What became of the newest order's webhook, and after how many tries."""
    newest = stack.control("GET", "deliveries?topic=orders/paid")[0]
    return newest["state"], len(newest["tries"])


async def everything(beside: Beside) -> list[Any]:
    """Every connection Postgres has, those of the app included."""
    taken: list[Any] = []
    calm = 0
    while calm < 20:
        with contextlib.suppress(asyncpg.TooManyConnectionsError):
            while True:
                taken.append(await asyncpg.connect(beside.url))
                calm = 0
        ended = await beside.connection.fetchval(
            f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {OF_THE_APP}"
        )
        calm = calm + 1 if not ended else 0
        await asyncio.sleep(0.02)
    return taken


async def leave(taken: list[Any]) -> None:
    for connection in taken:
        connection.terminate()
    await asyncio.sleep(0)


def test_with_postgres_read_only_people_read_and_what_must_be_written_waits(
    whole_stack: Stack, beside: Beside
) -> None:
    stack, letters = whole_stack, beside.letters()
    bob = bob_with(stack, 140)
    assert stack.open_admin("/").status_code == 200
    beside.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    beside.execute("SELECT pg_reload_conf()")
    time.sleep(0.5)
    try:
        stack.order(bob, "60.00")
        assert stack.me(bob)["points"] == {
            **stack.me(bob)["points"],
            "available": 140,
            "source": "live",
        }
        assert stack.open_admin("/customers").status_code == 200
        refused = redeem(stack, bob)
        assert refused.status_code == 503
        assert "safe" in refused.json()["error"]["message"]
        time.sleep(3)
        assert beside.letters() == letters, "no event is to blame"
    finally:
        beside.execute("SET default_transaction_read_only = off")
        beside.execute("ALTER SYSTEM RESET default_transaction_read_only")
        beside.execute("SELECT pg_reload_conf()")
    stack.wait_for_points(bob, 200, 30)
    wait_for("Bob can spend", lambda: redeem(stack, bob).status_code in {200, 202}, 10)
    stack.verify()


def test_with_all_sessions_ended_everything_is_back_within_seconds(
    whole_stack: Stack, beside: Beside
) -> None:
    stack, letters = whole_stack, beside.letters()
    bob = bob_with(stack, 100)
    for round_ in range(1, 4):
        stack.order(bob, "10.00")
        ended = beside.fetchval(
            f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {OF_THE_APP}"
        )
        assert ended > 0
        stack.order(bob, "10.00")
        stack.wait_for_points(bob, 100 + 20 * round_, 10)  # 2 s on a machine at rest
        wait_for("it is live", lambda: stack.me(bob)["points"]["source"] == "live", 5)
    page = stack.open_admin("/")
    assert "cannot be shown" not in page.text
    assert redeem(stack, bob, key=str(uuid.uuid4())).status_code in {200, 202}
    assert beside.letters() == letters
    stack.verify()


def test_with_the_connections_of_web_to_postgres_silent_new_ones_take_over(
    whole_stack: Stack,
) -> None:
    stack = whole_stack
    silence = stack.between("web", "postgres")
    bob = bob_with(stack, 240)
    assert "as of" not in stack.open_admin("/").text
    silence.silence_old()
    page = stack.open_admin("/")
    assert page.status_code == 200
    assert page.elapsed.total_seconds() < 5
    wait_for("pages are live", lambda: "as of" not in stack.open_admin("/").text, 15)
    wait_for("Bob can spend", lambda: redeem(stack, bob).status_code in {200, 202}, 15)
    stack.verify()


@pytest.mark.parametrize("process", ["ingest", "points"])
def test_a_black_hole_before_postgres_holds_work_up_and_loses_none(
    whole_stack: Stack, process: str
) -> None:
    stack = whole_stack
    silence = stack.between(process, "postgres")
    bob = bob_with(stack, 10)
    silence.be_black_hole()
    for _ in range(5):
        stack.order(bob, "10.00")
    time.sleep(8)  # past the limit of a command: whatever was under way has been given up
    assert stack.me(bob)["points"]["available"] == 10
    silence.pass_on()
    stack.wait_for_points(bob, 60, 20)
    stack.verify()
