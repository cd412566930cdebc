"""A shop of the running stack by its public doors: what is done in it at the stand-in store, in
which order its webhooks arrive, and what shopper and merchant then see.
"""

import asyncio
import html
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg
import httpx

from tests.stack import Stack

SECONDS = 90.0  # for what takes a moment, on a machine that does other things, too
OPENINGS = 2  # at once: so many web has seats for; who finds none comes again after half a minute
# the order in which webhooks are sent that were told together, by their numbers
Way = Callable[[range], Sequence[int]]
LETTERS = "SELECT state, topic, reason FROM dead_letters WHERE shop = $1 AND state <> 'done'"
RECEIPTS = "SELECT outcome FROM receipts WHERE shop = $1 AND topic = $2"
PROGRAM = "SELECT max(version) FROM program_versions WHERE shop = $1"
LONG_AGO = """
UPDATE program_versions SET created_at = created_at - interval '60 days' WHERE shop = $1
"""
MOVEMENTS = re.compile(r'<ol class="movements">(.*?)</ol>', re.DOTALL)
SENTENCES = re.compile(r'<p dir="auto">(.*?)</p>', re.DOTALL)


async def until(what: Callable[[], Awaitable[object]], said: Callable[[], object] = str) -> Any:
    """What it answers once that is true; `said` tells what there was instead."""
    deadline, pause_seconds = time.monotonic() + SECONDS, 0.05
    while not (found := await what()):
        assert time.monotonic() < deadline, f"not within {SECONDS:.0f} s: {said()}"
        await asyncio.sleep(pause_seconds)
        pause_seconds = min(0.5, pause_seconds * 1.5)
    return found


