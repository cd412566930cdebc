"""Time passes for the lanes without anybody waiting for it: what they keep moves into the past."""

from typing import Any

from redis.asyncio import Redis


async def later(redis: Redis, seconds: float) -> None:
    """As if `seconds` had passed by Redis' clock; below zero, as if it had been put back."""
    client: Any = redis
    for key in ("lanes:schedule", "lanes:buckets"):
        for shop in await client.zrange(key, 0, -1):
            await client.zincrby(key, -seconds * 1000, shop)
