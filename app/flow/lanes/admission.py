"""Admission: webhooks that arrive together are made durable together, in Redis, or in Postgres
when Redis is away.
"""

import asyncio
import time
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any, Literal

import structlog
from redis.exceptions import RedisError

from app import db
from app.errors import UnavailableError
from app.flow import jobs
from app.flow.lanes import durability, epoch, lane, nodes, spill
from app.flow.lanes.lane import LaneItem, LaneRow
from app.resilience import deadline
from app.telemetry import carriers, logs, metrics, traces

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
REPLICA_MILLISECONDS = 500  # that a replica has to confirm a batch, where there is one
FULL_SECONDS = (
    1.0  # for so long a full lane is not asked again: its webhooks go to Postgres at once
)
FULL_MAX = 10_000
CROWDED = "Too many webhooks are waiting to be stored; please deliver this one again."

log = logs.logger()
_admit_seconds = metrics.ROAD_SECONDS.labels("admit")


_Waiting = tuple[LaneRow, "asyncio.Future[Outcome]"]


class Admission:
    """The group commit of one web process: while one call to Redis is in flight, the next
    webhooks gather.
    """

    def __init__(self, stores: db.Stores) -> None:
        """With the Redis of lanes that `stores` is about."""
        self.stores = stores
        self.jobs = jobs.sharing(stores)
        self.waiting: deque[_Waiting] = deque()
        self.waiting_bytes = 0
        self.traced: dict[asyncio.Future[Outcome], str] = {}  # of those that wait
        self.avoid_redis_until = 0.0  # monotonic seconds
        self.full_until: dict[str, float] = {}  # shops with a full lane, monotonic seconds
        self.committing: asyncio.Task[None] | None = None
        self.waking: set[asyncio.Task[None]] = set()
        self.witness = epoch.Witness()

    def admit(self, item: LaneItem) -> "asyncio.Future[Outcome]":
        """Have a webhook made durable: done once it is on disk, or with UnavailableError (503) when
        neither Redis nor Postgres takes it, or too many are waiting already.
        """
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        encoded = lane.encode_item(item)
        if (
            len(self.waiting) >= WAITING_MAX
            or self.waiting_bytes + len(encoded) > WAITING_BYTES_MAX
        ):
            answer.set_exception(UnavailableError(CROWDED))
            return answer
        self.waiting.append(((item.shop, item.webhook_id, encoded), answer))
        self.waiting_bytes += len(encoded)
        if item.request_id.startswith(carriers.MARK):
            self.traced[answer] = item.request_id
        if self.committing is None or self.committing.done():
            self.committing = asyncio.create_task(self._commit_all())
        return answer

    async def _commit_all(self) -> None:
        # what follows is done for many requests, not for the one that happened to come first
        structlog.contextvars.unbind_contextvars("request_id")
        while self.waiting:
            began = time.perf_counter()
            batch = self._take()
            try:
                with traces.batch("admission"):
                    traces.gather(self._traced(batch))
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

    def _traced(self, batch: list[_Waiting]) -> list[str]:
        """The carriers of those whose trace is recorded: seldom one."""
        if not self.traced:
            return []
        found = [self.traced.pop(answer, "") for _, answer in batch]
        return [carrier for carrier in found if carrier]

    async def _commit(self, batch: list[_Waiting]) -> None:
        if time.monotonic() < self.avoid_redis_until:
            await self._spill(batch)
            return
        full, batch = self._known_full(batch)
        if not batch:
            await self._spill(full)
            return
        rows = [row for row, _ in batch]
        wants_replica = durability.wants_replica(self.stores.config)
        try:
            async with asyncio.timeout(REDIS_SECONDS):
                admitted = await lane.admit_encoded(
                    self.stores.lane,
                    rows,
                    self.stores.config,
                    replica_milliseconds=REPLICA_MILLISECONDS if wants_replica else 0,
                    call=self.witness.call(),
                )
                is_kept = not wants_replica or await durability.outlives(
                    self.stores.lane, admitted.replicas
                )
        except (RedisError, OSError) as error:  # TimeoutError is an OSError: slow counts as down
            self._avoid_redis("Redis does not take webhooks, Postgres keeps them", repr(error))
            await self._spill([*full, *batch])
            return
        if not is_kept:
            # they are in their lanes, and drained; but should this Redis die now, nowhere else,
            # and whoever takes its place then has not lost what it was never told
            self._wake_if_needed(admitted)
            who = "most sentinels do" if admitted.replicas else "a replica does"
            self._avoid_redis(f"{who} not confirm webhooks, Postgres keeps them too", "")
            await self._spill([*full, *batch])
            return
        self._follow(admitted)
        for one, verdict in zip(batch, admitted.verdicts, strict=True):
            if verdict == "full":
                full.append(one)
                self.full_until[one[0][0]] = time.monotonic() + FULL_SECONDS
            elif not one[1].done():
                one[1].set_result(verdict)
        if full:
            log.warning(
                "lane is full, Postgres keeps what comes",
                shops=sorted({row[0] for row, _ in full})[:5],
            )
            await self._spill(full)

    def _known_full(self, batch: list[_Waiting]) -> tuple[list[_Waiting], list[_Waiting]]:
        """Apart: the webhooks of shops whose lane was full a moment ago, and the others."""
        if not self.full_until:
            return [], batch
        now = time.monotonic()
        self.full_until = {
            shop: until for shop, until in list(self.full_until.items())[-FULL_MAX:] if until > now
        }
        full = [one for one in batch if one[0][0] in self.full_until]
        return full, [one for one in batch if one[0][0] not in self.full_until]

    def _avoid_redis(self, why: str, error: str) -> None:
        self.avoid_redis_until = time.monotonic() + AVOID_REDIS_SECONDS
        log.warning(why, error=error)

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

    def _wake_if_needed(self, admitted: lane.Admitted) -> None:
        if admitted.is_wake_needed:
            self._aside(enqueue_drain(self.jobs))

    def _follow(self, admitted: lane.Admitted) -> None:
        self._wake_if_needed(admitted)
        if admitted.told is None:
            return
        went_back_to = self.witness.went_back_to(admitted.told)
        if went_back_to is not None:
            epoch.tell_gone_back(self.stores, admitted.told.era, went_back_to)

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.waking.add(task)
        task.add_done_callback(self.waking.discard)


class Admissions:
    """The admission of a web process that has several Redis for lanes: one each, so that a webhook
    shares its call, and its luck, only with those of the same Redis.
    """

    def __init__(self, stores: db.Stores) -> None:
        self.stores = stores
        self.by_node = [Admission(one) for one in stores.nodes]

    def admit(self, item: LaneItem) -> "asyncio.Future[Outcome]":
        """See Admission."""
        return self.by_node[nodes.of(self.stores, item.shop).node - 1].admit(item)


def of(stores: db.Stores) -> Admission | Admissions:
    """The admission of a process."""
    return Admissions(stores) if stores.besides else Admission(stores)


async def enqueue_drain(pool: jobs.Pool) -> None:
    """Have a drain run now. A failure is logged: the ingest processes look by themselves."""
    try:
        await jobs.enqueue(pool, QUEUE, DRAIN)
    except (RedisError, OSError) as error:
        log.warning("drain could not be woken", error=repr(error))


def _refuse(batch: Sequence[_Waiting], message: str) -> None:
    for _, answer in batch:
        if not answer.done():
            answer.set_exception(UnavailableError(message))
