"""Fifty orders at once under one budget, over two processes of points, one of which is killed."""

import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from tests.faults.beside import Beside
from tests.faults.test_campaigns_away import post
from tests.stack import Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.long
ORDERS, BONUS, BUDGET = 50, 30, 1_000
LIVE = """
SELECT count(*) FROM campaign_copies WHERE campaign_id = $1 AND told LIKE '%"state":"live"%'
"""
GIVEN = """
SELECT count(*), COALESCE(sum(points), 0), count(*) FILTER (WHERE points > 1)
  FROM grants WHERE source = ANY($1::text[])
"""


def rush(stack: Stack) -> str:
    """A campaign that adds points to every order while its budget lasts: its id."""
    fields = {
        "trigger": "order",
        "effect": "add",
        "value": str(BONUS),
        "budget": str(BUDGET),
        "starts_day": f"{datetime.now(UTC).date() - timedelta(days=1)}",
    }
    page = post(stack, "/campaigns", key=uuid.uuid4().hex, name="Rush", **fields)
    found = re.search(r"/campaigns/([0-9a-f-]{36})/state", page)
    assert found
    post(stack, f"/campaigns/{found[1]}/state", state="live")
    return found[1]


def test_fifty_orders_at_once_over_two_processes_share_a_budget_exactly(
    whole_stack: Stack, beside: Beside
) -> None:
    stack = whole_stack
    stack.start("points2")
    campaign_id = rush(stack)
    try:
        wait_for("points knows it", lambda: beside.fetchval(LIVE, campaign_id) == 1, 30)
        customers = [stack.customer(f"Rush{number}") for number in range(ORDERS)]
        with ThreadPoolExecutor(10) as at_once:
            placed = at_once.map(lambda one: stack.order(one, "1.00"), customers)
            orders = [next(placed) for _ in range(ORDERS // 2)]
            stack.kill("points")
            orders += placed
        stack.start("points")
        sources = [f"order:{one['id']}" for one in orders]

        def given() -> tuple[int, int, int]:
            return tuple(beside.run(beside.connection.fetchrow(GIVEN, sources)))

        wait_for("all have their points", lambda: given()[0] == ORDERS, 60, lambda: str(given()))
        assert given() == (ORDERS, ORDERS + BUDGET, 34), "33 of 30, and one of what was left"
        purse = "SELECT points FROM campaign_purses WHERE campaign_id = $1"
        assert beside.fetchval(purse, campaign_id) == BUDGET
        stack.verify()
    finally:
        post(stack, f"/campaigns/{campaign_id}/state", state="ended")
        stack.stop("points2")
