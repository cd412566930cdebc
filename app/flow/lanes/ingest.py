"""Drains the lanes: webhooks become receipts and facts in one transaction, and only then leave
their lane.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

import msgspec

from app import db
from app.db import Connection
from app.flags import evaluation, known
from app.flow import dead_letters
from app.flow.dead_letters import Letter
from app.flow.lanes import bodies, lane, receipts, translation
from app.flow.lanes.lane import Claim
from app.flow.lanes.translation import Translate, Translation
from app.resilience import failures, health
from app.resilience.progress import Progress
from app.services import SERVICES
from app.telemetry import logs, traces

LINGER_SECONDS = 0.5  # looking a while longer is cheaper than waking the next drain
LOOK_EVERY_SECONDS = 0.01
# A small batch costs several times as much a webhook as a large one: after one, a moment lets more
# gather. A webhook that comes alone waits for nothing.
GATHER_SECONDS = 0.008
GATHER_BELOW = 500
BORROW_LAG_SECONDS_MAX = 1.0
log = logs.logger()

KnownShops = Callable[[Iterable[str]], Awaitable[set[str]]]


async def drain(
    stores: db.Stores,
    translate: Translate,
    known_shops: KnownShops,
    *,
    stop: asyncio.Event | None = None,
    progress: Progress | None = None,
) -> None:
    """Go on while something is due, or until `stop` is set. Raises when a store is away."""
    idle_since = time.monotonic()
    progress = progress or Progress()
    while not (stop and stop.is_set()):
        borrow = await _may_borrow(stores)
        with progress.busy():
            count = await drain_once(
                stores, translate, known_shops, borrow=borrow, made=progress.made
            )
        if count:
            progress.made()
            idle_since = time.monotonic()
            if count < GATHER_BELOW:
                await asyncio.sleep(GATHER_SECONDS)
        elif time.monotonic() - idle_since < LINGER_SECONDS:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        elif not await lane.finish(stores.lane, stores.config, borrow=borrow):
            return


async def drain_once(
    stores: db.Stores,
    translate: Translate,
    known_shops: KnownShops,
    *,
    borrow: bool = True,
    made: Callable[[], None] = lambda: None,
) -> int:
    """Claim what is due, write it in one transaction, acknowledge; returns how many webhooks were
    claimed.

    A crash before the acknowledgement repeats the batch, and the unique receipts make the repeat a
    no-op. The leases are kept while the batch is written, however long that takes.
    """
    claims = await lane.claim(
        stores.lane,
        stores.config.drain_batch,
        stores.config,
        borrow_max=lane.BORROW_MAX if borrow else 0,
    )
    if not claims:
        return 0
    with traces.batch("drain"):
        return await _settle(stores, claims, translate, known_shops, made)


async def _settle(
    stores: db.Stores,
    claims: Sequence[Claim],
    translate: Translate,
    known_shops: KnownShops,
    made: Callable[[], None],
) -> int:
    async with lane.kept(stores.lane, claims, stores.config):
        try:
            translations = await _translate_all(stores, claims, translate, known_shops)
            translation.notice_versions(translations, stores.config.api_version)
            await receipts.write(translations, stores.queue)
        except Exception as error:
            if failures.is_passing(error):
                raise  # the leases end by themselves, and the lanes are drained again
            log.warning(
                "batch failed, going lane by lane", lanes=len(claims), reason=failures.reason(error)
            )
            for claim in claims:
                await _drain_lane(stores, claim, translate, known_shops, made)
        else:
            await _acknowledge(stores, claims)
    return sum(len(claim.items) for claim in claims)


async def _may_borrow(stores: db.Stores) -> bool:
    """Whether a shop beyond its pace may have what nobody else waits for: not while a service is
    behind, for there the others would wait behind it.
    """
    if not evaluation.is_on(known.BORROWING):
        return False
    board = await health.board(stores.queue)
    return all(
        line.beat_at is None or (line.alive and line.lag_seconds < BORROW_LAG_SECONDS_MAX)
        for line in (board[one.name] for one in SERVICES)
    )


async def _acknowledge(
    stores: db.Stores,
    claims: Sequence[Claim],
    counts: Sequence[int] | None = None,
) -> None:
    ours = await lane.acknowledge(stores.lane, claims, stores.config, counts=counts)
    if ours < len(claims):
        log.warning(
            "lease ended before the acknowledgement; the receipts drop the repeat",
            lanes=len(claims) - ours,
        )


async def _drain_lane(
    stores: db.Stores,
    claim: Claim,
    translate: Translate,
    known_shops: KnownShops,
    made: Callable[[], None],
) -> None:
    """One merchant's part of a batch that failed: whole if that works, else webhook by webhook."""
    translations = await _translate_all(stores, [claim], translate, known_shops)
    done = 0
    try:
        await receipts.write(translations, stores.queue)
        done = len(translations)
    except Exception as error:
        if failures.is_passing(error):
            raise
        for one in translations:
            await _write_or_set_aside(stores, one)
            done += 1
            made()
    finally:
        if done:
            await _acknowledge(stores, [claim], [done])


async def _write_or_set_aside(stores: db.Stores, one: Translation) -> None:
    try:
        await receipts.write([one], stores.queue)
    except Exception as error:
        if failures.is_passing(error):
            raise
        one.outcome, one.facts, one.error = "dead", (), error
        await receipts.write([one], stores.queue)


async def _translate_all(
    stores: db.Stores, claims: Sequence[Claim], translate: Translate, known_shops: KnownShops
) -> list[Translation]:
    known = await known_shops({claim.shop for claim in claims})
    translations = [
        translation.of(claim.shop, encoded, translate, is_known=claim.shop in known)
        for claim in claims
        for encoded in claim.items
    ]
    await translation.bound_unopened(translations)
    await translation.set_foreign_aside(stores, translations)
    return translations


def replayer(translate: Translate, known_shops: KnownShops) -> dead_letters.Attempt:
    """What `dead_letters.retry_due` does with a webhook that was set aside: translate it again,
    and write its facts.
    """

    async def attempt(connection: Connection, letter: Letter) -> None:
        is_known = letter.shop in await known_shops([letter.shop])
        found = translation.of(letter.shop, bytes(letter.payload), translate, is_known=is_known)
        told = {one["reason"] for one in msgspec.json.decode(letter.history)}
        if bodies.FOREIGN in told | {letter.reason}:
            raise bodies.ForeignBodyError  # it is no more this shop's than it was
        if found.error is not None:
            raise found.error
        await receipts.write_on(connection, [found])

    return attempt
