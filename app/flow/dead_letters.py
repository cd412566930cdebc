"""Dead letters: events and webhooks that could not be handled, kept with reason and history
until a try succeeds.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog

from app import db, rooms
from app.db import Connection
from app.errors import NotFoundError
from app.flow.event import NewerVersionError
from app.flow.lanes.lane import LaneItem
from app.flow.models import DeadLetter
from app.resilience import deadline, failures
from app.telemetry import logs, metrics

TRIES_MAX = 6
FIRST_DELAY_SECONDS = 2
DELAY_FACTOR = 4
POSTPONED_SECONDS = 5.0
NEWER_SECONDS = 60.0  # until the release that knows it is there
BEGUN_SECONDS = 60.0  # when one whose process ended in the middle of its try comes again
RETRY_EVERY_SECONDS = 1.0
SHOPS_AT_ONCE = 200
AT_ONE_LOOK = 50
HISTORY_LENGTH_MAX = 20
ID_MAX = 2**63 - 1
SHOWN_LENGTH_MAX = (
    20_000  # characters of a payload on a page: a webhook may have 5 MB, and a page 20 letters
)
PARSED_BYTES_MAX = 64_000  # of a longer one only so much is read, and shown as it is
OPEN_STATES = ("waiting", "dead")

log = logs.logger()

AfterCommit = Callable[[], Awaitable[None]]
Attempt = Callable[[Connection, "Letter"], Awaitable[AfterCommit | None]]

INSERT = """
INSERT INTO dead_letters (service, shop, topic, reference, payload, state, reason, attempts,
                          history, next_attempt_at, proof, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10, $11, now(), now())
ON CONFLICT (service, shop, reference) DO NOTHING
RETURNING id
"""
# Shop by shop, the longest waiting of each first: one shop's thousands hold up nobody else's one.
# The shops are found by skipping through the index, which costs one step a shop and not a letter.
DUE = """
WITH RECURSIVE waiting AS (
     (SELECT shop FROM dead_letters
       WHERE service = $1 AND state = 'waiting' AND shop >= $2 ORDER BY shop LIMIT 1)
     UNION ALL
     SELECT (SELECT shop FROM dead_letters
              WHERE service = $1 AND state = 'waiting' AND shop > waiting.shop
              ORDER BY shop LIMIT 1)
       FROM waiting WHERE waiting.shop IS NOT NULL)
SELECT due.id, shops.shop
  FROM (SELECT shop FROM waiting WHERE shop IS NOT NULL LIMIT $3) AS shops
       CROSS JOIN LATERAL (
       SELECT id, next_attempt_at, row_number() OVER (ORDER BY next_attempt_at, id) AS turn
         FROM (SELECT id, next_attempt_at FROM dead_letters
                WHERE service = $1 AND state = 'waiting' AND dead_letters.shop = shops.shop
                  AND next_attempt_at <= $4
                ORDER BY next_attempt_at LIMIT $5) AS oldest) AS due
 ORDER BY due.turn, due.next_attempt_at LIMIT $5
"""
# Counted before it is tried: one that ends the process with it comes to its last try all the same.
BEGIN = """
UPDATE dead_letters
   SET attempts = attempts + 1, updated_at = now(),
       state = CASE WHEN attempts + 1 >= $2 THEN 'dead' ELSE 'waiting' END,
       next_attempt_at = now() + make_interval(secs => $3)
 WHERE id = $1 AND state = 'waiting' AND next_attempt_at <= $4
RETURNING id, service, shop, topic, reference, payload, proof, reason, attempts, history
"""
MARK_FAILED = """
UPDATE dead_letters
   SET state = $3, reason = $4, history = $5::jsonb, next_attempt_at = $6, updated_at = now()
 WHERE id = $1 AND attempts = $2
"""
POSTPONE = """
UPDATE dead_letters
   SET attempts = attempts - 1, state = 'waiting', updated_at = now(),
       next_attempt_at = now() + make_interval(secs => $3)
 WHERE id = $1 AND attempts = $2
"""
MARK_DONE = """
UPDATE dead_letters SET state = 'done', next_attempt_at = NULL, updated_at = now()
 WHERE id = $1 AND attempts = $2
