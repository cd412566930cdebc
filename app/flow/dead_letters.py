"""Dead letters: events and webhooks that could not be handled, kept with reason and history
until a try succeeds.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from app import db, rooms
from app.db import Connection
from app.errors import NotFoundError
from app.flow import due_letters, ring_letters
from app.flow.models import DeadLetter
from app.resilience import deadline, failures
from app.telemetry import logs, metrics

TRIES_MAX = 6
FIRST_DELAY_SECONDS = 2
DELAY_FACTOR = 4
POSTPONED_SECONDS = 5.0
BEGUN_SECONDS = 60.0  # when one whose process ended in the middle of its try comes again
RETRY_EVERY_SECONDS = 1.0
HISTORY_LENGTH_MAX = 20
ID_MAX = 2**63 - 1

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
# A letter that waits already is only hurried, so asking twice is asking once. One that was
# dismissed comes back when it is asked for by itself.
REPLAY = """
UPDATE dead_letters
   SET attempts = CASE state WHEN 'waiting' THEN attempts ELSE 0 END,
       history = CASE state WHEN 'waiting' THEN history ELSE history || $3::jsonb END,
       state = 'waiting', next_attempt_at = now(), updated_at = now()
 WHERE shop = $1 AND ($2::bigint IS NULL OR id = $2)
   AND (state IN ('waiting', 'dead') OR (id = $2 AND state = 'discarded'))
RETURNING id
"""


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
    ring_letters.count(shop)
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
    """Whether nothing is wrong with it: somebody holds a lock, or its time has not come yet (an
    error that says for how long it `waits_seconds`).
    """
    return failures.is_locked(error) or hasattr(error, "waits_seconds")


async def run(service: str, attempt: Attempt, stop: asyncio.Event) -> None:
    """Try the letters of `service` again as they come due, beside everything else it does."""
    backoff = failures.Backoff(f"{service} retrying what was set aside")
    while not stop.is_set():
        try:
            found = await due_letters.find(service, datetime.now(UTC))
            await _try(found, datetime.now(UTC), attempt)
        except Exception as error:  # noqa: BLE001 - a store is away: they wait
            await backoff.wait(error, stop)
            continue
        backoff.over()
        if len(found) < due_letters.AT_ONE_LOOK:
            await deadline.pause(RETRY_EVERY_SECONDS, stop)


async def retry_due(
    service: str,
    attempt: Attempt,
    *,
    now: datetime | None = None,
    limit: int = due_letters.AT_ONE_LOOK,
) -> int:
    """Try the due letters of `service` once, each in a transaction of its own; how many succeeded.

    `attempt(connection, letter)` does the work in that transaction, which also marks the letter
    done, and may return what to do after the commit. A letter that fails waits longer, or is dead
    after the last try; a failure of the infrastructure costs no try. Raises when Postgres does not
    answer.
    """
    moment = now or datetime.now(UTC)
    return await _try(await due_letters.find(service, moment, limit), moment, attempt)


async def _try(found: Sequence[int], moment: datetime, attempt: Attempt) -> int:
    seats = asyncio.Semaphore(rooms.LETTERS.connections)

    async def take(letter_id: int) -> bool:
        async with seats:
            return await _retry(letter_id, moment, attempt)

    with rooms.inside(rooms.LETTERS):
        return sum(await asyncio.gather(*(take(letter_id) for letter_id in found)))


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
    seconds = getattr(error, "waits_seconds", POSTPONED_SECONDS)
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
    if is_waiting(error) or attempts == 0:
        seconds = getattr(error, "waits_seconds", POSTPONED_SECONDS)
        return "waiting", now + timedelta(seconds=seconds)
    if failures.is_permanent(error) or attempts >= TRIES_MAX:
        return "dead", None
    jitter = random.uniform(1.0, 1.1)  # noqa: S311 - not for secrets
    delay = FIRST_DELAY_SECONDS * DELAY_FACTOR ** (attempts - 1) * jitter
    return "waiting", now + timedelta(seconds=delay)


def _history(before: list[dict[str, str]], reason: str) -> str:
    entry = {"at": datetime.now(UTC).isoformat(), "reason": reason}
    return json.dumps([*before, entry][-HISTORY_LENGTH_MAX:])


async def replay(shop: str, letter_id: int) -> None:
    """Ask for another try of one letter now, within a second or two. Asking again changes nothing,
    nor does asking for one that was handled. Raises NotFoundError when there is none.
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
