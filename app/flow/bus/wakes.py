"""Wakes readers of the log when something was written: best effort, through Redis."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import redis.asyncio as aioredis
from redis.exceptions import RedisError

from app.resilience import failures
from app.telemetry import logs, metrics

CHANNEL = "facts"
POLL_SECONDS = 1.0  # a wake can be lost
POLL_SECONDS_UNWOKEN = 0.1  # while Redis cannot wake anybody
SILENCE_SECONDS = 3.0  # then a wake of our own asks whether the subscription still lives
TELL_SECONDS = 1.0

log = logs.logger()


class Wakes:
    """One subscription of a process. Nothing depends on it but how soon facts are seen."""

    def __init__(self, redis: aioredis.Redis) -> None:
        self.redis = redis
        self.woken = asyncio.Event()
        self.is_live = False

    @property
    def poll_seconds(self) -> float:
        return POLL_SECONDS if self.is_live else POLL_SECONDS_UNWOKEN

    async def listen(self, topics: Sequence[str], stop: asyncio.Event) -> None:
        """Set `woken` when somebody wrote facts of `topics`, until `stop` is set."""
        wanted = frozenset(topics)
        backoff = failures.Backoff("listening for new facts")
        while not stop.is_set():
            try:
                async with self.redis.pubsub() as subscription:
                    await subscription.subscribe(CHANNEL)
                    await self._hear(subscription, wanted, stop, backoff)
            except (RedisError, OSError, TimeoutError) as error:
                await backoff.wait(error, stop)
            finally:
                self.is_live = False

    async def _hear(
        self,
        subscription: Any,
        wanted: frozenset[str],
        stop: asyncio.Event,
        backoff: failures.Backoff,
    ) -> None:
        silent = False
        while not stop.is_set():
            message = await subscription.get_message(timeout=SILENCE_SECONDS)
            if message is None:
                if silent:
                    raise TimeoutError("no answer from the subscription")
                silent = True
                await subscription.ping()
                continue
            silent = False
            self.is_live = True
            backoff.over()
            if message["type"] != "message" or wanted & set(message["data"].decode().split(",")):
                self.heard()

    def heard(self) -> None:
        """Somebody wrote what is read here."""
        self.woken.set()

    async def wait(self, seconds: float, stop: asyncio.Event) -> bool:
        """Sleep, or be woken; whether somebody wrote something meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                await self.woken.wait()
        except TimeoutError:
            return False
        self.woken.clear()
        return not stop.is_set()


async def tell(redis: aioredis.Redis, topics: Iterable[str]) -> None:
    """Wake whoever reads `topics`, after the commit; a failure costs them a second, no more."""
    try:
        async with asyncio.timeout(TELL_SECONDS):
            await redis.publish(CHANNEL, ",".join(sorted(set(topics))))
    except (RedisError, OSError, TimeoutError):
        metrics.LOST_SIGNALS.labels("wakes").inc()