"""
# A letter that waits already is only hurried, so asking twice is asking once.
REPLAY = """
UPDATE dead_letters
   SET attempts = CASE state WHEN 'dead' THEN 0 ELSE attempts END,
       history = CASE state WHEN 'dead' THEN history || $3::jsonb ELSE history END,
       state = 'waiting', next_attempt_at = now(), updated_at = now()
 WHERE shop = $1 AND state IN ('waiting', 'dead') AND ($2::bigint IS NULL OR id = $2)
RETURNING id
"""


# Of a payload only as much as is read is asked for: a page of twenty webhooks with 5 MB each kept
# everybody else in this process waiting while they came.
LIST = """
SELECT id, service, topic, reference, reason, state, attempts, history, created_at, next_attempt_at,
       substring(payload FOR $4) AS payload, length(payload) AS payload_bytes
  FROM dead_letters
 WHERE shop = $1 AND state IN ('waiting', 'dead')
 ORDER BY id DESC OFFSET $2 LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class ShownLetter:
    """A letter for a page; `payload` is readable text, the beginning of a long one; `history` is
    [{at, reason}].
    """

    id: int
    service: str
    topic: str
    reference: str
    reason: str
    state: str
    attempts: int
    history: list[dict[str, Any]]
    payload: str
    created_at: datetime
    next_attempt_at: datetime | None


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter in hand: `attempts` counts the present try, `history` is its JSON."""

    id: int
    service: str
    shop: str
    topic: str
    reference: str
    payload: bytes
    proof: str
    reason: str
    attempts: int
    history: str


@dataclass(frozen=True, slots=True)
class LetterPage:
    """Letters newest first; `pages` is at least 1, `page` counts from 1."""

    letters: list[ShownLetter]
    total: int
    page: int
    pages: int


async def add(
    connection: Connection,
    error: BaseException,
    *,
    service: str,
    shop: str,
    topic: str,
    reference: str,
    payload: bytes,
    proof: str = "",
) -> bool:
    """Set aside what `service` failed to handle with `error`; one statement on `connection`.

    It waits for its next try, or is dead at once when the error is permanent. One that only waits,
    for a lock or for a newer release, has not used up a try. `reference` (event id, webhook id)
    makes it unique within service and shop: a repeat changes nothing and answers False. `proof` is
    the signature of an entry that could not be verified, checked again when it is replayed.
    """
    reason = failures.reason(error)
    attempts = 0 if is_waiting(error) else 1
    state, next_attempt_at = _next(attempts, error)
    made = await connection.fetchval(
        INSERT,
        service,
        shop,
        topic,
        reference,
        payload,
        state,
        reason,
        attempts,
        _history([], reason),
        next_attempt_at,
        proof,
    )
    if made is None:
        return False
    metrics.DEAD_LETTERS.labels(service).inc()
    log.warning(
        "set aside",
        service=service,
        shop=shop,
        topic=topic,
        reference=reference,
        state=state,
        reason=reason,
    )
    return True


def is_waiting(error: BaseException) -> bool:
    """Whether nothing is wrong with it: somebody holds a lock, or a newer release knows it."""
    return failures.is_locked(error) or isinstance(error, NewerVersionError)


async def run(service: str, attempt: Attempt, stop: asyncio.Event) -> None:
    """Try the letters of `service` again as they come due, beside everything else it does."""
    backoff = failures.Backoff(f"{service} retrying what was set aside")
    while not stop.is_set():
        try:
            found = await due(service, datetime.now(UTC), AT_ONE_LOOK)
            await _try(found, datetime.now(UTC), attempt)
        except Exception as error:  # noqa: BLE001 - a store is away: they wait
            await backoff.wait(error, stop)
            continue
        backoff.over()
        if len(found) < AT_ONE_LOOK:
            await deadline.pause(RETRY_EVERY_SECONDS, stop)


async def retry_due(
    service: str, attempt: Attempt, *, now: datetime | None = None, limit: int = AT_ONE_LOOK
) -> int:
    """Try the due letters of `service` once, each in a transaction of its own; how many succeeded.

    `attempt(connection, letter)` does the work in that transaction, which also marks the letter
    done, and may return what to do after the commit. A letter that fails waits longer, or is dead
    after the last try; a failure of the infrastructure costs no try. Raises when Postgres does not
    answer.
    """
    moment = now or datetime.now(UTC)
    return await _try(await due(service, moment, limit), moment, attempt)


async def _try(found: Sequence[int], moment: datetime, attempt: Attempt) -> int:
    seats = asyncio.Semaphore(rooms.LETTERS.connections)

    async def take(letter_id: int) -> bool:
        async with seats:
            return await _retry(letter_id, moment, attempt)

    with rooms.inside(rooms.LETTERS):
        return sum(await asyncio.gather(*(take(letter_id) for letter_id in found)))


async def due(service: str, now: datetime, limit: int = AT_ONE_LOOK) -> list[int]:
    """Ids of letters whose next try has come: the first of each shop, then the second of each."""
    async with db.connection() as connection:
        after = _turns.get(service, "")
        rows = await connection.fetch(DUE, service, after, SHOPS_AT_ONCE, now, limit)
        if after and len({row["shop"] for row in rows}) < SHOPS_AT_ONCE:
            rows += await connection.fetch(DUE, service, "", SHOPS_AT_ONCE, now, limit)
    # with more shops than one look sees, the next look begins behind them
    shops = {row["shop"] for row in rows}
    _turns[service] = max(shops) if len(shops) >= SHOPS_AT_ONCE else ""
    return list(dict.fromkeys(row["id"] for row in rows))[:limit]


_turns: dict[str, str] = {}  # by service: the shop the next look for due letters begins behind


async def _retry(letter_id: int, now: datetime, attempt: Attempt) -> bool:
    async with db.connection() as connection:
        row = await connection.fetchrow(BEGIN, letter_id, TRIES_MAX, BEGUN_SECONDS, now)
    if row is None:
        return False  # another process has it in hand, or is done with it
    letter = Letter(**dict(row))
    with structlog.contextvars.bound_contextvars(shop=letter.shop, event_id=letter.reference):
        try:
            async with db.transaction() as connection:
                after_commit = await attempt(connection, letter)
                await connection.execute(MARK_DONE, letter.id, letter.attempts)
        except Exception as error:  # noqa: BLE001 - one letter's failure is not the others'
            if failures.is_passing(error) or is_waiting(error):
                await _postpone(letter, error)
            else:
                await _mark_failed(letter, error)
            return False
        log.info(
            "dead letter handled",
            service=letter.service,
            topic=letter.topic,
            attempts=letter.attempts,
        )
        await finish(after_commit)
        return True


async def finish(after_commit: AfterCommit | None) -> None:
    """What follows a commit (caches) can fail without undoing it: logged, and healed by the
    caches' own age.
    """
    if after_commit is None:
        return
    try:
        await after_commit()
    except Exception as error:  # noqa: BLE001 - the effect is committed; nothing here may repeat it
        log.warning("after-commit work failed", error=failures.reason(error))


async def _postpone(letter: Letter, error: Exception) -> None:
    """Let others go first: whatever goes on failing for this one must not hold them up."""
    log.warning(
        "held up", service=letter.service, topic=letter.topic, reason=failures.reason(error)
    )
    seconds = NEWER_SECONDS if isinstance(error, NewerVersionError) else POSTPONED_SECONDS
    async with db.connection() as connection:
        await connection.execute(POSTPONE, letter.id, letter.attempts, seconds)


async def _mark_failed(letter: Letter, error: Exception) -> None:
    reason = failures.reason(error)
    state, next_attempt_at = _next(letter.attempts, error)
    log.warning(
        "failed again", service=letter.service, topic=letter.topic, state=state, reason=reason
    )
    history = _history(json.loads(letter.history), reason)
    async with db.connection() as connection:
        await connection.execute(
            MARK_FAILED, letter.id, letter.attempts, state, reason, history, next_attempt_at
        )


def _next(attempts: int, error: BaseException) -> tuple[str, datetime | None]:
    """State and time of the next try after `attempts` failed ones: 2 s, 8 s, 32 s, 2 min, 8.5 min,
    then dead.
    """
    now = datetime.now(UTC)
    if isinstance(error, NewerVersionError):
        return "waiting", now + timedelta(seconds=NEWER_SECONDS)
    if attempts == 0:
        return "waiting", now + timedelta(seconds=POSTPONED_SECONDS)
    if failures.is_permanent(error) or attempts >= TRIES_MAX:
        return "dead", None
    jitter = random.uniform(1.0, 1.1)  # noqa: S311 - not for secrets
    delay = FIRST_DELAY_SECONDS * DELAY_FACTOR ** (attempts - 1) * jitter
    return "waiting", now + timedelta(seconds=delay)


def _history(before: list[dict[str, str]], reason: str) -> str:
    entry = {"at": datetime.now(UTC).isoformat(), "reason": reason}
    return json.dumps([*before, entry][-HISTORY_LENGTH_MAX:])


async def list_for_shop(shop: str, page: int = 1, size: int = 20) -> LetterPage:
    """The waiting and dead letters of `shop`, newest first, a page at a time; a page past the
    end is the last one.
    """
    total = await count_for_shop(shop)
    pages = max(1, -(-total // size))
    page = min(max(1, page), pages)
    async with db.connection() as connection:
        rows = await connection.fetch(LIST, shop, (page - 1) * size, size, PARSED_BYTES_MAX + 1)
    # in a thread: indenting twenty payloads would keep everybody else in this process waiting
    letters = await asyncio.to_thread(lambda: [_shown(row) for row in rows])
    return LetterPage(letters, total, page, pages)


def _shown(row: Any) -> ShownLetter:
    fields = dict(row)
    payload, size = fields.pop("payload"), fields.pop("payload_bytes")
    history = json.loads(fields.pop("history"))
    return ShownLetter(**fields, payload=readable(payload, size), history=history)


async def count_for_shop(shop: str) -> int:
    """How many letters of `shop` are waiting or dead."""
    return await DeadLetter.filter(shop=shop, state__in=OPEN_STATES).count()


async def replay(shop: str, letter_id: int) -> None:
    """Ask for another try of one letter now; its service takes it up within a second or two.

    Asking again changes nothing, nor does asking for one that was handled. Raises NotFoundError
    when the shop has no such letter.
    """
    is_id = 0 < letter_id <= ID_MAX
    if not is_id or (
        not await _replay(shop, letter_id) and not await DeadLetter.exists(shop=shop, id=letter_id)
    ):
        raise NotFoundError("There is no such dead letter in this shop.")


async def replay_all(shop: str) -> int:
    """Ask for another try of every waiting or dead letter of `shop`; returns how many there are."""
    return await _replay(shop, None)


async def _replay(shop: str, letter_id: int | None) -> int:
    async with db.transaction() as connection:
        rows = await connection.fetch(REPLAY, shop, letter_id, _history([], "Replay asked for."))
    log.info("replay asked for", shop=shop, letters=len(rows))
    return len(rows)


def readable(payload: bytes, size: int | None = None) -> str:
    """A letter's payload as indented text for people: JSON as it is, a lane item with its body
    unfolded; its beginning, where it is long. `size` is that of the whole, where this is a part.
    """
    text = _readable(payload)
    more = len(text) - SHOWN_LENGTH_MAX + max(0, (size or 0) - len(payload))
    return text if more <= 0 else f"{text[:SHOWN_LENGTH_MAX]}\n… and {more:,} characters more"


def _readable(payload: bytes) -> str:
    if len(payload) > PARSED_BYTES_MAX:
        return payload.decode(errors="replace")
    for decode in (msgspec.json.decode, _lane_item, msgspec.msgpack.decode):
        try:
            return json.dumps(_unfold(decode(payload)), indent=2, ensure_ascii=False)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    return payload.decode(errors="replace")


def _lane_item(payload: bytes) -> dict[str, Any]:
    """The fields of a webhook by their names, with what it says first, because people look for
    that.
    """
    fields = msgspec.structs.asdict(msgspec.msgpack.decode(payload, type=LaneItem))
    return {"body": _unfold(fields.pop("body")), **fields}


def _unfold(value: Any) -> Any:
    if isinstance(value, list):
        return [_unfold(part) for part in value]
    if isinstance(value, bytes):
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return value.decode(errors="replace")
    return value