class Door:
    """The stand-in store holds its webhooks back; `arrive` has them sent one by one."""

    def __init__(
        self,
        stack: Stack,
        http: httpx.AsyncClient,
        database: asyncpg.Pool,
        openings: asyncio.Semaphore,
        shop: str,
        way: Way = list,
    ) -> None:
        self.stack, self.http, self.database, self.openings = stack, http, database, openings
        self.shop, self.way = shop, way
        self.never: frozenset[str] = frozenset()  # topics that never arrive
        self.told: list[dict[str, Any]] = []  # the deliveries so far, but Charlie's
        self.spans: list[range] = []  # of those, what arrived together
        self.seen: set[str] = set()
        self.charlie, self.charlies = "", 0

    async def control(self, method: str, path: str, body: object = None) -> Any:
        address = f"{self.stack.store_url}/control/{path}"
        answer = await self.http.request(method, address, json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    # what Alice does

    async def _admin(self, method: str, path: str, **fields: str) -> httpx.Response:
        found = await self.control("GET", f"shops/{self.shop}/id-token")
        asked = {"shop": self.shop, "embedded": "1", "locale": "en"}
        if method == "GET":
            asked["id_token"] = found["id_token"]
        answer = await self.http.request(
            method,
            f"{self.stack.app_url}{path}",
            params=asked,
            data=fields or None,
            headers={"Authorization": f"Bearer {found['id_token']}"},
        )
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer

    async def open(self) -> None:
        """Alice opens the app, which installs it with its first rules; again where Shopify was not
        asked in time for what these need, on a busy machine.
        """

        async def installed() -> bool:
            async with self.openings:
                await self._admin("GET", "/")
            return await self.database.fetchval(PROGRAM, self.shop) is not None

        await until(installed, lambda: f"{self.shop} has no rules")

    async def page(self, path: str) -> str:
        return html.unescape((await self._admin("GET", path)).text)

    async def rules(self, **changed: str) -> None:
        rules = {"rate": "1", "rounding": "down", "pending_days": "0", "expiry_days": ""}
        changed = {**rules, "clawback": "within_balance", **changed}
        await self._admin("POST", "/program/edit", **changed)

    async def rules_of_long_ago(self, **changed: str) -> None:
        """Rules that the shop has had for two months, orders of which may be told."""
        await self.rules(**changed)
        await self.database.execute(LONG_AGO, self.shop)

    async def ledger(self, customer: str) -> list[str]:
        """The sentences of the merchant's page about a customer, the newest event first; again
        where the page says that it could not be read in time.
        """

        async def read() -> list[str]:
            page = (await self._admin("GET", f"/customers/{customer}")).text
            found = [one for part in MOVEMENTS.findall(page) for one in SENTENCES.findall(part)]
            return [" ".join(html.unescape(one).split()) for one in found]

        said: list[str] = await until(read, lambda: f"{self.shop}: no ledger")
        return said

    # what is sold

    async def customer(self, first_name: str = "Bob", **more: str) -> str:
        body = {"first_name": first_name, "last_name": "Buyer", "email": "bob@example.com", **more}
        made = await self.control("POST", f"shops/{self.shop}/customers", body)
        return str(made["id"])

    async def order(
        self, customer: str | None, *lines: dict[str, Any], **fields: Any
    ) -> dict[str, Any]:
        """Plain arithmetic: no shipping, no tax unless it is asked for."""
        body = {"customer_id": customer, "lines": lines, "tax_percent": 0, "shipping": "0"}
        made: dict[str, Any] = await self.control(
            "POST", f"shops/{self.shop}/orders", {**body, **fields}
        )
        return made

    async def act(self, order: dict[str, Any], what: str, **body: Any) -> Any:
        path = f"shops/{self.shop}/orders/{order['id']}"
        if what == "delete":
            return await self.control("DELETE", path)
        return await self.control("POST", f"{path}/{what}", body)

    # what arrives, and what is seen

    async def deliver(self) -> None:
        """Send what was told since the last time, in the order of the way."""
        fresh = await self._fresh()
        self.spans.append(range(len(self.told), len(self.told) + len(fresh)))
        self.told += fresh
        await self.send(self.way(self.spans[-1]))

    async def send(self, numbers: Sequence[int]) -> None:
        for one in (self.told[number] for number in numbers):
            if one["topic"] not in self.never:
                await self._send(one)

    async def arrive(self) -> None:
        """The same; return once all of it is handled."""
        await self.deliver()
        await self.handled()

    async def handled(self) -> None:
        """What Charlie bought after all of them counts, and no webhook of the shop is a letter:
        those of a shop are handled in the order in which they came.
        """
        self.charlie = self.charlie or await self.customer("Charlie")
        await self.order(self.charlie, {"price": "10"})
        await self._send(next(one for one in await self._fresh() if one["topic"] == "orders/paid"))
        before, letters = self.charlies, []

        async def counts() -> bool:
            points = (await self.me(self.charlie))["points"]
            self.charlies = points["available"] + points["pending"]
            return bool(self.charlies > before)

        async def no_letter() -> bool:
            letters[:] = await self.database.fetch(LETTERS, self.shop)
            return not letters

        await until(counts, lambda: f"{self.shop}: Charlie has {self.charlies}")
        await until(no_letter, lambda: f"{self.shop}: {letters}")

    async def _fresh(self) -> list[dict[str, Any]]:
        """The deliveries of the shop nobody has looked at yet, oldest first."""
        found = await self.control("GET", f"deliveries?shop={self.shop}")
        fresh = [one for one in reversed(found) if one["id"] not in self.seen]
        self.seen |= {one["id"] for one in fresh}
        return fresh

    async def _send(self, one: dict[str, Any]) -> None:
        async def taken() -> bool:
            sent = await self.control("POST", f"deliveries/{one['id']}/send")
            return sent["status"] == 200  # without an answer Shopify sends it again

        await until(taken, lambda: one["topic"])

    async def proxy(self, method: str, path: str, customer: str, **options: Any) -> httpx.Response:
        asked = {"path": path, "customer_id": customer}
        found = await self.control("POST", f"shops/{self.shop}/proxy-url", asked)
        return await self.http.request(method, found["url"], **options)

    async def me(self, customer: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.proxy("GET", "/storefront/me", customer)).json()
        return found

    async def has(self, customer: str, **figures: int) -> dict[str, Any]:
        """What the shopper is told, once it has these figures."""
        found: dict[str, Any] = {}

        async def reached() -> bool:
            found.clear()
            found.update(await self.me(customer))
            points = found.get("points", {})
            return all(points.get(name) == value for name, value in figures.items())

        await until(reached, lambda: f"{self.shop}: {figures}, not {found.get('points')}")
        return found

    async def outcomes(self, topic: str) -> list[str]:
        """What became of the webhooks of a topic."""
        rows = await self.database.fetch(RECEIPTS, self.shop, topic)
        return [row["outcome"] for row in rows]
