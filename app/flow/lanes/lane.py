"""Merchants' lanes in Redis: admission, fair and paced claims, leases, and the schedule that
joins them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from typing import Any, Literal

import msgspec
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from app.config import Config

Outcome = Literal["queued", "duplicate", "full"]

SEEN_MILLISECONDS = 6 * 3600 * 1000  # Shopify repeats a delivery for four hours (platform.md §4.2)
LEASE_MILLISECONDS = (
    5_000  # a batch takes a tenth of a second; after a kill -9 its lanes are free again this soon
)
WATCH_MILLISECONDS = 3_000  # how long a drain that died can keep others from being woken
CLAIM_BYTES_MAX = 8 * 1024 * 1024
SCHEDULE_KEY, WATCH_KEY = "lanes:schedule", "lanes:watch"
STATS_LANES_MAX = 10_000
STATS_HEADS_MAX = 200

_OUTCOMES: dict[int, Outcome] = {ord("q"): "queued", ord("d"): "duplicate", ord("f"): "full"}


class LaneItem(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A webhook as it came; `received_ms` (milliseconds since 1970) comes first, where the lane
    scripts find it.
    """

    received_ms: int
    shop: str
    topic: str
    webhook_id: str
    api_version: str
    triggered_at: str
    event_id: str
    request_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Admitted:
    """What became of every item, and when a drain must be woken (milliseconds since 1970), if
    at all.
    """

    outcomes: list[Outcome]
    wake_at_ms: float | None


@dataclass(frozen=True, slots=True)
class Claim:
    """The head of a leased lane, encoded items; `fence` proves the lease when they are
    acknowledged.
    """

    shop: str
    fence: int
    items: list[bytes]


@dataclass(frozen=True, slots=True)
class LaneStats:
    depth: int  # webhooks waiting
    lanes: int  # shops with something waiting
    oldest_ms: float | None  # when the oldest was received
    due_ms: (
        float | None
    )  # when the first lane may be drained: in the past while drains do not keep up


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(LaneItem).decode


def encode_item(item: LaneItem) -> bytes:
    return _encode(item)


def decode_item(encoded: bytes) -> LaneItem:
    """Raises msgspec.DecodeError when these bytes are no item."""
    return _decode(encoded)


async def admit(
    redis: Redis, items: Sequence[LaneItem], now: float, config: Config, *, again: bool = False
) -> Admitted:
    """Append webhooks to their lanes in one call, dropping those seen in the last six hours; `now`
    in seconds.

    `again` puts a webhook back that was seen before, such as a replayed dead letter.
    """
    rows = [(item.shop, item.webhook_id, _encode(item)) for item in items]
    return await admit_encoded(redis, rows, now, config, again=again)


async def admit_encoded(
    redis: Redis,
    rows: Sequence[tuple[str, str, bytes]],
    now: float,
    config: Config,
    *,
    again: bool = False,
) -> Admitted:
    """Like `admit`, for rows of shop, webhook id and encoded item."""
    seen_milliseconds = 0 if again else SEEN_MILLISECONDS
    arguments: list[Any] = [config.lane_max_length, seen_milliseconds, WATCH_MILLISECONDS]
    for row in rows:
        arguments += row
    letters, wake = await _run(redis, ADMIT, now, config, *arguments)
    return Admitted([_OUTCOMES[letter] for letter in letters], float(wake) if wake else None)


async def claim(redis: Redis, limit: int, now: float, config: Config) -> list[Claim]:
    """Lease up to `limit` webhooks that are due, from many lanes; they stay in their lanes
    until acknowledged.
    """
    found = await _run(
        redis, CLAIM, now, config, limit, CLAIM_BYTES_MAX, LEASE_MILLISECONDS, WATCH_MILLISECONDS
    )
    return [Claim(shop.decode(), fence, items) for shop, fence, items in found]


async def acknowledge(
    redis: Redis,
    claims: Sequence[Claim],
    now: float,
    config: Config,
    *,
    counts: Sequence[int] | None = None,
) -> int:
    """Take the claims' webhooks (or the first `counts` of each) off their lanes, and end the
    leases.

    Returns how many claims were still ours: of a lane leased again since, nothing is taken.
    """
    arguments: list[Any] = []
    for claimed, count in zip(claims, counts or [len(one.items) for one in claims], strict=True):
        arguments += (claimed.shop, claimed.fence, count)
    return sum(await _run(redis, ACKNOWLEDGE, now, config, *arguments)) if arguments else 0


async def finish(redis: Redis, now: float) -> float | None:
    """When something will be due (seconds; `now` or before: go on), or None when all lanes are
    empty.

    In the same step admission learns whether it must wake the next drain itself.
    """
    due = await _evaluate(redis, FINISH, now * 1000, WATCH_MILLISECONDS)
    return float(due) / 1000 if due else None


async def lane_stats(redis: Redis) -> LaneStats:
    depth, lanes, oldest, due = await _evaluate(redis, STATS, STATS_LANES_MAX, STATS_HEADS_MAX)
    return LaneStats(depth, lanes, float(oldest) if oldest else None, float(due) if due else None)


async def lane_depth(redis: Redis, shop: str) -> int:
    """How many webhooks of `shop` wait."""
    return int(await redis.llen(f"lane:{shop}"))  # type: ignore[misc] # redis-py types sync and async as one


async def overdue_seconds(redis: Redis) -> float:
    """For how long the lane that is due first has been waiting for a drain, by Redis' clock; 0 when
    none is due.
    """
    client: Any = redis
    async with client.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.zrange(SCHEDULE_KEY, 0, 0, withscores=True)
        (seconds, microseconds), first = await pipe.execute()
    return max(0.0, seconds + microseconds / 1e6 - first[0][1] / 1000) if first else 0.0


async def is_neglected(redis: Redis, now: float) -> bool:
    """Whether something is due at `now` (seconds) and no drain runs or is booked: one died, or
    its wake was lost.
    """
    client: Any = redis
    async with client.pipeline(transaction=False) as pipe:
        pipe.exists(WATCH_KEY)
        pipe.zrange(SCHEDULE_KEY, 0, 0, withscores=True)
        is_watched, first = await pipe.execute()
    return not is_watched and bool(first) and first[0][1] <= now * 1000


class _Script:
    def __init__(self, name: str) -> None:
        folder = Path(__file__).parent / "lua"
        self.text = (folder / "common.lua").read_text() + (folder / f"{name}.lua").read_text()
        self.sha = sha1(self.text.encode(), usedforsecurity=False).hexdigest()


ADMIT, CLAIM, ACKNOWLEDGE = _Script("admit"), _Script("claim"), _Script("acknowledge")
FINISH, STATS = _Script("finish"), _Script("stats")


async def _run(redis: Redis, script: _Script, now: float, config: Config, *arguments: Any) -> Any:
    return await _evaluate(
        redis, script, now * 1000, config.lane_rate_per_second, config.lane_burst, *arguments
    )


async def _evaluate(redis: Redis, script: _Script, *arguments: Any) -> Any:
    execute: Any = redis.execute_command  # not annotated
    try:
        return await execute("EVALSHA", script.sha, 0, *arguments)
    except NoScriptError:  # Redis was restarted
        return await execute("EVAL", script.text, 0, *arguments)
