"""The long proof: kill -9 at random moments during 5,000 webhooks, and every acknowledged one has one effect."""

import asyncio
import json
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests.stack import SECRET, Stack, wait_for
from tests.webhook import signed_headers

WEBHOOKS = int(os.environ.get("CHAOS_WEBHOOKS", "5000"))
SEED = int(os.environ.get("CHAOS_SEED", str(int(time.time()))))
SHOPS = [f"chaos-{number}.myshopify.com" for number in range(20)]
VICTIMS = ("ingest", "relay", "points", "redis")


@pytest.fixture
def chaotic_stack() -> Iterator[Stack]:
    with tempfile.TemporaryDirectory(prefix="holdfast-chaos-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        stack = Stack(Path(name), LANE_RATE_PER_SECOND="10000", LANE_BURST="10000")
        try:
            stack.start_everything()
            for shop in SHOPS:
                stack.install(shop)
            yield stack
        finally:
            stack.stop_everything()


def order(order_id: int, customer_id: int, amount: int, quantity: int) -> dict[str, object]:
    line = {"id": order_id * 10, "price": f"{amount}.00", "quantity": quantity, "gift_card": False}
    return {
        "id": order_id,
        "name": f"#{order_id}",
        "currency": "USD",
        "financial_status": "paid",
        "test": False,
        "processed_at": "2026-11-20T10:00:00Z",
        "updated_at": "2026-11-20T10:00:00Z",
        "customer": {"id": customer_id, "first_name": "Bob", "last_name": "B", "email": "bob@example.com"},
        "line_items": [{**line, "discount_allocations": []}],
    }


def refund(refund_id: int, order_id: int, quantity: int) -> dict[str, object]:
    line = {"id": refund_id * 10, "line_item_id": order_id * 10, "quantity": quantity, "subtotal": 1.5}
    return {"id": refund_id, "order_id": order_id, "refund_line_items": [line], "order_adjustments": []}


def history(choose: random.Random) -> tuple[list[tuple[str, str, bytes, str]], Counter[tuple[str, str]]]:
    """Orders and refunds, shuffled, a tenth of them twice; and the balance each member must end with."""
    sent: list[tuple[str, str, bytes, str]] = []
    expected: Counter[tuple[str, str]] = Counter()
    for number in range(int(WEBHOOKS * 0.75)):
        shop = choose.choice(SHOPS)
        customer = SHOPS.index(shop) * 1000 + choose.randrange(25) + 1
        amount, quantity, order_id = choose.randrange(1, 90), choose.randrange(1, 5), 10_000 + number
        sent.append(
            (shop, "orders/paid", json.dumps(order(order_id, customer, amount, quantity)).encode(), f"o{order_id}")
        )
        expected[shop, str(customer)] += amount * quantity
        if choose.random() < 1 / 3:
            back = choose.randrange(1, quantity + 1)
            body = json.dumps(refund(500_000 + number, order_id, back)).encode()
            sent.append((shop, "refunds/create", body, f"r{order_id}"))
            expected[shop, str(customer)] -= amount * back
    sent += choose.sample(sent, len(sent) // 10)
    choose.shuffle(sent)
    return sent, expected


async def deliver(stack: Stack, webhooks: list[tuple[str, str, bytes, str]]) -> None:
    """Send all, as Shopify does: again until it is acknowledged, always with the same id."""
    waiting = list(reversed(webhooks))
    async with httpx.AsyncClient(timeout=6) as client:

        async def sender() -> None:
            while waiting:
                shop, topic, body, webhook_id = waiting.pop()
                headers = signed_headers(body, topic, shop, SECRET, webhook_id)
                for _ in range(60):
                    try:
                        answer = await client.post(f"{stack.app_url}/webhooks", content=body, headers=headers)
                    except httpx.HTTPError:
                        await asyncio.sleep(0.2)
                        continue
                    if answer.status_code == 200:
                        break
                    await asyncio.sleep(0.2)
                else:
                    raise AssertionError(f"{webhook_id} was never acknowledged")
                await asyncio.sleep(0.02)  # some 400/s, so that the kills fall into the middle of the work

        await asyncio.gather(*[sender() for _ in range(16)])


async def balances(stack: Stack) -> dict[tuple[str, str], int]:
    connection = await asyncpg.connect(stack.environment["DATABASE_URL"])
    rows = await connection.fetch("SELECT shop, customer_id, available FROM members WHERE shop LIKE 'chaos-%'")
    await connection.close()
    return {(row["shop"], row["customer_id"]): row["available"] for row in rows}


async def test_killed_at_random_moments_nothing_is_lost_and_nothing_doubled(chaotic_stack: Stack) -> None:
    stack, choose = chaotic_stack, random.Random(SEED)
    webhooks, expected = history(choose)
    kills: Counter[str] = Counter()
    sending = asyncio.create_task(deliver(stack, webhooks))
    while not sending.done():
        await asyncio.sleep(choose.uniform(0.3, 1.2))
        victim = choose.choice(VICTIMS)
        await asyncio.to_thread(stack.kill, victim)
        kills[victim] += 1
        await asyncio.sleep(choose.uniform(0, 0.5))
        await asyncio.to_thread(stack.start, victim)
    await sending
    for name in VICTIMS:
        await asyncio.to_thread(stack.start, name)
    print(f"seed {SEED}: {len(webhooks)} deliveries, killed {dict(kills)}")
    found: dict[tuple[str, str], int] = {}
    deadline = time.monotonic() + 120
    while found != dict(expected):
        assert time.monotonic() < deadline, {
            key: (found.get(key), points) for key, points in expected.items() if found.get(key) != points
        }
        await asyncio.sleep(0.5)
        found = await balances(stack)
    assert sum(kills.values()) >= 5, "too few kills for this proof to mean anything"
    print(stack.verify())
    wait_for("the app is healthy again", lambda: stack.health().get("status") == "ok", 30)
