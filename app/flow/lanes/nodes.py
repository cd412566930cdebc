"""Which Redis a shop's lane is in, where there are several for lanes: by the shop's hash, unless it
was moved.

All of them are drained all the time. So who admits may learn of a move later than another, and a
Redis that forgets the moves puts shops back where their hash says: nothing is lost by either, and
the receipts drop repeats that the sieve of another node does not know.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, TypeVar

from redis.exceptions import RedisError

from app.db import Stores
from app.telemetry import logs

T = TypeVar("T")
MOVED_KEY = "lanes:moved"  # hash in the first of them: shop -> number of its node
MOVED_MAX = 10_000
LOOK_EVERY_SECONDS = 1.0
ANSWER_SECONDS = 0.5  # of one of several: the others are not to wait for it
SHOPS_REMEMBERED = 100_000

log = logs.logger()


def of(stores: Stores, shop: str) -> Stores:
    """`stores` with the Redis the lane of `shop` is in."""
    if not stores.besides:
        return stores
    count = len(stores.nodes)
    number = stores.moved.get(shop, 0)
    return stores.nodes[(number if 1 <= number <= count else _by_hash(shop, count)) - 1]


def grouped(stores: Stores, shops: Sequence[str]) -> list[tuple[Stores, list[int]]]:
    """The places of `shops` in their sequence by the node they are on."""
    if not stores.besides:
        return [(stores, list(range(len(shops))))]
    found: dict[int, list[int]] = {}
    for place, shop in enumerate(shops):
        found.setdefault(of(stores, shop).node, []).append(place)
    return [(stores.nodes[number - 1], places) for number, places in found.items()]


async def of_those_there(stores: Stores, ask: Callable[[Stores], Awaitable[T]]) -> list[T]:
    """What each node answers, all asked at once; of several those that are away say nothing. Raises
    redis errors when none answers.
    """
    if not stores.besides:
        return [await ask(stores)]

    async def at_once(one: Stores) -> T:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await ask(one)

    answers = await asyncio.gather(*map(at_once, stores.nodes), return_exceptions=True)
    found: list[T] = []
    errors = []
    for one, answer in zip(stores.nodes, answers, strict=True):
        if not isinstance(answer, BaseException):
            found.append(answer)
        elif isinstance(answer, (RedisError, OSError)):
            errors.append(answer)
            log.warning("a Redis of lanes does not answer", node=one.node, error=repr(answer))
        else:
            raise answer
    if not found:
        raise errors[0]
    return found


async def move(stores: Stores, shop: str, number: int) -> None:
    """Have the lane of `shop` be on that node, counted from 1, from the next look on; what waits in
    the one it leaves is drained from there. Raises ValueError when there is no such node, or too
    many shops were moved: then a node more is what helps.
    """
    client: Any = stores.queue
    if not 1 <= number <= len(stores.nodes):
        raise ValueError(f"There are {len(stores.nodes)} nodes for lanes, and no number {number}.")
    if _by_hash(shop, len(stores.nodes)) == number:
        await client.hdel(MOVED_KEY, shop)
    elif await client.hlen(MOVED_KEY) < MOVED_MAX:
        await client.hset(MOVED_KEY, shop, number)
    else:
        raise ValueError(f"{MOVED_MAX:,} shops were moved already.")


async def look(stores: Stores) -> None:
    """Learn which shops were moved. Raises redis errors; what was known stays known then."""
    client: Any = stores.queue
    found = await client.hgetall(MOVED_KEY)
    moved = {shop.decode(): int(number) for shop, number in found.items() if number.isdigit()}
    stores.moved.update(moved)  # all nodes share this dictionary
    for shop in stores.moved.keys() - moved.keys():
        del stores.moved[shop]


async def follow(stores: Stores) -> None:
    """Learn of moves for as long as it runs."""
    while stores.besides:
        try:
            await look(stores)
        except (RedisError, OSError) as error:
            log.warning("moved lanes are not looked up", error=repr(error))
        await asyncio.sleep(LOOK_EVERY_SECONDS)


@lru_cache(maxsize=SHOPS_REMEMBERED)
def _by_hash(shop: str, count: int) -> int:
    """The node with the highest hash of both: one more node takes over its own share of the shops,
    and no other shop changes.
    """
    return max(
        range(1, count + 1), key=lambda number: blake2b(f"{number} {shop}".encode()).digest()
    )
