"""A balance that nobody can vouch for: old and marked, never old and live."""

import time

import pytest

from tests.faults.beside import Beside
from tests.faults.shoppers import bob_with
from tests.stack import Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.long
SLOWNESS_SECONDS = 1.0  # of a machine that does other work as well
OLD_AND_LIVE_SECONDS = 5.0 + SLOWNESS_SECONDS
MARKED_SECONDS = 2.0 + SLOWNESS_SECONDS


def lied_for(stack: Stack, bob: str, true_points: int, seconds: float) -> float:
    """Until when, in the next `seconds`, another balance than the true one was called live."""
    began = time.monotonic()
    last = 0.0
    while time.monotonic() - began < seconds:
        points = stack.me(bob)["points"]
        if points["source"] == "live" and points["available"] != true_points:
            last = time.monotonic() - began
        time.sleep(0.1)
    return last


def test_with_points_alone_cut_off_from_redis_an_old_balance_is_not_live_for_long(
    whole_stack: Stack, beside: Beside
) -> None:
    stack = whole_stack
    hole = stack.between("points", "redis")
    time.sleep(4)
    bob = bob_with(stack, 10)
    wait_for("all is well", lambda: stack.health().get("status") == "ok", 30)
    hole.be_black_hole()
    stack.order(bob, "10.00")
    posted = "SELECT available FROM members WHERE customer_id = $1"
    wait_for("the ledger has it", lambda: beside.fetchval(posted, bob) == 20, 10)
    during = lied_for(stack, bob, 20, 9)
    assert stack.me(bob)["points"]["source"] == "cached"
    hole.pass_on()
    after = lied_for(stack, bob, 20, 5)
    points = stack.wait_for_points(bob, 20, 5)["points"]
    print(f"\nold and live for {during:.1f} s, and for {after:.1f} s after it ended: {points}")
    assert during < OLD_AND_LIVE_SECONDS
    assert after == 0
    wait_for("it is live", lambda: stack.me(bob)["points"]["source"] == "live", 10)


@pytest.mark.parametrize("way", ["stopped", "silent"])
def test_with_postgres_away_a_balance_is_marked_within_two_seconds(
    whole_stack: Stack, way: str
) -> None:
    stack = whole_stack
    hole = stack.between("web", "postgres") if way == "silent" else None
    bob = bob_with(stack, 10)
    wait_for("it is live", lambda: stack.me(bob)["points"]["source"] == "live", 10)
    if hole:
        hole.be_black_hole()
    else:
        stack.stop("postgres")
    began = time.monotonic()
    wait_for("it is marked", lambda: stack.me(bob)["points"]["source"] == "cached", 40)
    took = time.monotonic() - began
    print(f"\npostgres {way}: marked after {took:.1f} s")
    assert took < MARKED_SECONDS
    assert stack.me(bob)["points"]["available"] == 10
    if hole:
        hole.pass_on()
    else:
        stack.start("postgres")
    wait_for("it is live again", lambda: stack.me(bob)["points"]["source"] == "live", 30)
