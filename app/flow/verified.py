"""What the daily verification found, how far today's has come, and whose turn it is: in Redis, for
what a lost Redis forgets of it the next run finds again.
"""

import secrets
from datetime import UTC, datetime
from typing import Any

import msgspec
import redis.asyncio as aioredis

KEY = "verification"
EVERY_MILLISECONDS = 86_400_000  # from the end of one run to the beginning of the next
# Longer than a step and its pause together: whoever is not heard of for so long has lost its turn.
TURN_MILLISECONDS = 120_000

# `holder` is a random name of the run whose turn it is, `until` when it loses it, `ended` when the
# last run came to its end (milliseconds of Redis' own clock, as all of these), `progress` what a
# run has found so far, `result` what the last one found.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kept = redis.call('HMGET', KEYS[1], 'holder', 'until', 'ended', 'progress')
if kept[1] ~= ARGV[1] then
  if kept[1] and (tonumber(kept[2] or '') or 0) > now then return false end
  if now - (tonumber(kept[3] or '') or 0) < tonumber(ARGV[3]) then return false end
end
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'until', now + ARGV[2])
if ARGV[4] ~= '' then redis.call('HSET', KEYS[1], 'progress', ARGV[4]) end
return kept[4] or ''
"""
END = """
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
redis.call('HDEL', KEYS[1], 'holder', 'until', 'progress')
if ARGV[2] == '' then return 0 end
local ended = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('HSET', KEYS[1], 'ended', ended, 'result', ARGV[2])
"""


class Verified(msgspec.Struct, frozen=True):
    """What a run over all shops found; `incomplete` are paid orders on whose way something is
    missing, `problems` counts whatever does not add up, drift and incomplete ones among it.
    """

    members: int
    rows: int
    drift: int
    broken_chains: int
    orders: int
    incomplete: int
    problems: int


class Last(msgspec.Struct, frozen=True):
    """The last run that came to its end, and when that was."""

    ended_at: datetime
    found: Verified


async def last(redis: aioredis.Redis) -> Last | None:
    """The last run, None when there was none that this Redis knows of. Raises redis errors."""
    client: Any = redis
    ended, result = await client.hmget(KEY, ["ended", "result"])
    try:
        found = msgspec.json.decode(result or b"", type=Verified)
        return Last(datetime.fromtimestamp(int(ended or 0) / 1000, UTC), found)
    except (msgspec.MsgspecError, ValueError, OverflowError):  # none, or nothing of ours
        return None


async def note(redis: aioredis.Redis, found: Verified) -> None:
    """A run that somebody asked for came to its end: the next one is due a day after it. Raises
    redis errors.
    """
    client: Any = redis
    seconds, microseconds = await client.time()
    ended = seconds * 1000 + microseconds // 1000
    await client.hset(KEY, mapping={"ended": ended, "result": msgspec.json.encode(found)})


class Turn:
    """The turn of one run to verify, of any number of processes that would."""

    def __init__(self, redis: aioredis.Redis) -> None:
        self.client: Any = redis
        self.name = secrets.token_hex(8)

    async def take(self, progress: bytes = b"") -> bytes | None:
        """Take the turn, or keep it for a while longer and note the `progress`; what was noted
        before, None when it is not, or no longer, this one's turn. Raises redis errors.
        """
        found: bytes | None = await self.client.eval(
            TAKE, 1, KEY, self.name, TURN_MILLISECONDS, EVERY_MILLISECONDS, progress
        )
        return found

    async def end(self, found: Verified) -> None:
        """The run is over: the next one is due in a day, or soon where there was nothing yet.
        Nothing happens when the turn was lost.
        """
        is_nothing = not (found.members or found.rows or found.orders or found.problems)
        result = b"" if is_nothing else msgspec.json.encode(found)
        await self.client.eval(END, 1, KEY, self.name, result)
