"""How long people wait: webhook to balance, beside one noisy shop, and for the widget."""

import asyncio
import base64
import hashlib
import hmac
import statistics
import time
import urllib.parse
import uuid
from collections.abc import Sequence
from typing import Any

import httpx

from benchmarks import orders, sides
from benchmarks.load import percentile

Row = tuple[str, str, str]


def signed_me(shop: str, customer_id: int) -> str:
    """Path and query of `GET /storefront/me` as the app proxy signs it."""
    fields = {
        "logged_in_customer_id": str(customer_id),
        "path_prefix": "/apps/holdfast",
        "shop": shop,
        "timestamp": str(int(time.time())),
    }
    message = "".join(f"{name}={value}" for name, value in sorted(fields.items()))
    fields["signature"] = hmac.new(
        orders.SECRET.encode(), message.encode(), hashlib.sha256
    ).hexdigest()
    return "/storefront/me?" + urllib.parse.urlencode(fields)


async def send_webhook(client: httpx.AsyncClient, shop: str, body: bytes) -> None:
    digest = base64.b64encode(
        hmac.new(orders.SECRET.encode(), body, hashlib.sha256).digest()
    ).decode()
    answer = await client.post(
        "/webhooks",
        content=body,
        headers={
            "X-Shopify-Topic": "orders/paid",
            "X-Shopify-Hmac-Sha256": digest,
            "X-Shopify-Shop-Domain": shop,
            "X-Shopify-API-Version": "2026-07",
            "X-Shopify-Webhook-Id": str(uuid.uuid4()),
            "X-Shopify-Triggered-At": "2026-11-20T15:00:01Z",
        },
    )
    answer.raise_for_status()


async def time_to_balance(
    client: httpx.AsyncClient, shop: str, order_id: int, customer_id: int
) -> float:
    """Seconds from a new customer's webhook until /storefront/me shows the balance."""
    started = time.perf_counter()
    await send_webhook(client, shop, orders.order_body(order_id, customer_id))
    while time.perf_counter() - started < 30:
        me = (await client.get(signed_me(shop, customer_id))).json()
        if me["points"]["available"] > 0:
            return time.perf_counter() - started
        await asyncio.sleep(0.01)
    raise SystemExit("A balance did not arrive within 30 s.")


async def sample(
    port: int, shops: range, seconds: float, every_seconds: float, first_id: int
) -> list[float]:
    """Follow one webhook every `every_seconds` to its balance, round the shops."""
    found: list[float] = []
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:

        async def follow(number: int) -> None:
            shop = orders.shop_name(shops[number % len(shops)])
            found.append(
                await time_to_balance(
                    client, shop, first_id + number, 10**7 + first_id % 10**6 + number
                )
            )

        async with asyncio.TaskGroup() as tasks:
            for number in range(int(seconds / every_seconds)):
                tasks.create_task(follow(number))
                await asyncio.sleep(every_seconds)
    return found


def background(port: int, rate: float, seconds: float, shops: int, first_id: int) -> Any:
    job = {
        "port": port,
        "count": int(rate * seconds),
        "shops": shops,
        "first_id": first_id,
        "connections": 32,
    }
    return sides.start_load({**job, "rate": rate})


def webhook_to_balance(_count: int, rounds: int) -> list[Row]:
    """p99 to the balance at 200/s over 100 shops (190/s behind, 10/s followed)."""
    seconds = 20.0
    with sides.holdfast("web", "ingest", "relay", "points", "core", shops=100) as stack:
        port, found = stack.ports["web"], []
        for number in range(rounds):
            generator = background(port, 190, seconds + 6, 100, 4 * 10**9 + number * 10**6)
            time.sleep(2)
            first_id = 5 * 10**9 + number * 10**6
            # warms connections and caches, and is not counted
            asyncio.run(sample(port, range(100), 2, 0.1, first_id + 5 * 10**5))
            found += asyncio.run(sample(port, range(100), seconds, 0.1, first_id))
            sides.finish_load(generator)
    p50, p99 = percentile(found, 0.5) * 1000, percentile(found, 0.99) * 1000
    return [
        (
            "Webhook to balance in /storefront/me, 200/s over 100 shops",
            f"p50 {p50:.0f} ms, p99 {p99:.0f} ms",
            f"{len(found)} followed",
        )
    ]


