"""How often something may be done: a GCRA bucket a subject in the cache Redis, which fails open."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import redis.asyncio as aioredis

from app.resilience.guard import Resource, guard
from app.telemetry import metrics

# one number a subject: the moment (milliseconds, Redis' own clock) at which its bucket will be full
# again
TAKE = """
local now = tonumber(ARGV[3] or '0')
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local every, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now) + every
local wait = full_at - now - every * burst
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], string.format('%.3f', full_at), 'PX', math.ceil(full_at - now))
return 0
"""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Whether it may be done now, and if not in how many whole seconds it may; what is not known
    was allowed because the limit could not be asked.
    """

    is_allowed: bool
    retry_after_seconds: int = 0
    is_known: bool = True


async def take(
    cache: aioredis.Redis,
    limit: str,
    subject: str,
    *,
    rate_per_second: float,
    burst: int = 1,
    at: datetime | None = None,
) -> Allowance:
    """Take one token of `subject` from the bucket of `limit` (a fixed name, it labels a metric),
    `at` a moment or now by the clock of Redis.

    Fails open: when Redis is away it is allowed, and counted as such.
    """
    client: Any = cache
    key = f"limit:{limit}:{subject}"
    try:
        every, moment = 1000 / rate_per_second, int(at.timestamp() * 1000) if at else 0
        wait = await guard(LIMITS, lambda: client.eval(TAKE, 1, key, every, burst, moment))
    except Exception:  # noqa: BLE001
        # logged by the guard; a limit that cannot be asked is no reason to refuse
        metrics.LIMITS.labels(limit, "failed_open").inc()
        return Allowance(is_allowed=True, is_known=False)
    metrics.LIMITS.labels(limit, "limited" if wait else "allowed").inc()
    return Allowance(is_allowed=not wait, retry_after_seconds=math.ceil(wait / 1000))


LIMITS = Resource("limits", 0.15, tickets=64)
