"""Processes that stand still in the middle of a transaction, and networks that swallow everything:
others go on, and everything is back by itself.
"""

import json
import time

import psutil
import pytest

from tests.faults.beside import Beside
from tests.faults.shoppers import bob_with
from tests.proofs.story import order
from tests.stack import SECRET, SHOP, Stack
from tests.waiting import wait_for
from tests.webhook import signed_headers

pytestmark = pytest.mark.long
OTHER = "dora.myshopify.com"
# Postgres ends a transaction that is silent for 8 s: a longer pause shows nothing else
PAUSE_SECONDS = 60.0
OTHERS_WITHIN_SECONDS = 15.0
BACK_WITHIN_SECONDS = 20.0
SHOWN_WITHIN_SECONDS = 15.0
HOLE_SECONDS = 16.0  # at most, and as long as it takes until health says so
SEEN_WITHIN_SECONDS = 6.0  # five, and one for the slowness of this machine
WAITING_FOR_A_LOCK = """
SELECT client_port FROM pg_stat_activity
 WHERE wait_event_type = 'Lock' AND application_name LIKE 'holdfast%' LIMIT 1
"""


def status(stack: Stack, process: str) -> str:
    found = stack.health().get("services", {}).get(process, {})
    return str(found.get("status", "unknown"))


def owner_of(stack: Stack, port: int, names: tuple[str, ...]) -> str:
    """Which of these processes holds the connection with this local port."""
    for name in names:
        connections = psutil.Process(stack.running[name].pid).net_connections()
        if any(one.laddr and one.laddr.port == port for one in connections):
            return name
    raise AssertionError(f"nobody of {names} has port {port}")


def in_the_middle(stack: Stack, beside: Beside, names: tuple[str, ...]) -> str:
    """Which of these processes has written in a transaction, and waits in it for our lock."""
    ports: list[int] = []

    def waits() -> bool:
        beside.execute("SELECT pg_stat_clear_snapshot()")  # a transaction sees but one otherwise
        ports[:] = [beside.fetchval(WAITING_FOR_A_LOCK) or 0]
        return ports[0] > 0

    wait_for("a transaction waits for the lock", waits, 15)
    return owner_of(stack, ports[0], names)


def send(stack: Stack, shop: str, order_id: int, customer_id: str, webhook_id: str) -> None:
    """A paid order of 10 points, as Shopify sends it; taken."""
    body = json.dumps(order(order_id, customer_id, 10, 1)).encode()
    headers = signed_headers(body, "orders/paid", shop, SECRET, webhook_id)
    answer = stack.http.post(f"{stack.app_url}/webhooks", content=body, headers=headers)
    assert answer.status_code == 200, answer.text


def test_a_points_process_paused_in_its_transaction_holds_others_up_for_seconds_and_loses_nothing(
    whole_stack: Stack, beside: Beside
) -> None:
    stack, letters = whole_stack, beside.letters()
    stack.install(OTHER)
    bob = bob_with(stack, 100)
    dora = stack.customer("Dora", OTHER)
    stack.start("points2")
    order_id = time.time_ns() // 1000
    # a lock that needs no transaction of ours: that would hold the log back
    lock = f"hashtextextended('{SHOP}/{order_id}', 0)"
    try:
        beside.execute(f"SELECT pg_advisory_lock({lock})")
        send(stack, SHOP, order_id, bob, f"paused-{order_id}")
        paused = in_the_middle(stack, beside, ("points", "points2"))
        stack.pause(paused)
        began = time.monotonic()
        beside.execute(f"SELECT pg_advisory_unlock({lock})")
        stack.order(dora, "30.00", OTHER)
        stack.wait_for_points(dora, 30, OTHERS_WITHIN_SECONDS, OTHER)
        others = time.monotonic() - began
        stack.wait_for_points(bob, 110, OTHERS_WITHIN_SECONDS)
        same_shop = time.monotonic() - began
        time.sleep(max(0.0, PAUSE_SECONDS - (time.monotonic() - began)))
        stack.resume(paused)
        stack.order(bob, "10.00")
        stack.wait_for_points(bob, 120, BACK_WITHIN_SECONDS)
        time.sleep(2)
        assert stack.running[paused].poll() is None, "nobody ended it for its pause"
        assert stack.me(bob)["points"]["available"] == 120
        print(f"\n{paused} paused: others after {others:.1f} s, its own batch {same_shop:.1f} s")
    finally:
        stack.resume("points")
        stack.resume("points2")
        stack.stop("points2")
    assert beside.letters() == letters
    stack.verify()


