"""Merchants' lanes in Redis: admission, fair and paced claims, leases, and the schedule that
joins them.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from app.config import Config
from app.flow.lanes import scripts
from app.telemetry import logs

Verdict = Literal["queued", "duplicate", "full"]

# Shopify repeats a delivery for four hours: three windows know a webhook for four to six
SEEN_WINDOW_MILLISECONDS = 2 * 3600 * 1000
SEEN_MAX = 5_000_000  # marks a window, about 64 bytes each; beyond them the receipts drop repeats
MARK_BYTES = 12
# a batch takes a tenth of a second; after a kill -9 its lanes are free again this soon
LEASE_MILLISECONDS = 5_000
RENEW_SECONDS_MAX = 60.0  # a drain that hangs longer gives its lanes up
WATCH_MILLISECONDS = 3_000  # how long a drain that died can keep others from being woken
CLAIM_BYTES_MAX = 8 * 1024 * 1024
# from here on a webhook is measured before it is claimed; 1,000 below it are 32 MB at most
LARGE_BYTES = 32 * 1024
# a borrower's batch is what somebody who comes meanwhile waits for: a few hundredths of a second
BORROW_MAX = 250

log = logs.logger()


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
    request_id: str  # or more of its trace: see app.telemetry.carriers
    body: bytes


LaneRow = tuple[str, str, bytes]  # shop, webhook id, encoded item


@dataclass(frozen=True, slots=True)
class Admitted:
    """What became of every webhook, and whether a drain must be woken."""

    verdicts: list[Verdict]
    is_wake_needed: bool
    replicas: int = 0  # that have it too, where they were waited for
    told: "Told | None" = None  # None when nothing was queued, or by nobody


class Call(NamedTuple):
    """Who admits: a random token, the number of this call of theirs, and that of the last one which
    is known to be kept.
    """

    caller: str
    number: int
    number_kept: int


NOBODY = Call("", 0, 0)


class Told(NamedTuple):
    """What Redis knew when it queued something: its era, the last beat of that (milliseconds), and
    the number of the caller's call before.
    """

    era: str
    beat: int
    number: int


@dataclass(frozen=True, slots=True)
class Claim:
    """The head of a leased lane, encoded items; `fence` proves the lease when they are
    acknowledged.
    """

    shop: str
    fence: str
    items: list[bytes]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(LaneItem).decode


def encode_item(item: LaneItem) -> bytes:
    return _encode(item)


def decode_item(encoded: bytes) -> LaneItem:
    """Raises msgspec.DecodeError when these bytes are no item."""
    return _decode(encoded)


async def admit(
    redis: Redis, items: Sequence[LaneItem], config: Config, *, again: bool = False
) -> Admitted:
    """Append webhooks to their lanes in one call, dropping those seen in the last hours.

    `again` puts a webhook back that was seen before, such as a replayed dead letter.
    """
    rows = [(item.shop, item.webhook_id, _encode(item)) for item in items]
    return await admit_encoded(redis, rows, config, again=again)


async def admit_encoded(
    redis: Redis,
    rows: Sequence[LaneRow],
    config: Config,
    *,
    again: bool = False,
    replica_milliseconds: int = 0,
    call: Call = NOBODY,
) -> Admitted:
    """Like `admit`, for rows of shop, webhook id and encoded item, by `call`.

    With `replica_milliseconds` it waits so long for one replica to have them too. Raises redis
    errors, also when Redis is full: then nothing was written.
    """
    positions: dict[str, list[int]] = {}
    for position, row in enumerate(rows):
        positions.setdefault(row[0], []).append(position)
    arguments: list[Any] = [
        config.lane_max_length,
        0 if again else SEEN_WINDOW_MILLISECONDS,
        SEEN_MAX,
        WATCH_MILLISECONDS,
        LARGE_BYTES,
        *call,
    ]
    for shop, found in positions.items():
        arguments += (shop, len(found))
        arguments += [_mark(rows[position]) for position in found]
        arguments += [rows[position][2] for position in found]
    if replica_milliseconds:
        answer, replicas = await scripts.run_and_wait(
            redis, ADMIT, config, *arguments, milliseconds=replica_milliseconds
        )
    else:
        answer, replicas = await scripts.run(redis, ADMIT, config, *arguments), 0
    letters, wake, asides, (era, beat, number) = answer
    scripts.tell_aside(asides)
    verdicts: list[Verdict] = ["queued"] * len(rows)
    order = (position for found in positions.values() for position in found)
    for position, letter in zip(order, letters, strict=True):
        verdicts[position] = _VERDICTS[letter]
    told = Told(era.decode(), int(beat), number) if number >= 0 else None
    return Admitted(verdicts, wake == 1, replicas, told)


async def claim(
    redis: Redis, limit: int, config: Config, *, borrow_max: int = BORROW_MAX
) -> list[Claim]:
    """Lease up to `limit` webhooks that are due, from many lanes; they stay in their lanes
    until acknowledged.

    Up to `borrow_max` of what nobody due takes goes to shops that have used up their tokens.
    """
    fence = secrets.token_hex(8)
    leased, asides = await scripts.run(
        redis,
        CLAIM,
        config,
        limit,
        CLAIM_BYTES_MAX,
        LEASE_MILLISECONDS,
        WATCH_MILLISECONDS,
        fence,
        borrow_max,
    )
    scripts.tell_aside(asides)
    shops = [shop.decode() for shop in leased[::2]]
    heads = await _heads(redis, shops, leased[1::2])
    return [Claim(shop, fence, items) for shop, items in zip(shops, heads, strict=True)]


async def acknowledge(
    redis: Redis,
    claims: Sequence[Claim],
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
        large = sum(len(item) > LARGE_BYTES for item in claimed.items[:count])
        arguments += (claimed.shop, claimed.fence, count, large)
    if not arguments:
        return 0
    return sum(await scripts.run(redis, ACKNOWLEDGE, config, *arguments))


@asynccontextmanager
async def kept(redis: Redis, claims: Sequence[Claim], config: Config) -> AsyncIterator[None]:
    """While the block runs the leases of `claims` are renewed, for a minute at most."""
    renewing = asyncio.create_task(_keep_renewing(redis, claims, config))
    try:
        yield
    finally:
        renewing.cancel()


async def renew(redis: Redis, claims: Sequence[Claim], config: Config) -> int:
    """Let the leases begin anew; returns how many were still ours."""
    arguments = [value for claimed in claims for value in (claimed.shop, claimed.fence)]
    return int(await scripts.run(redis, RENEW, config, LEASE_MILLISECONDS, *arguments))


async def finish(redis: Redis, config: Config, *, borrow: bool = True) -> bool:
    """Whether something is to be drained now; if not, in the same step, the next webhook wakes a
    drain.
    """
    return bool(await scripts.run(redis, FINISH, config, int(borrow)) == 1)


async def lane_length(redis: Redis, shop: str) -> int:
    """How many webhooks of `shop` wait."""
    return int(await redis.llen(f"lane:{shop}"))  # type: ignore[misc] # sync and async as one


async def lengths(redis: Redis, shops: Sequence[str]) -> list[int]:
    """How many webhooks of each of `shops` wait; none where the lane is damaged."""
    client: Any = redis
    async with client.pipeline(transaction=False) as pipe:
        for shop in shops:
            pipe.llen(f"lane:{shop}")
        found = await pipe.execute(raise_on_error=False)
    return [one if isinstance(one, int) else 0 for one in found]


async def _heads(redis: Redis, shops: Sequence[str], counts: Sequence[int]) -> list[list[bytes]]:
    """The first `counts` items of the lanes of `shops`, in one go on one connection, and with one
    deadline: as a pipeline of redis-py it would cost twice what reading them within Lua does.
    """
    if not shops:
        return []
    pool: Any = redis.connection_pool
    connection = await pool.get_connection()
    try:
        commands = [
            connection.pack_command("LRANGE", f"lane:{shop}", 0, count - 1)[0]
            for shop, count in zip(shops, counts, strict=True)
        ]
        await connection.send_packed_command([b"".join(commands)])
        async with asyncio.timeout(connection.socket_timeout):
            found = [await connection._parser.read_response(True) for _ in commands]  # noqa: SLF001
    except BaseException:
        await connection.disconnect(nowait=True)  # answers may be left in it
        raise
    finally:
        await pool.release(connection)
    if damaged := next((one for one in found if isinstance(one, ResponseError)), None):
        raise damaged
    return found


async def _keep_renewing(redis: Redis, claims: Sequence[Claim], config: Config) -> None:
    pause_seconds = LEASE_MILLISECONDS / 3000
    for _ in range(int(RENEW_SECONDS_MAX / pause_seconds)):
        await asyncio.sleep(pause_seconds)
        try:
            await renew(redis, claims, config)
        except (RedisError, OSError) as error:
            log.warning("leases could not be renewed", lanes=len(claims), error=repr(error))


def _mark(row: LaneRow) -> bytes:
    """What the sieve remembers of a webhook: 96 bits, so that no two of a day are ever alike."""
    return blake2b(f"{row[0]} {row[1]}".encode(), digest_size=MARK_BYTES).digest()


_VERDICTS: dict[int, Verdict] = {ord("q"): "queued", ord("d"): "duplicate", ord("f"): "full"}
ADMIT, CLAIM, ACKNOWLEDGE = (scripts.Script(name) for name in ("admit", "claim", "acknowledge"))
RENEW, FINISH = scripts.Script("renew"), scripts.Script("finish")
