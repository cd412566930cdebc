"""What waits in the lanes: of all merchants for the operator, and of one for its own pages."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app import db
from app.config import Config
from app.flow.lanes import nodes, scripts
from app.resilience.guard import Resource, guard
from app.telemetry import logs

LANES_MAX = 10_000
HEADS_MAX = 200
BEHIND_AFTER_SECONDS = 5.0  # what waits no longer than this is on its way, and no backlog
BESIDES_SECONDS = 0.1  # less than the health board has for everything
MEMO_SECONDS = 1.0
MEMO_MAX = 10_000

log = logs.logger()


@dataclass(frozen=True, slots=True)
class Depth:
    """What waits in all lanes, of at most 10,000 of them."""

    waiting: int  # webhooks
    lanes: int  # shops with something waiting
    oldest_ms: float | None  # when the oldest was received
    overdue_seconds: (
        float  # for how long the first lane has been due: above 0 drains do not keep up
    )


class Backlog(NamedTuple):
    """What waits in one shop's lane, and when the first of it was received (milliseconds since
    1970), None when nothing waits.
    """

    waiting: int
    oldest_ms: float | None

    @property
    def behind_since(self) -> datetime | None:
        """The moment the shop's figures are true for, when they are behind for more than five
        seconds.
        """
        if self.oldest_ms is None or time.time() - self.oldest_ms / 1000 < BEHIND_AFTER_SECONDS:
            return None
        return datetime.fromtimestamp(self.oldest_ms / 1000, UTC)


class Overdue(NamedTuple):
    """For how long the first lane has been due, and whether those who drain have more than they can
    take at once.
    """

    seconds: float
    is_help_wanted: bool


NOTHING = Backlog(0, None)


async def depth(
    redis: Redis, config: Config, *, lanes_max: int = LANES_MAX, heads_max: int = HEADS_MAX
) -> Depth:
    """Of `lanes_max` lanes; the age of the oldest is looked for at the heads of `heads_max`. Raises
    redis errors.
    """
    found = await scripts.run(redis, DEPTH, config, lanes_max, heads_max)
    waiting, lanes, oldest, overdue = found
    return Depth(waiting, lanes, float(oldest) if oldest else None, float(overdue) / 1000)


async def overdue(redis: Redis, config: Config) -> Overdue:
    """What is due and not taken, by Redis' own clock. Raises redis errors."""
    milliseconds, is_help_wanted = await scripts.run(redis, OVERDUE, config)
    return Overdue(float(milliseconds) / 1000, is_help_wanted == 1)


async def depth_of_all(stores: db.Stores) -> Depth:
    """What waits in the lanes of every Redis for them that answers. Raises when none does."""
    found = await nodes.of_those_there(stores, lambda one: depth(one.lane, one.config))
    oldest = [one.oldest_ms for one in found if one.oldest_ms is not None]
    return Depth(
        sum(one.waiting for one in found),
        sum(one.lanes for one in found),
        min(oldest, default=None),
        max(one.overdue_seconds for one in found),
    )


async def overdue_besides(stores: db.Stores) -> float:
    """For how many seconds something has been due and not taken in another Redis for lanes; those
    that do not answer at once say nothing.
    """

    async def ask(one: db.Stores) -> float:
        try:
            async with asyncio.timeout(BESIDES_SECONDS):
                return (await overdue(one.lane, one.config)).seconds
        except (RedisError, OSError):
            return 0.0

    return max(await asyncio.gather(*(ask(one) for one in stores.besides)), default=0.0)


async def backlog(redis: Redis, config: Config, shop: str) -> Backlog:
    """What waits in the lane of `shop`. Raises redis errors."""
    waiting, oldest = await scripts.run(redis, BACKLOG, config, shop)
    return Backlog(waiting, float(oldest) if oldest else None)


async def remembered(stores: db.Stores, shop: str) -> Backlog:
    """Like `backlog`, at most a second old, for pages; nothing when Redis does not tell: then other
    signs say that updates are late.
    """
    memo = _memo.get(shop)
    if memo is not None and time.monotonic() - memo[0] < MEMO_SECONDS:
        return memo[1]
    try:
        node = nodes.of(stores, shop)
        found = await guard(BACKLOGS, lambda: backlog(node.lane, node.config, shop))
    except Exception:  # noqa: BLE001 - counted and logged by the guard
        found = NOTHING
    _memo[shop] = (time.monotonic(), found)
    _memo.move_to_end(shop)
    if len(_memo) > MEMO_MAX:
        _memo.popitem(last=False)
    return found


def forget() -> None:
    """Drop what this process remembers (for tests)."""
    _memo.clear()


BACKLOGS = Resource("lanes", 0.15, tickets=64)
DEPTH, BACKLOG, OVERDUE = (scripts.Script(name) for name in ("depth", "backlog", "overdue"))
_memo: OrderedDict[str, tuple[float, Backlog]] = OrderedDict()
