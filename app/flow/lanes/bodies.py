"""Which shop a body came for first: the digest proves the body alone, so whoever has one body with
its digest could send it again as another shop's.

The memory is one table of fixed size in Redis, by digest: a body is remembered until another one
takes its place, after a million others on average. It fails open: without it, or after it lost its
contents, a body is taken for its shop's own.
"""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from app.errors import BadInputError
from app.flow.lanes.lane import LaneItem
from app.resilience import deadline
from app.telemetry import logs, metrics

KEY = "lanes:bodies"
PLACES = 2**20
ENTRY_BYTES = 16  # 8 of the body's digest, 8 of the shop's: the table takes 16 MB
BODY_BYTES_MIN = 64  # every real body is longer; what says nothing may well be said by two shops
KEEP_SECONDS = 7 * 86_400  # after the last webhook
SECONDS_MAX = 0.5
FOREIGN = "The same body came for another shop before."
SCRIPT = (Path(__file__).parent / "lua" / "bodies.lua").read_text()
SCRIPT_SHA = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()

log = logs.logger()


class ForeignBodyError(BadInputError):
    """The same bytes came for another shop before (permanent)."""

    code = "foreign_body"

    def __init__(self) -> None:
        super().__init__(FOREIGN)


async def foreign(redis: Redis, items: Sequence[LaneItem]) -> list[bool]:
    """For each webhook, whether its body came for another shop before; remembers those that are
    new. All False when Redis does not answer.
    """
    asked = [place for place, item in enumerate(items) if len(item.body) >= BODY_BYTES_MIN]
    said = [False] * len(items)
    if not asked:
        return said
    entries = b"".join(_entry(items[place]) for place in asked)
    try:
        found = await deadline.within(SECONDS_MAX, _ask(redis, entries))
    except (RedisError, OSError) as error:  # TimeoutError is an OSError
        log.warning("bodies are not compared between shops", error=repr(error))
        metrics.LIMITS.labels("bodies", "failed_open").inc(len(asked))
        return said
    for place, is_foreign in zip(asked, found, strict=True):
        said[place] = bool(is_foreign)
    return said


def _entry(item: LaneItem) -> bytes:
    digest = sha256(item.body).digest()
    where = int.from_bytes(digest[:4]) % PLACES * ENTRY_BYTES
    return where.to_bytes(4) + digest[4:12] + _of_shop(item.shop)


@lru_cache(maxsize=10_000)
def _of_shop(shop: str) -> bytes:
    return sha256(shop.encode()).digest()[:8]


async def _ask(redis: Redis, entries: bytes) -> Any:
    execute: Any = redis.execute_command  # not annotated
    arguments = (1, KEY, PLACES * ENTRY_BYTES, KEEP_SECONDS, entries)
    try:
        return await execute("EVALSHA", SCRIPT_SHA, *arguments)
    except NoScriptError:  # Redis was restarted
        return await execute("EVAL", SCRIPT, *arguments)