def test_an_ingest_process_paused_in_its_transaction_holds_others_up_for_seconds_and_loses_nothing(
    whole_stack: Stack, beside: Beside
) -> None:
    stack, letters = whole_stack, beside.letters()
    stack.install(OTHER)
    bob, dora = bob_with(stack, 100), stack.customer("Dora", OTHER)
    stack.start("ingest2")
    name = f"paused-{time.time_ns()}"
    try:
        beside.execute("BEGIN")
        # what the batch writes first is let through, this receipt of it is ours until the rollback
        beside.execute(
            "INSERT INTO receipts (shop, webhook_id, day, topic, outcome, request_id, received_at,"
            " recorded_at) VALUES ($1, $2, (now() AT TIME ZONE 'UTC')::date, 'orders/paid',"
            " 'facts', '', now(), now())",
            SHOP,
            name,
        )
        send(stack, SHOP, time.time_ns() // 1000, bob, f"a-{name}")
        send(stack, SHOP, time.time_ns() // 1000, bob, name)
        paused = in_the_middle(stack, beside, ("ingest", "ingest2"))
        stack.pause(paused)
        began = time.monotonic()
        beside.execute("ROLLBACK")
        stack.order(dora, "30.00", OTHER)
        stack.wait_for_points(dora, 30, OTHERS_WITHIN_SECONDS, OTHER)
        others = time.monotonic() - began
        stack.wait_for_points(bob, 120, OTHERS_WITHIN_SECONDS)
        same_shop = time.monotonic() - began
        time.sleep(max(0.0, PAUSE_SECONDS - (time.monotonic() - began)))
        stack.resume(paused)
        stack.order(bob, "10.00")
        stack.wait_for_points(bob, 130, BACK_WITHIN_SECONDS)
        time.sleep(2)
        assert stack.running[paused].poll() is None, "nobody ended it for its pause"
        assert stack.me(bob)["points"]["available"] == 130
        print(f"\n{paused} paused: others after {others:.1f} s, its own batch {same_shop:.1f} s")
    finally:
        stack.resume("ingest")
        stack.resume("ingest2")
        stack.stop("ingest2")
    assert beside.letters() == letters
    stack.verify()


def is_seen(stack: Stack, process: str, store: str) -> bool:
    found = stack.health()
    if process == "web":
        return bool(found) and found["checks"][store] != "ok"
    return status(stack, process) in {"late", "down"}


@pytest.mark.parametrize("store", ["postgres", "redis"])
@pytest.mark.parametrize("process", ["web", "ingest", "points", "core", "relay"])
def test_a_black_hole_between_a_process_and_a_store_is_seen_and_over_by_itself(
    whole_stack: Stack, beside: Beside, process: str, store: str
) -> None:
    stack = whole_stack
    hole = stack.between(process, store)
    time.sleep(4)  # a process that has just been started again is not seen at once
    bob = bob_with(stack, 10)
    wait_for("all is well", lambda: stack.health().get("status") == "ok", 30)
    began = time.monotonic()
    hole.be_black_hole()
    seen_seconds = -1.0
    earned, slowest_seconds = 10, 0.0
    while time.monotonic() - began < HOLE_SECONDS + 4:
        if seen_seconds < 0 and is_seen(stack, process, store):
            seen_seconds = time.monotonic() - began
        if earned < 40:
            stack.order(bob, "10.00")
            earned += 10
        answer = stack.proxy("GET", "/storefront/me", bob)
        assert answer.status_code == 200, answer.text
        page = stack.open_admin("/")
        assert page.status_code == 200
        slowest_seconds = max(
            slowest_seconds, answer.elapsed.total_seconds(), page.elapsed.total_seconds()
        )
        time.sleep(0.3)
        if seen_seconds >= 0 and time.monotonic() - began > 10:
            break
    during = stack.me(bob)["points"]
    ended = time.monotonic()
    hole.pass_on()
    balance = "SELECT available FROM members WHERE customer_id = $1"
    wait_for(
        "the orders count", lambda: beside.fetchval(balance, bob) == earned, BACK_WITHIN_SECONDS
    )
    back = time.monotonic() - ended
    wait_for("all is well", lambda: stack.health().get("status") == "ok", BACK_WITHIN_SECONDS)
    well = time.monotonic() - ended
    stack.wait_for_points(bob, earned, SHOWN_WITHIN_SECONDS)
    shown = time.monotonic() - ended
    print(
        f"\n{process} and {store}: seen after {seen_seconds:.1f} s, slowest answer"
        f" {slowest_seconds:.1f} s, balance {during['available']} {during['source']} meanwhile,"
        f" in the ledger {back:.1f} s, healthy {well:.1f} s, shown {shown:.1f} s after it ended"
    )
    assert slowest_seconds < 5
    assert 0 <= seen_seconds < SEEN_WITHIN_SECONDS
    stack.verify()


@pytest.mark.parametrize(
    ("process", "store"),
    [
        ("web", "redis"),
        ("ingest", "postgres"),
        ("ingest", "redis"),
        ("points", "postgres"),
        ("points", "redis"),
    ],
)
def test_with_old_connections_silent_new_ones_take_over(
    whole_stack: Stack, process: str, store: str
) -> None:
    stack = whole_stack
    hole = stack.between(process, store)
    time.sleep(4)
    bob = bob_with(stack, 10)
    hole.silence_old()
    began = time.monotonic()
    stack.order(bob, "10.00")
    stack.wait_for_points(bob, 20, SHOWN_WITHIN_SECONDS)
    took = time.monotonic() - began
    stack.order(bob, "10.00")
    stack.wait_for_points(bob, 30, 10)
    wait_for("all is well", lambda: stack.health().get("status") == "ok", BACK_WITHIN_SECONDS)
    print(f"\n{process} and {store}, old connections silent: an order counts after {took:.1f} s")
    hole.pass_on()
    stack.verify()
