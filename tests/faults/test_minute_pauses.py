"""Core and web stand still for a minute in the middle of a transaction: what they held is free
again after seconds, and what they were about is done once.
"""

import json
import threading
import time
import uuid

import httpx
import pytest

from tests.faults.beside import Beside
from tests.faults.shoppers import bob_with, redeem
from tests.faults.test_pauses import (
    BACK_WITHIN_SECONDS,
    OTHER,
    OTHERS_WITHIN_SECONDS,
    PAUSE_SECONDS,
    in_the_middle,
)
from tests.proofs.story import order
from tests.stack import SECRET, SHOP, Stack
from tests.waiting import seconds_until, wait_for
from tests.webhook import signed_headers

pytestmark = pytest.mark.long


def locked(beside: Beside, table: str) -> None:
    """A lock of ours on a table, of a kind that writes nothing: that would hold the log back."""
    beside.execute("BEGIN")
    beside.execute(f"LOCK TABLE {table} IN SHARE MODE")


def test_a_core_process_paused_in_its_transaction_holds_others_up_for_seconds_and_loses_nothing(
    whole_stack: Stack, beside: Beside
) -> None:
    stack, letters = whole_stack, beside.letters()
    stack.install(OTHER)
    dora = stack.customer("Dora", OTHER)
    known = "SELECT count(*) FROM customers WHERE customer_id = $1"
    stack.start("core2")
    try:
        wait_for("all is well", lambda: stack.health().get("status") == "ok", 30)
        for standing in ("core", "core2"):  # a statement that is known waits when it runs
            stack.pause(standing)
            eve = bob_with(stack, 10)
            wait_for("the other takes it", lambda: beside.fetchval(known, eve) == 1, 15)  # noqa: B023
            stack.resume(standing)
        locked(beside, "customers")
        bob = bob_with(stack, 10)
        paused = in_the_middle(stack, beside, ("core", "core2"))
        stack.pause(paused)
        began = time.monotonic()
        beside.execute("ROLLBACK")
        stack.order(dora, "30.00", OTHER)
        stack.wait_for_points(dora, 30, OTHERS_WITHIN_SECONDS, OTHER)
        others = time.monotonic() - began
        wait_for("core knows Bob", lambda: beside.fetchval(known, bob) == 1, OTHERS_WITHIN_SECONDS)
        own = time.monotonic() - began
        time.sleep(max(0.0, PAUSE_SECONDS - (time.monotonic() - began)))
        stack.resume(paused)
        charlie = bob_with(stack, 20)
        wait_for(
            "core knows Charlie", lambda: beside.fetchval(known, charlie) == 1, BACK_WITHIN_SECONDS
        )
        time.sleep(2)
        assert stack.running[paused].poll() is None, "nobody ended it for its pause"
        print(f"\n{paused} paused: others after {others:.1f} s, its own batch {own:.1f} s")
    finally:
        stack.resume("core")
        stack.resume("core2")
        stack.stop("core2")
    assert beside.letters() == letters
    stack.verify()


def test_a_web_process_paused_in_a_redemption_frees_the_shopper_after_seconds_and_pays_once(
    whole_stack: Stack, beside: Beside
) -> None:
    stack = whole_stack
    bob = bob_with(stack, 100)
    key = str(uuid.uuid4())
    available = "SELECT available FROM members WHERE customer_id = $1"
    stack.start("web2")
    asking = threading.Thread(target=hopeful_redeem, args=(stack, bob, key))
    try:
        locked(beside, "redemptions")
        asking.start()
        assert in_the_middle(stack, beside, ("web", "web2")) == "web"
        stack.pause("web")
        beside.execute("ROLLBACK")
        body = json.dumps(order(time.time_ns() // 1000, bob, 10, 1)).encode()
        headers = signed_headers(body, "orders/paid", SHOP, SECRET)
        url = f"http://127.0.0.1:{stack.ports['web2']}/webhooks"
        assert stack.http.post(url, content=body, headers=headers).status_code == 200
        earned = seconds_until(
            "the same shopper earns",
            lambda: beside.fetchval(available, bob) == 110,
            OTHERS_WITHIN_SECONDS,
        )
        time.sleep(PAUSE_SECONDS - earned)
        stack.resume("web")
        asking.join(timeout=30)
        wait_for("web answers", lambda: stack.health().get("status") == "ok", BACK_WITHIN_SECONDS)
        answers = [redeem(stack, bob, key=key).status_code for _ in range(3)]
        assert set(answers) <= {200, 202}, answers
        assert beside.fetchval(available, bob) == 10
        assert beside.fetchval("SELECT count(*) FROM redemptions WHERE idempotency_key = $1", key)
        assert stack.running["web"].poll() is None, "nobody ended it for its pause"
        print(f"\nweb paused: the same shopper earns {earned:.1f} s later")
    finally:
        stack.resume("web")
        stack.stop("web2")
    stack.verify()


def hopeful_redeem(stack: Stack, bob: str, key: str) -> None:
    """Asked of a process that will stand still: whatever comes of it, it is asked again later."""
    try:
        redeem(stack, bob, key=key)
    except httpx.TransportError as error:
        print(f"no answer: {error!r}")