def fairness(_count: int, rounds: int) -> list[Row]:
    """The others' p99 at 1/s a shop, then while one of them sends 100/s."""
    quiet, noisy = [], []
    with sides.holdfast("web", "ingest", "relay", "points", "core", shops=101) as stack:
        port = stack.ports["web"]
        others(port, 6 * 10**9, is_noisy=False)  # warms caches and pools, and is not counted
        for number in range(1, 2 * rounds + 1):  # a p99 of a few milliseconds takes many samples
            quiet += others(port, 6 * 10**9 + number * 10**7, is_noisy=False)
            noisy += others(port, 6 * 10**9 + number * 10**7 + 5 * 10**6, is_noisy=True)
    before, after = percentile(quiet, 0.99) * 1000, percentile(noisy, 0.99) * 1000
    return [
        (
            "One shop at 100 times its share: the others' p99, webhook to balance",
            f"{after:.0f} ms",
            f"{after / before:.2f}x without it ({before:.0f} ms)",
        )
    ]


def others(port: int, first_id: int, *, is_noisy: bool, seconds: float = 20.0) -> list[float]:
    """Seconds to the balance in 100 shops at 1/s each; `is_noisy`: beside one of 100/s."""
    running = [background(port, 90, seconds + 3, 100, first_id)]
    if is_noisy:
        shop, host = orders.shop_name(100), f"127.0.0.1:{port}"
        noise = [
            orders.request_bytes(
                shop, orders.order_body(first_id + 10**6 + number, 1), host
            ).decode()
            for number in range(int(100 * (seconds + 3)))
        ]
        running.append(
            sides.start_load({"port": port, "requests": noise, "connections": 16, "rate": 100})
        )
    time.sleep(2)
    found = asyncio.run(sample(port, range(100), seconds, 0.1, first_id + 2 * 10**6))
    for generator in running:
        sides.finish_load(generator)
    return found


def me_warm(_count: int, rounds: int) -> list[Row]:
    """/storefront/me at 500/s with warm caches."""
    customers = 200
    with sides.holdfast("web", "ingest", "relay", "points", "core", shops=10) as stack:
        port = stack.ports["web"]
        sides.load(
            {"port": port, "count": customers, "shops": 10, "first_id": 7 * 10**9, "connections": 8}
        )
        sides.wait_for_rows(stack.environment["DATABASE_URL"], "ledger", customers)
        members = [
            (orders.shop_name(number % 10), _customer(number)) for number in range(customers)
        ]
        p50, p99 = time_me(port, members, rounds)
    return [
        (
            "/storefront/me, warm, 500/s on loopback",
            f"p50 {p50:.1f} ms, p99 {p99:.1f} ms",
            "median of the rounds",
        )
    ]


def _customer(number: int) -> int:
    return number % 10 * orders.CUSTOMERS_PER_SHOP + number // 10 % 20 + 1


def time_me(port: int, members: Sequence[tuple[str, int]], rounds: int) -> tuple[float, float]:
    """p50 (the least) and p99 (the median of the rounds) in milliseconds of `/storefront/me`, 5,000
    times at 500 a second, members (shop, customer id) in turn; a round before them warms.
    """
    p50s, p99s = [], []
    headers = f"Host: 127.0.0.1:{port}\r\nAccept: application/json\r\n\r\n"
    for _ in range(rounds + 1):
        requests = [
            f"GET {signed_me(*members[number % len(members)])} HTTP/1.1\r\n{headers}"
            for number in range(5_000)
        ]
        result = sides.load({"port": port, "requests": requests, "connections": 32, "rate": 500})
        p50s.append(result["p50_ms"])
        p99s.append(result["p99_ms"])
    return min(p50s[1:]), statistics.median(p99s[1:])
