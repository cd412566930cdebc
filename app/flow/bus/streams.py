"""The event bus on Redis Streams: one stream a topic (`bus:<topic>`), one consumer group a
service.
"""

import time
from collections.abc import Sequence
from typing import Any

import redis.asyncio as aioredis
from redis.exceptions import ResponseError

from app.flow.bus.interface import Delivery, Lag, Message
from app.telemetry import logs

PREFIX = "bus:"
LAG_COUNT_MAX = 1_000  # Redis 6.2 has no counter for it, and counting entries takes time

log = logs.logger()

# A script, not a pipeline: one reply is a tenth of the parsing for the relay, and nothing can fail
# half-way.
PUBLISH = """
local at = 1
for index = 1, #ARGV / 5 do
  redis.call('XADD', KEYS[tonumber(ARGV[at])], '*',
             'i', ARGV[at + 1], 't', ARGV[at + 2], 's', ARGV[at + 3], 'b', ARGV[at + 4])
  at = at + 5
end
"""

# For each stream: what was given out and not acknowledged, and what was not given out; the oldest
# of both.
LAG = """
local count, oldest = 0, false
local function note(id)
  local milliseconds = tonumber(string.match(id, '^%d+'))
  if not oldest or milliseconds < oldest then oldest = milliseconds end
end
for _, key in ipairs(KEYS) do
  local exists = redis.call('EXISTS', key) == 1
  for _, group in ipairs(exists and redis.call('XINFO', 'GROUPS', key) or {}) do
    local info = {}
    for index = 1, #group, 2 do info[group[index]] = group[index + 1] end
    if info['name'] == ARGV[1] then
      if info['pending'] > 0 then
        count = count + info['pending']
        note(redis.call('XPENDING', key, ARGV[1])[2])
      end
      local waiting = redis.call('XRANGE', key, '(' .. info['last-delivered-id'], '+', 'COUNT',
      ARGV[2])
      if #waiting > 0 then
        count = count + #waiting
        note(waiting[1][1])
      end
    end
  end
end
if not oldest then return {0, 0} end
local now = redis.call('TIME')
return {count, math.max(0, now[1] * 1000 + math.floor(now[2] / 1000) - oldest)}
"""


class StreamBus:
    """A `Bus`. With two consumers in a group Redis gives each what comes next, so one shop's
    events may then be handled side by side: run one consumer a service where their order
    matters.
    """

    def __init__(self, client: aioredis.Redis) -> None:
        self.client = client
        self._publish = client.register_script(PUBLISH)
        self._lag = client.register_script(LAG)

    async def publish(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        topics = {
            topic: index
            for index, topic in enumerate(dict.fromkeys(message.topic for message in messages), 1)
        }
        arguments: list[str | int | bytes] = []
        for message in messages:
            arguments += (
                topics[message.topic],
                message.event_id,
                message.timestamp,
                message.signature,
                message.body,
            )
        await self._publish(keys=[PREFIX + topic for topic in topics], args=arguments)

    async def ensure(self, group: str, topics: Sequence[str]) -> None:
        for topic in topics:
            try:
                await self.client.xgroup_create(PREFIX + topic, group, id="0", mkstream=True)
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise

    async def read(
        self, group: str, consumer: str, topics: Sequence[str], count: int, block_milliseconds: int
    ) -> list[Delivery]:
        wait = (
            ("BLOCK", block_milliseconds) if block_milliseconds else ()
        )  # BLOCK 0 would wait for ever
        return await self._read_group(group, consumer, topics, count, ">", *wait)

    async def unfinished(
        self, group: str, consumer: str, topics: Sequence[str], count: int
    ) -> list[Delivery]:
        return await self._read_group(group, consumer, topics, count, "0")

    async def _read_group(
        self,
        group: str,
        consumer: str,
        topics: Sequence[str],
        count: int,
        start: str,
        *wait: str | int,
    ) -> list[Delivery]:
        keys = [PREFIX + topic for topic in topics]
        command = ("XREADGROUP", "GROUP", group, consumer, "COUNT", count, *wait, "STREAMS")
        streams: Any = await self.client.execute_command(*command, *keys, *[start] * len(keys))  # type: ignore[no-untyped-call] # not annotated in redis-py
        found: list[Delivery] = []
        for key, entries in streams or ():
            found += await self._deliveries(group, key.decode().removeprefix(PREFIX), entries)
        return found

    async def claim(
        self, group: str, consumer: str, topics: Sequence[str], idle_milliseconds: int, count: int
    ) -> list[Delivery]:
        pipeline = self.client.pipeline(transaction=False)
        for topic in topics:
            pipeline.xautoclaim(PREFIX + topic, group, consumer, idle_milliseconds, "0-0", count)
        found: list[Delivery] = []
        for topic, (_, entries, *_) in zip(topics, await pipeline.execute(), strict=True):
            if any(position is None for position, _ in entries):
                # trimmed meanwhile, and Redis 6.2 does not say which; now that they are ours, it
                # will
                return await self.unfinished(group, consumer, topics, count)
            found += await self._deliveries(group, topic, entries)
        return found

    async def _deliveries(self, group: str, topic: str, entries: Sequence[Any]) -> list[Delivery]:
        found: list[Delivery] = []
        for position, values in entries:
            if values:
                found.append(_delivery(topic, position.decode(), values))
            else:  # given out once, trimmed since: seven days old, nothing is left to handle
                log.error(
                    "event outlived the bus unhandled",
                    service=group,
                    topic=topic,
                    position=position.decode(),
                )
                await self.client.xack(PREFIX + topic, group, position)
        return found

    async def ack(self, group: str, deliveries: Sequence[Delivery]) -> None:
        positions: dict[str, list[str]] = {}
        for delivery in deliveries:
            positions.setdefault(delivery.topic, []).append(delivery.position)
        pipeline = self.client.pipeline(transaction=False)
        for topic, acknowledged in positions.items():
            pipeline.xack(PREFIX + topic, group, *acknowledged)
        await pipeline.execute()

    async def lag(self, group: str, topics: Sequence[str]) -> Lag:
        keys = [PREFIX + topic for topic in topics]
        count, milliseconds = await self._lag(keys=keys, args=[group, LAG_COUNT_MAX])
        return Lag(count, milliseconds / 1000)

    async def topics(self) -> list[str]:
        found = [
            key
            async for key in self.client.scan_iter(match=PREFIX + "*", count=1_000, _type="STREAM")
        ]
        return sorted(key.decode().removeprefix(PREFIX) for key in found)

    async def trim(self, topics: Sequence[str], keep_seconds: int) -> None:
        oldest = int((time.time() - keep_seconds) * 1000)
        for topic in topics:
            await self.client.xtrim(PREFIX + topic, minid=oldest, approximate=True)


def _delivery(topic: str, position: str, values: dict[bytes, bytes]) -> Delivery:
    try:
        return Delivery(
            topic,
            position,
            values[b"i"].decode(),
            int(values[b"t"]),
            values[b"s"].decode(),
            values[b"b"],
        )
    except (KeyError, ValueError):
        # somebody else wrote into our stream: without a signature the consumer sets it aside
        return Delivery(topic, position, position, 0, "", repr(values).encode())
