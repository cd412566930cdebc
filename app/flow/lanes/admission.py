"""Admission: webhooks that arrive together are made durable together, in Redis, or in Postgres
when Redis is away.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import structlog
from redis.exceptions import RedisError

from app import db
from app.errors import UnavailableError
from app.flow import jobs
from app.flow.lanes import lane, spill
from app.flow.lanes.lane import LaneItem
from app.resilience import deadline
from app.telemetry import logs, metrics

Outcome = Literal["queued", "duplicate", "spilled"]

QUEUE = "arq:ingest"
DRAIN = "drain"
BATCH_MAX = 512
BATCH_BYTES_MAX = 8 * 1024 * 1024
WAITING_MAX = 20_000
WAITING_BYTES_MAX = 256 * 1024 * 1024
# Shopify gives us five seconds for everything: two for Redis, and two for Postgres after that
REDIS_SECONDS, POSTGRES_SECONDS = 2.0, 2.0
AVOID_REDIS_SECONDS = 1.0  # after a failure; then one batch tries again

log = logs.logger()
_admit_seconds = metrics.ROAD_SECONDS.labels("admit")


_Row = tuple[str, str, bytes]  # shop, webhook id, encoded item
_Waiting = tuple[_Row, "asyncio.Future[Outcome]"]


class Admission:
    """The group commit of one web process: while one call to Redis is in flight, the next
    webhooks gather.
    """

    def __init__(self, stores: db.Stores) -> None:
        self.stores = stores
        self.jobs = jobs.sharing(stores)
        self.waiting: deque[_Waiting] = deque()
        self.waiting_bytes = 0
        self.avoid_redis_until = 0.0  # monotonic seconds
        self.committing: asyncio.Task[None] | None = None
        self.waking: set[asyncio.Task[None]] = set()

    async def admit(self, item: LaneItem) -> Outcome:
        """Make a webhook durable; returns once it is on disk.

        Raises UnavailableError (503) when neither Redis nor Postgres takes it, or too many are
        waiting already.
        """
        encoded = lane.encode_item(item)
        if (
            len(self.waiting) >= WAITING_MAX
            or self.waiting_bytes + len(encoded) > WAITING_BYTES_MAX
        ):
            raise UnavailableError(
                "Too many webhooks are waiting to be stored; please deliver this one again."
            )
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.waiting.append(((item.shop, item.webhook_id, encoded), answer))
        self.waiting_bytes += len(encoded)
        if self.committing is None or self.committing.done():
            self.committing = asyncio.create_task(self._commit_all())
        return await answer

    async def _commit_all(self) -> None:
        # what follows is done for many requests, not for the one that happened to come first
        structlog.contextvars.unbind_contextvars("request_id")
        while self.waiting:
            began = time.perf_counter()
            batch = self._take()
            try:
                await self._commit(batch)
            except BaseException as error:
                _refuse(batch, "The webhook could not be stored; please deliver it again.")
                if not isinstance(error, Exception):
                    raise
                log.exception("admission failed", webhooks=len(batch))
            _admit_seconds.observe(time.perf_counter() - began)

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self.waiting and len(batch) < BATCH_MAX and size < BATCH_BYTES_MAX:
            one = self.waiting.popleft()
            batch.append(one)
            size += len(one[0][2])
        self.waiting_bytes -= size
        return batch

    async def _commit(self, batch: list[_Waiting]) -> None:
        if time.monotonic() < self.avoid_redis_until:
            await self._spill(batch)
            return
        try:
            async with asyncio.timeout(REDIS_SECONDS):
                admitted = await lane.admit_encoded(
                    self.stores.queue, [row for row, _ in batch], time.time(), self.stores.config
                )
        except (RedisError, OSError) as error:  # TimeoutError is an OSError: slow counts as down
            self.avoid_redis_until = time.monotonic() + AVOID_REDIS_SECONDS
            log.warning(
                "Redis does not take webhooks, Postgres keeps them",
                webhooks=len(batch),
                error=repr(error),
            )
            await self._spill(batch)
            return
        full = []
        for one, outcome in zip(batch, admitted.outcomes, strict=True):
            if outcome == "full":
                full.append(one)
            elif not one[1].done():
                one[1].set_result(outcome)
        if admitted.wake_at_ms is not None:
            self._wake(admitted.wake_at_ms)
        if full:
            log.warning(
                "lane is full, Postgres keeps what comes",
                shops=sorted({row[0] for row, _ in full})[:5],
            )
            await self._spill(full)

    async def _spill(self, batch: Sequence[_Waiting]) -> None:
        try:
            await deadline.within(POSTGRES_SECONDS, spill.spill([row for row, _ in batch]))
        except Exception as error:  # noqa: BLE001 - whatever it is, these webhooks are nowhere and must come again
            log.error("webhooks could not be stored", webhooks=len(batch), error=repr(error))  # noqa: TRY400 - known
            _refuse(batch, "Neither store takes webhooks at the moment; please deliver it again.")
            return
        for _, answer in batch:
            if not answer.done():
                answer.set_result("spilled")

    def _wake(self, at_ms: float) -> None:
        task = asyncio.create_task(self._enqueue_drain(at_ms))
        self.waking.add(task)
        task.add_done_callback(self.waking.discard)

    async def _enqueue_drain(self, at_ms: float) -> None:
        await enqueue_drain(self.jobs, at_ms)


async def enqueue_drain(pool: jobs.Pool, at_ms: float) -> None:
    """Book a drain for `at_ms` (milliseconds since 1970). A failure is logged: the ingest
    worker looks by itself.
    """
    defer_until = datetime.fromtimestamp(at_ms / 1000, UTC) if at_ms > time.time() * 1000 else None
    try:
        await jobs.enqueue(pool, QUEUE, DRAIN, defer_until=defer_until)
    except (RedisError, OSError) as error:
        log.warning("drain could not be woken", error=repr(error))


def _refuse(batch: Sequence[_Waiting], message: str) -> None:
    for _, answer in batch:
        if not answer.done():
            answer.set_exception(UnavailableError(message))
