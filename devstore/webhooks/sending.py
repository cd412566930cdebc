"""Sends webhooks as Shopify does: at least once, in no promised order, again after a failure."""

import asyncio
import heapq
import json
import logging
import random
import re
import time
import uuid
from typing import Any

import httpx

from devstore import signing
from devstore.settings import Settings
from devstore.shop import things
from devstore.shop.state import State

CONNECT_SECONDS = 1.0
TOTAL_SECONDS = 5.0
RETRIES = 8
# Doubling from here, the eight waits add up to four hours, as at Shopify.
FIRST_RETRY_SECONDS = 4 * 3600 / (2**RETRIES - 1)
SENDING_AT_ONCE = 16
SHUFFLE_SECONDS = 0.5
TRIES_KEPT = 20
ANSWER_KEPT = 200
HALF = re.compile("[\ud800-\udfff]")
PADDING_BYTES = 1000  # one of the texts a body is padded with

RELEASES = ("first_first", "last_first", "shuffled")
Event = list[tuple[str, dict[str, Any]]]  # topic and body of each webhook of one merchant action

log = logging.getLogger("devstore.webhooks")


class Webhooks:
    """A schedule of deliveries, and the task that works it off.

    `duplicate_ratio`, `shuffle`, `time_scale` and `clock_hours` are the nuisances one can ask for.
    """

    def __init__(self, settings: Settings, state: State, client: httpx.AsyncClient) -> None:
        self.settings, self.state, self.client = settings, state, client
        self.duplicate_ratio = 0.0
        self.shuffle = False
        self.time_scale = 1.0
        self.clock_hours = 0.0
        # topics whose webhooks are lost, sent twice or held back from now on; "*" is every topic
        self.lost: set[str] = set()
        self.doubled: set[str] = set()
        self.held: set[str] = set()
        self._schedule: list[tuple[float, int, str, bool]] = []
        self._sequence = max((one.sequence for one in state.tables["delivery"].values()), default=0)
        self._wake = asyncio.Event()
        self._seats = asyncio.Semaphore(SENDING_AT_ONCE)
        self._sending: set[asyncio.Task[None]] = set()
        self._random = random.Random()  # noqa: S311 - a nuisance, not a secret
        for one in state.tables["delivery"].values():
            if one.state in {"waiting", "retrying"}:
                self._book(one.due_at, one.id)

    # what Shopify's inside calls

    def send(
        self, shop: things.Shop, event: Event, *, size_bytes: int = 0
    ) -> list[things.Delivery]:
        """One merchant action; nothing when the app is not installed."""
        if not shop.is_installed:
            return []
        return self.send_anyway(shop.domain, event, size_bytes=size_bytes)

    def send_anyway(self, shop: str, event: Event, *, size_bytes: int = 0) -> list[things.Delivery]:
        """For what is sent after the app was uninstalled."""
        event_id = str(uuid.uuid4())
        found = [self.make(shop, topic, payload, event_id) for topic, payload in event]
        for one in found:
            one.size_bytes = size_bytes
            self.book(one)
        return found

    def make(
        self, shop: str, topic: str, payload: dict[str, Any], event_id: str = ""
    ) -> things.Delivery:
        """A delivery that is not sent yet."""
        return things.Delivery(
            id=str(uuid.uuid4()),
            event_id=event_id or str(uuid.uuid4()),
            topic=topic,
            shop=shop,
            triggered_at=things.now(self.clock_hours),
            api_version=self.settings.api_version,
            body=as_json(payload),
        )

    def book(self, one: things.Delivery) -> None:
        """Send it, now or a little later, perhaps twice; or lose it, or hold it back."""
        self._sequence += 1
        one.sequence = self._sequence
        for state, topics in (("lost", self.lost), ("held", self.held)):
            if topics & {one.topic, "*"}:
                one.state = state
                self.state.put("delivery", one.id, one)
                return
        self._send(one)

    def _send(self, one: things.Delivery) -> None:
        one.due_at = time.time() + (self._random.random() * SHUFFLE_SECONDS if self.shuffle else 0)
        self.state.put("delivery", one.id, one)
        self._book(one.due_at, one.id)
        is_doubled = bool(self.doubled & {one.topic, "*"})
        if is_doubled or self._random.random() < self.duplicate_ratio:
            later = one.due_at + self._random.random() * SHUFFLE_SECONDS
            self._book(later, one.id, is_duplicate=True)
        self.state.trim_deliveries()

    def send_again(self, delivery_id: str) -> bool:
        """Send it once more with the same webhook id and body, whatever became of it."""
        one: things.Delivery | None = self.state.tables["delivery"].get(delivery_id)
        if one is None:
            return False
        if one.state in {"lost", "held"}:
            one.state = "waiting"
            self._send(one)
            return True
        self._book(time.time(), delivery_id, is_duplicate=True)
        return True

    def release(self, order: str) -> int:
        """Send all that is held back, in one of RELEASES; gives how many."""
        found = [one for one in self.state.tables["delivery"].values() if one.state == "held"]
        if order == "shuffled":
            self._random.shuffle(found)
        elif order == "last_first":
            found.reverse()
        for one in found:
            one.state = "waiting"
            self._send(one)
        return len(found)

    async def send_now(self, one: things.Delivery) -> things.Try:
        """Send it while the caller waits, also what was lost or held back; gives what came back."""
        is_duplicate = one.state == "delivered"
        if one.state in {"lost", "held"}:
            one.state = "waiting"
        await self._deliver(one.id, is_duplicate=is_duplicate)
        return one.tries[-1]

    def change_time_scale(self, scale: float) -> None:
        """Compress or stretch the waits before retries, also of those that wait already."""
        now, old, self.time_scale = time.time(), self.time_scale, scale
        booked, self._schedule = self._schedule, []
        for due, _, delivery_id, is_duplicate in booked:
            one = self.state.tables["delivery"].get(delivery_id)
            if one and one.state == "retrying" and not is_duplicate:
                one.due_at = now + max(0.0, due - now) * scale / old
                self._book(one.due_at, delivery_id)
            else:
                self._book(due, delivery_id, is_duplicate=is_duplicate)

    @property
    def waiting(self) -> int:
        return len(self._schedule) + len(self._sending)

    # the schedule

    def _book(self, due_at: float, delivery_id: str, *, is_duplicate: bool = False) -> None:
        self._sequence += 1
        heapq.heappush(self._schedule, (due_at, self._sequence, delivery_id, is_duplicate))
        self._wake.set()

    async def run(self) -> None:
        """Work off the schedule until cancelled."""
        try:
            while True:
                await self._next_due()
                await self._seats.acquire()
                if not self._schedule or self._schedule[0][0] > time.time():
                    self._seats.release()  # the schedule was changed while we waited for a seat
                    continue
                _, _, delivery_id, is_duplicate = heapq.heappop(self._schedule)
                task = asyncio.create_task(self._deliver(delivery_id, is_duplicate=is_duplicate))
                self._sending.add(task)
                task.add_done_callback(self._finished)
        finally:
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)

    async def _next_due(self) -> None:
        while not self._schedule or self._schedule[0][0] > time.time():
            self._wake.clear()
            wait = self._schedule[0][0] - time.time() if self._schedule else None
            try:
                await asyncio.wait_for(self._wake.wait(), wait)
            except TimeoutError:
                continue

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._seats.release()
        if not task.cancelled() and task.exception():
            log.error("A delivery broke the sender: %r", task.exception())

    async def _deliver(self, delivery_id: str, *, is_duplicate: bool) -> None:
        one: things.Delivery | None = self.state.tables["delivery"].get(delivery_id)
        if one is None or (one.state == "delivered" and not is_duplicate):
            return
        await self.state.saved()  # never tell the app what a crash could make us forget
        attempt = await self._post(one)
        attempt.is_duplicate = is_duplicate
        one.tries = [*one.tries, attempt][-TRIES_KEPT:]
        # any 2xx, and nothing else, is success
        is_success = 200 <= attempt.status < 300  # noqa: PLR2004
        if is_success:
            one.state = "delivered"
        elif not is_duplicate and one.state != "delivered":
            self._failed(one)
        if delivery_id in self.state.tables["delivery"]:
            self.state.put("delivery", one.id, one)

    def _failed(self, one: things.Delivery) -> None:
        one.failures += 1
        if one.failures > RETRIES:
            one.state = "failed"
            return
        one.state = "retrying"
        one.due_at = time.time() + FIRST_RETRY_SECONDS * 2 ** (one.failures - 1) * self.time_scale
        self._book(one.due_at, one.id)

    async def _post(self, one: things.Delivery) -> things.Try:
        body = padded(one.body, one.size_bytes)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Shopify-Captain-Hook",
            "X-Shopify-Topic": one.topic,
            "X-Shopify-Hmac-Sha256": signing.webhook_hmac(self.settings.api_secret, body),
            "X-Shopify-Shop-Domain": one.shop,
            "X-Shopify-API-Version": one.api_version,
            "X-Shopify-Webhook-Id": one.webhook_id or one.id,
            "X-Shopify-Event-Id": one.event_id,
            "X-Shopify-Triggered-At": one.triggered_at,
        }
        at, started, status, error = things.now(), time.monotonic(), 0, ""
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                answer = await self.client.post(
                    f"{self.settings.app_url}/webhooks",
                    content=body,
                    headers=headers,
                    follow_redirects=False,
                    timeout=httpx.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS),
                )
            status = answer.status_code
            error = "" if answer.is_success else answer.text[:ANSWER_KEPT]
        except TimeoutError:
            error = f"no answer within {TOTAL_SECONDS:.0f} s"
        except httpx.HTTPError as problem:
            error = f"{type(problem).__name__}: {problem}"[:ANSWER_KEPT]
        return things.Try(at, status, round((time.monotonic() - started) * 1000), error)


def as_json(payload: object, *, indent: int | None = None) -> str:
    """UTF-8 as it is; half of a surrogate pair, which UTF-8 cannot say, as JSON escapes it."""
    text = json.dumps(payload, ensure_ascii=False, indent=indent)
    return HALF.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


def padded(body: str, size_bytes: int) -> bytes:
    """The JSON object with a last member that makes it that size; a larger one stays as it is."""
    plain = body.encode()
    start = b"{" if plain == b"{}" else plain[:-1] + b", "
    room = size_bytes - len(start) - len(b'"padding": []}')
    if room < len(b'""'):
        return plain
    count = (room - len(b'""')) // (PADDING_BYTES + 1)
    sizes = [*[PADDING_BYTES] * count, room - count * (PADDING_BYTES + 1)]
    texts = b",".join(b'"' + b"x" * (size - 2) + b'"' for size in sizes)
    return start + b'"padding": [' + texts + b"]}"
