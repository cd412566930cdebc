"""The second half of a redemption: points already held, what they buy made at Shopify, then
captured or released.

A redemption stays held while nobody knows whether its code exists: money fails closed. The code is
fixed with the hold, so a repeated call finds what an earlier one made; what has no code is looked
for before it is asked for again, and not before a lost call can no longer do its work. After an
hour Shopify is only asked what there is: a code of ours that exists is captured, since the shopper
asked for exactly that and nobody else can use it; no code releases the points; no answer leaves
them held. A released one is looked for once more, and a code made too late is switched off.

A call that our own circuit, bulkhead or the shop's cost budget refused was never sent and counts as
no attempt. When none was ever sent, the points go back after ten minutes without asking Shopify.
"""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import httpx

from app import db
from app.db import Row, Stores
from app.errors import HoldfastError, NotFoundError
from app.points.rewards import comebacks, issuing, kinds, reads, settling, switched
from app.points.rewards.issuing import COLUMNS, NotSentError
from app.points.rewards.kinds.parts import Found, Lease, SpentError
from app.points.views import RedemptionView
from app.resilience import apart
from app.telemetry import logs, traces

ATTEMPT_SECONDS = 9.0  # then it is tried again later
LEASE = timedelta(
    seconds=10
)  # longer than an attempt, and all that a killed process costs the shopper
PAUSE_SECONDS_MAX = 60.0  # between two attempts to make the code
PAUSE_SECONDS_MAX_LATE = 900.0  # once it is only a matter of finding out what there is
UNSENT_GIVE_UP_AFTER = timedelta(minutes=10)  # a shopper need not wait longer for what never began
PAUSE_SECONDS_MIN_UNSENT = 2.0  # then a tenth of what it has waited already
NEVER_ASKED = "The code could not be made just now."
CLEANUPS_MAX = 200  # two days of not being able to look
BATCH = 50
AT_ONCE = 8
log = logs.logger()

# One attempt at a time: whoever moves next_attempt_at ahead has the lease; the first attempt need
# not wait. A create counts as sent before it is: a process that dies on the way leaves it counted.
LEASE_HELD = f"""
UPDATE redemptions SET attempts = attempts + 1,
                       next_attempt_at = CASE WHEN kind = ANY($4::text[]) THEN $5::timestamptz
                                              ELSE $3::timestamptz END,
                       tries_sent = tries_sent + CASE WHEN give_up_at > $2 THEN 1 ELSE 0 END
 WHERE id = $1 AND state = 'held' AND (next_attempt_at <= $2 OR attempts = 0) RETURNING {COLUMNS}
"""
UNDO = """
UPDATE redemptions SET attempts = attempts - 1, tries_sent = tries_sent - 1, next_attempt_at = $2
 WHERE id = $1 AND state = 'held'
"""
LEASE_RELEASED = f"""
UPDATE redemptions SET attempts = attempts + 1, next_attempt_at = $3
 WHERE id = $1 AND state = 'released' AND next_attempt_at <= $2 RETURNING {COLUMNS}
"""
LATER = "UPDATE redemptions SET next_attempt_at = $3 WHERE id = $1 AND state = $2"
# the first of every shop, then the second of every shop: one shop's backlog holds up nobody else's
SELECT_DUE = """
SELECT id, state FROM (
  SELECT id, state, next_attempt_at,
         row_number() OVER (PARTITION BY shop ORDER BY next_attempt_at) AS place
    FROM redemptions
   WHERE state IN ('held', 'released', 'captured') AND next_attempt_at <= $1
) AS due ORDER BY place, next_attempt_at LIMIT $2
"""


async def complete(stores: Stores, client: httpx.AsyncClient, redemption_id: str) -> RedemptionView:
    """Bring one held redemption on: captured with its code, released with a reason, or still held.

    Safe to call any number of times from anywhere: one attempt runs at a time. What fails on the
    way leaves it held, with its next attempt booked. Raises NotFoundError for an unknown id.
    """
    now = datetime.now(UTC)
    async with db.connection() as conn:
        row = await conn.fetchrow(
            LEASE_HELD,
            redemption_id,
            now,
            now + LEASE,
            list(kinds.WITHOUT_KEY),
            now + timedelta(seconds=max(kinds.WITHOUT_KEY.values())),
        )
    if row is not None:
        lease = issuing.lease(row)
        try:
            with traces.resumed("redemption", lease.request_id):
                async with asyncio.timeout(ATTEMPT_SECONDS):
                    await _attempt(stores, client, lease, now)
        except (
            asyncio.CancelledError
        ):  # whoever asked cannot wait longer: somebody else need not wait for the lease
            await _try_later(lease, now)
            raise
        except NotSentError as error:
            _log("redemption stays held", lease, error)
            await _undo(lease, now)
        except Exception as error:  # noqa: BLE001
            # whatever it was, the points stay held and it is tried again
            _log("redemption stays held", lease, error)
            await _try_later(lease, now)
    return await view(redemption_id)


async def sweep(
    stores: Stores, client: httpx.AsyncClient, now: datetime | None = None, limit: int = BATCH
) -> int:
    """Go on with every redemption that is due, a few at a time; how many were due. One that cannot
    be gone on with is put off, and holds up no other.
    """
    async with db.connection() as conn:
        due = await conn.fetch(SELECT_DUE, now or datetime.now(UTC), limit)
    seats = asyncio.Semaphore(AT_ONCE)

    async def bring(row: Row) -> int:
        await BRING[row["state"]](stores, client, str(row["id"]))
        return 1

    async def go_on(row: Row) -> None:
        async with seats:
            await apart.each("redemptions", [row], bring, _put_off)

    ended = await asyncio.gather(*map(go_on, due), return_exceptions=True)
    for error in ended:
        if error is not None:
            raise error
    return len(due)


