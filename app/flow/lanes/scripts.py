"""The lanes' Lua scripts: sent once, called by their digest, and what to do about a damaged key."""

from collections.abc import Awaitable, Callable
from hashlib import sha1
from pathlib import Path
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from app.config import Config
from app.telemetry import logs

T = TypeVar("T")
FOLDER = Path(__file__).parent / "lua"
ASIDE = "lanes:aside:"
ASIDE_SECONDS = 7 * 24 * 3600
SYNC_KEY, SYNC_SECONDS = "lanes:sync", 60
KINDS = {
    "lanes:schedule": b"zset",
    "lanes:buckets": b"zset",
    "lanes:owners": b"hash",
    "lanes:large": b"hash",
    "lanes:limits": b"hash",
    "lanes:watch": b"string",
    "lanes:epoch": b"hash",
}

log = logs.logger()


class Script:
    """One file of lua/ after what all share; `sha` is the name Redis knows it by."""

    def __init__(self, name: str) -> None:
        self.text = (FOLDER / "common.lua").read_text() + (FOLDER / f"{name}.lua").read_text()
        self.sha = sha1(self.text.encode(), usedforsecurity=False).hexdigest()


async def run(redis: Redis, script: Script, config: Config, *arguments: Any) -> Any:
    """What the script answers. Raises redis errors.

    A key all lanes share that is of another kind than ours is put aside, and the script runs again:
    the schedule grows anew from the lanes, and what else was in there is worth less than standing
    still.
    """
    execute: Any = redis.execute_command  # not annotated
    command = ("EVALSHA", script.sha, 0, *_pace(config), *arguments)
    return await _mended(redis, script, lambda: execute(*command))


async def run_and_wait(
    redis: Redis, script: Script, config: Config, *arguments: Any, milliseconds: int
) -> tuple[Any, int]:
    """Like `run`, and how many replicas had it too within `milliseconds`.

    Both go over one connection: WAIT is about the writes of its own.
    """
    client: Any = redis
    command = ("EVALSHA", script.sha, 0, *_pace(config), *arguments)

    async def call() -> tuple[Any, int]:
        async with client.pipeline(transaction=False) as pipe:
            pipe.execute_command(*command)
            wait_for_replica(pipe, milliseconds)
            answer, *_, replicas = await pipe.execute(raise_on_error=False)
        if isinstance(answer, Exception):
            raise answer
        return answer, replicas if isinstance(replicas, int) else 0

    return await _mended(redis, script, call)


def wait_for_replica(pipe: Any, milliseconds: int) -> None:
    """Have `pipe` end with how many replicas have everything that was written before.

    WAIT alone asks for what its own connection wrote: of a script that found only repeats nothing,
    and those may be on no replica yet.
    """
    pipe.set(SYNC_KEY, "", ex=SYNC_SECONDS)
    pipe.execute_command("WAIT", 1, milliseconds)


async def put_aside(redis: Redis) -> bool:
    """Rename every shared key of the lanes that is not of our kind; whether there was one."""
    client: Any = redis  # not annotated
    found = False
    keys = [*KINDS, *[key.decode() async for key in client.scan_iter(match="lanes:seen:*")]]
    for key in keys:
        kind = await client.type(key)
        if kind not in {b"none", KINDS.get(key, b"set")}:
            log.error("a key of the lanes was of another kind and is put aside", key=key, kind=kind)
            await client.rename(key, ASIDE + key)
            await client.expire(ASIDE + key, ASIDE_SECONDS)
            found = True
    if found:
        async for key in client.scan_iter(match="lane:*"):
            await client.zadd("lanes:schedule", {key[len("lane:") :]: 0}, nx=True)
    return found


async def forget_seen(redis: Redis) -> None:
    """Let no webhook pass for a repeat any more: the receipts know which are."""
    client: Any = redis
    async for key in client.scan_iter(match="lanes:seen:*"):
        await client.unlink(key)


def tell_aside(shops: list[bytes]) -> None:
    """Log the shops whose lane was no list, as a script found them."""
    for shop in shops:
        log.error("a lane was no list and is put aside", shop=shop.decode(errors="replace"))


async def _mended(redis: Redis, script: Script, call: Callable[[], Awaitable[T]]) -> T:
    try:
        return await call()
    except NoScriptError:  # Redis was restarted
        await redis.script_load(script.text)
    except ResponseError as error:
        if "WRONGTYPE" not in str(error) or not await put_aside(redis):
            raise
    return await call()


def _pace(config: Config) -> tuple[float, int]:
    """The first arguments of every script: the pace of a shop without one of its own."""
    return config.lane_rate_per_second, config.lane_burst
