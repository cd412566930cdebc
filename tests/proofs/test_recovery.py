"""How long a kill -9 lasts: until everything acknowledged before it has its effect."""

import asyncio
import itertools
import json
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from app.shopify.client import Client
from tests.faults.redises import append_only
from tests.living import living
from tests.proofs.story import order
from tests.stack import SECRET, Stack
from tests.waiting import wait_for
from tests.webhook import signed_headers

SEED = int(os.environ.get("CHAOS_SEED", str(int(time.time()))))
SHOP = "alice.myshopify.com"
ROUNDS = 2
RECOVERED_SECONDS_MAX = 10.0
PARTS = ("web", "ingest", "relay", "points", "redis", "postgres")
HALF_A_TRANSACTION = b"*1\r\n$5\r\nMULTI\r\n*3\r\n$5\r\nRPUSH\r\n$24\r\nlane:alice.myshop"


@pytest.fixture(scope="module")
def running_stack() -> Iterator[Stack]:
    with living(LANE_RATE_PER_SECOND="10000", LANE_BURST="10000") as stack:
        yield stack


@asynccontextmanager
async def orders_coming_in(stack: Stack) -> AsyncIterator[Callable[[], set[str]]]:
    """Some 100 paid orders a second; gives a function telling the acknowledged."""
    acknowledged: set[str] = set()

    async def sender(client: httpx.AsyncClient) -> None:
        while True:
            order_id = next(_order_ids)
            body = json.dumps(order(order_id, str(order_id % 40 + 1), 10, 1)).encode()
            headers = signed_headers(body, "orders/paid", SHOP, SECRET, f"o{order_id}")
            try:
                answer = await client.post(
                    f"{stack.app_url}/webhooks", content=body, headers=headers
                )
                if answer.status_code == 200:
                    acknowledged.add(str(order_id))
            except httpx.HTTPError:
                pass  # not acknowledged
            await asyncio.sleep(0.1)

    async with Client(timeout=6) as client:
        senders = [asyncio.create_task(sender(client)) for _ in range(12)]
        try:
            yield lambda: set(acknowledged)
        finally:
            for one in senders:
                one.cancel()
            await asyncio.gather(*senders, return_exceptions=True)


_order_ids = itertools.count(100_000)


async def have_effects(stack: Stack, orders: set[str]) -> bool:
    try:
        connection: Any = await asyncpg.connect(stack.environment["DATABASE_URL"], timeout=2)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return False
    try:
        found = await connection.fetchval(
            "SELECT count(*) FROM grants WHERE substr(source, 7) = ANY($1)", list(orders)
        )
    finally:
        await connection.close()
    return bool(found == len(orders))


async def recovered(stack: Stack, acknowledged: Callable[[], set[str]]) -> float:
    """Seconds until all that was acknowledged up to now, and one order more, have their effects."""
    began = time.monotonic()
    before = acknowledged()
    while len(acknowledged()) == len(before):
        assert time.monotonic() - began < 2 * RECOVERED_SECONDS_MAX, "no webhook is taken any more"
        await asyncio.sleep(0.02)
    before = acknowledged()
    while not await have_effects(stack, before):
        assert time.monotonic() - began < 4 * RECOVERED_SECONDS_MAX, "effects are missing"
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def test_a_killed_part_that_is_started_again_is_over_it_within_seconds(
    running_stack: Stack,
) -> None:
    stack, choose = running_stack, random.Random(SEED)
    seconds: dict[str, list[float]] = {}
    async with orders_coming_in(stack) as acknowledged:
        for part in PARTS * ROUNDS:
            await asyncio.sleep(choose.uniform(0.5, 1.0))
            await asyncio.to_thread(stack.kill, part)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(stack.start, part)
            seconds.setdefault(part, []).append(await recovered(stack, acknowledged))
    print(
        f"\nseed {SEED}: seconds from restart to every effect:",
        {part: [round(one, 1) for one in found] for part, found in seconds.items()},
    )
    assert max(itertools.chain(*seconds.values())) < RECOVERED_SECONDS_MAX
    print(stack.verify())


async def test_workers_that_start_before_their_stores_do_go_on_when_these_come(
    running_stack: Stack,
) -> None:
    """All but web is killed; Redis has a torn tail, Postgres starts into its recovery."""
    stack = running_stack
    async with orders_coming_in(stack) as acknowledged:
        await asyncio.sleep(1)
        await asyncio.to_thread(stack.kill, *PARTS[1:])
        await asyncio.to_thread(stack.start, "ingest", "relay", "points")
        await asyncio.sleep(3)
        with append_only(stack.directory / "redis").open("ab") as log:
            log.write(HALF_A_TRANSACTION)
        await asyncio.to_thread(stack.start, "redis", "postgres")
        seconds = await recovered(stack, acknowledged)
    print(f"\neverything at once: {seconds:.1f} s")
    assert all(process.poll() is None for process in stack.running.values())
    assert seconds < RECOVERED_SECONDS_MAX
    wait_for("the app is healthy again", lambda: stack.health().get("status") == "ok", 30)
    print(stack.verify())
