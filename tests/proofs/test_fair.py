"""A shop with 5,000 waiting webhooks delays nobody: others go at their own bucket's pace, and it
borrows only what they leave.
"""

import asyncio
import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from app.shopify.client import Client
from tests.living import living
from tests.proofs.story import order
from tests.stack import SECRET, Stack
from tests.webhook import signed_headers

BACKLOG = int(os.environ.get("FAIR_BACKLOG", "5000"))
LOUD = "loud.myshopify.com"
QUIET = [f"quiet-{number}.myshopify.com" for number in range(20)]
RATE, BURST = 5.0, 50  # the defaults
EACH = 60  # of every quiet shop, at once: its burst, and ten more at its pace
SLACK_SECONDS = 2.0  # two cores do 1,200 webhooks meanwhile, with a cold start
AT_ONCE = 32
AWARDED = """
SELECT shop, substr(source, 7) AS order_id, extract(epoch FROM created_at)::float8 AS at
  FROM grants
 WHERE shop = ANY($1)
"""


@pytest.fixture
def paced_stack() -> Iterator[Stack]:
    with living((LOUD, *QUIET)) as stack:
        yield stack


async def send(stack: Stack, orders: list[tuple[str, int]]) -> dict[int, float]:
    """Deliver paid orders (shop, order id); when each was acknowledged (Unix seconds)."""
    waiting, acknowledged = list(reversed(orders)), dict[int, float]()
    async with Client(timeout=6) as client:

        async def sender() -> None:
            while waiting:
                shop, order_id = waiting.pop()
                body = json.dumps(order(order_id, str(order_id % 5 + 1), 10, 1)).encode()
                headers = signed_headers(body, "orders/paid", shop, SECRET, f"o{order_id}")
                answer = await client.post(
                    f"{stack.app_url}/webhooks", content=body, headers=headers
                )
                assert answer.status_code == 200, answer.text
                acknowledged[order_id] = time.time()

        await asyncio.gather(*[sender() for _ in range(AT_ONCE)])
    return acknowledged


async def effects(stack: Stack, shops: list[str]) -> dict[str, dict[int, float]]:
    """When each order of these shops was in the ledger (Unix seconds)."""
    connection: Any = await asyncpg.connect(stack.environment["DATABASE_URL"])
    try:
        rows = await connection.fetch(AWARDED, shops)
    finally:
        await connection.close()
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for row in rows:
        found[row["shop"]][int(row["order_id"])] = row["at"]
    return found


async def test_a_shop_with_thousands_waiting_delays_nobody_beyond_the_pace_of_their_own_bucket(
    paced_stack: Stack,
) -> None:
    stack, began = paced_stack, time.time()
    await send(stack, [(LOUD, 100_000 + number) for number in range(BACKLOG)])
    quiet = [
        (shop, 10_000 * place + number)
        for number in range(EACH)
        for place, shop in enumerate(QUIET, 20)
    ]
    acknowledged = await send(stack, quiet)
    deadline = time.time() + (EACH - BURST) / RATE + 20
    done: dict[str, dict[int, float]] = {}
    while sum(map(len, done.values())) < len(quiet):
        assert time.time() < deadline, {shop: len(found) for shop, found in done.items()}
        await asyncio.sleep(0.5)
        done = await effects(stack, QUIET)
    late = []
    for shop, found in done.items():
        first = min(acknowledged[order_id] for order_id in found)
        for place, (order_id, at) in enumerate(sorted(found.items(), key=lambda one: one[1]), 1):
            allowed_at = max(acknowledged[order_id], first + max(0, place - BURST) / RATE)
            late.append((at - allowed_at, shop, place))
    seconds = sorted(one[0] for one in late)
    drained = len((await effects(stack, [LOUD]))[LOUD])
    pace = BURST + RATE * (time.time() - began)  # without borrowing
    print(
        f"\n{BACKLOG} wait in one lane; {len(quiet)} of {len(QUIET)} others "
        "behind their own pace by (s):"
        f" median {seconds[len(seconds) // 2]:.2f}, p99 {seconds[int(len(seconds) * 0.99)]:.2f},"
        f" most {seconds[-1]:.2f}; the loud shop got {drained}, of its own pace {pace:.0f}"
    )
    assert max(late)[0] < SLACK_SECONDS, max(late)
    assert drained >= BURST
    assert "drift 0" in stack.verify()