async def clean_up(stores: Stores, client: httpx.AsyncClient, redemption_id: str) -> None:
    """Look for the code of a released redemption, and switch it off if a call we gave up on has
    made it after all.
    """
    now = datetime.now(UTC)
    async with db.connection() as conn:
        row = await conn.fetchrow(LEASE_RELEASED, redemption_id, now, now + LEASE)
    if row is None:
        return
    lease = issuing.lease(row)
    try:
        async with asyncio.timeout(ATTEMPT_SECONDS):
            found = await issuing.find(stores, client, lease)
            if found and found.is_ours and found.is_active:
                await issuing.take_back(stores, client, lease, found)
                log.info("late code switched off", redemption_id=redemption_id, shop=lease.shop)
    except SpentError:
        log.warning("late code was used before", redemption_id=redemption_id, shop=lease.shop)
    except Exception as error:  # noqa: BLE001
        # looked for again, so long as there is hope of an answer
        _log("late code not looked for", lease, error)
        if lease.attempts < CLEANUPS_MAX:
            await _later(lease, now + timedelta(seconds=PAUSE_SECONDS_MAX_LATE))
            return
        said = "nobody knows whether a released code exists"
        log.error(said, redemption_id=redemption_id)  # noqa: TRY400 - its traceback stands above
    await _later(lease, None)


BRING = {"held": complete, "released": clean_up, "captured": comebacks.end_unused}


async def view(redemption_id: str) -> RedemptionView:
    """The redemption as its shopper may see it. Raises NotFoundError."""
    async with db.connection() as conn:
        row = await conn.fetchrow(
            f"SELECT {reads.REDEMPTION_COLUMNS} FROM redemptions WHERE id = $1",
            redemption_id,
        )
    if row is None:
        raise NotFoundError("There is no such redemption.")
    return reads.redemption_view(row)


async def _attempt(stores: Stores, client: httpx.AsyncClient, lease: Lease, now: datetime) -> None:
    """One try; raises what may pass by itself."""
    redemption_id = str(lease.id)
    is_late = now >= lease.give_up_at
    sent_before = lease.tries_sent - (0 if is_late else 1)
    if sent_before == 0 and (is_late or now >= lease.created_at + UNSENT_GIVE_UP_AFTER):
        await settling.give_back(stores, redemption_id, NEVER_ASKED)
        return
    if is_late:
        found = await issuing.find(stores, client, lease)
        if found and found.is_ours and found.is_active:
            await _capture(stores, lease, found.gid)
        else:
            await settling.give_back(
                stores, redemption_id, "Shopify could not make the code in time."
            )
        return
    if sent_before == 0 and switched.is_off(lease.kind, lease.shop):
        raise NotSentError(switched.OFF)
    made = await issuing.create(stores, client, lease)
    if isinstance(made, Found):
        await _capture(stores, lease, made.gid)
    else:
        log.info(
            "redemption refused", redemption_id=redemption_id, shop=lease.shop, reason=made.reason
        )
        await settling.give_back(stores, redemption_id, made.reason)


async def _capture(stores: Stores, lease: Lease, gid: str) -> None:
    """The code exists. If the points went back while its answer was on the way, it is to be
    switched off at once.
    """
    if not await settling.capture(stores, str(lease.id), gid):
        async with db.connection() as conn:
            await conn.execute(LATER, lease.id, "released", datetime.now(UTC))


def _log(what: str, lease: Lease, error: Exception) -> None:
    is_expected = isinstance(error, (HoldfastError, httpx.HTTPError, TimeoutError, OSError))
    log.warning(
        what,
        redemption_id=str(lease.id),
        shop=lease.shop,
        attempts=lease.attempts,
        reason=getattr(error, "code", type(error).__name__),
        exc_info=None if is_expected else error,
    )


async def _try_later(lease: Lease, now: datetime) -> None:
    limit = PAUSE_SECONDS_MAX_LATE if now >= lease.give_up_at else PAUSE_SECONDS_MAX
    jitter = random.uniform(0.8, 1.2)  # noqa: S311
    pause_seconds = min(2.0 ** min(lease.attempts, 20), limit) * jitter
    if now < lease.give_up_at:  # a call that was lost may still do its work
        pause_seconds = max(pause_seconds, kinds.WITHOUT_KEY.get(lease.kind, 0.0))
    await _later(lease, now + timedelta(seconds=pause_seconds))


async def _undo(lease: Lease, now: datetime) -> None:
    """What was never sent is no attempt. The next pause grows with the time it has waited."""
    waited_seconds = (now - lease.created_at).total_seconds()
    pause_seconds = min(PAUSE_SECONDS_MAX, max(PAUSE_SECONDS_MIN_UNSENT, waited_seconds / 10))
    at = now + timedelta(seconds=pause_seconds * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
    async with db.connection() as conn:
        await conn.execute(UNDO, lease.id, at)


async def _put_off(row: Row) -> None:
    at = datetime.now(UTC) + timedelta(seconds=PAUSE_SECONDS_MAX_LATE)
    async with db.connection() as conn:
        await conn.execute(LATER, row["id"], row["state"], at)


async def _later(lease: Lease, at: datetime | None) -> None:
    async with db.connection() as conn:
        await conn.execute(LATER, lease.id, lease.state, at)
