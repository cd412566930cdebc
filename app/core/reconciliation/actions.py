"""Turns: a shop that is due is looked at for a while, booked before it is done, so that a crash
repeats a little and two processes share the work.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import httpx

from app import db
from app.core import leaving, tokens
from app.core.reconciliation import looking, rules
from app.core.reconciliation.looking import Looker
from app.core.reconciliation.planning import SHOP_GONE
from app.core.reconciliation.rules import Look
from app.db import Row, Stores
from app.errors import HoldfastError, NotFoundError
from app.flags import evaluation, known
from app.resilience import failures
from app.resilience.memory import Memory
from app.shopify.graphql import ShopifyRefusedError, TokenRefusedError
from app.shopify.tokens import GrantLostError, GrantRefusedError, decrypt
from app.telemetry import logs, metrics

TURN_SECONDS = 20.0  # then another shop has its turn; in the middle of a call it ends a bit later
LEASE_SECONDS = 40.0  # after which a turn nobody finished is another's
PAUSE_SECONDS = 1.0  # between two turns of one look
OFF_SECONDS = 60.0
ERROR_LENGTH_MAX = 200
FROM_START_TRIES = 3  # the cursor may be what fails

LOOKS_REMEMBERED = 200
# Shopify does not take the shop's token any more; what a token may not see is another matter
REFUSED = (GrantLostError, GrantRefusedError, TokenRefusedError)

log = logs.logger()
# by row and look: what a turn before this one told need not be asked for while it waits in its lane
_asked: Memory[tuple[int, int], set[str]] = Memory(LOOKS_REMEMBERED)

# what is lost for good is looked for before what may be, and each shop's time once at a time
CLAIM = """
UPDATE reconciliations SET turn = turn + 1, tries = tries + 1,
       until = coalesce(until, now() - make_interval(secs => $2)),
       found = CASE WHEN until IS NULL THEN 0 ELSE found END,
       told = CASE WHEN until IS NULL THEN 0 ELSE told END,
       others = CASE WHEN until IS NULL THEN 0 ELSE others END,
       next_at = now() + make_interval(secs => $1)
 WHERE id = (SELECT id FROM reconciliations
              WHERE done_at IS NULL AND next_at <= now()
              ORDER BY loss_id IS NULL, next_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING *
"""
SAVE = """
UPDATE reconciliations
   SET part = $3, "cursor" = $4, found = $5, told = told + $6, others = others + $7,
       news = news + $8, tries = 0, error = '', next_at = now() + make_interval(secs => $9)
 WHERE id = $1 AND turn = $2 RETURNING id
"""
AGAIN = """
UPDATE reconciliations
   SET part = 'orders', "cursor" = NULL, looks = looks + 1, news = 0, found = 0,
       next_at = now() + make_interval(secs => $3)
 WHERE id = $1 AND turn = $2
"""
NEXT_ROUND = """
UPDATE reconciliations
   SET part = 'orders', "cursor" = NULL, looks = 0, news = 0, since = until - $4::interval,
       until = NULL, rounded_at = now(), next_at = now() + make_interval(secs => $3)
 WHERE id = $1 AND turn = $2
"""
DONE = """
UPDATE reconciliations SET looks = looks + 1, error = $3, done_at = now()
 WHERE id = $1 AND turn = $2
"""
LATER = """
UPDATE reconciliations SET error = $3, next_at = now() + make_interval(secs => $4),
       "cursor" = CASE WHEN $5 THEN NULL ELSE "cursor" END,
       told = told + $6, others = others + $7, news = news + $8
 WHERE id = $1 AND turn = $2
"""


async def look_at_due(stores: Stores, client: httpx.AsyncClient, stop: asyncio.Event) -> None:
    """Look at what is due, a shop after another. Several do so side by side, for one that hangs
    keeps its place.
    """
    settled = rules.settled_seconds(stores.config.reconcile_every_seconds)
    while not stop.is_set():
        async with db.connection() as connection:
            row = await connection.fetchrow(CLAIM, LEASE_SECONDS, settled)
        if row is None:
            return
        await turn(stores, client, row, stop)


async def turn(stores: Stores, client: httpx.AsyncClient, row: Row, stop: asyncio.Event) -> None:
    """Look at a shop for a while; a failure is its own, kept with it, and tried again later."""
    shop, keeper = row["shop"], _Keeper(row)
    if not evaluation.is_on(known.RECONCILIATION, shop):
        await keeper.later("Switched off.", OFF_SECONDS)
        return
    held = await tokens.held(shop)
    settled = timedelta(seconds=rules.settled_seconds(stores.config.reconcile_every_seconds))
    until = min(row["until"], datetime.now(UTC) - settled)
    look = Look(shop, row["since"], until, row["part"], row["cursor"], row["found"])
    look.asked = _asked.get((row["id"], row["looks"])) or look.asked
    _asked.put((row["id"], row["looks"]), look.asked)
    looker = Looker(stores, client, time.monotonic() + TURN_SECONDS, stop)
    outcome = "failed"
    try:
        async with asyncio.timeout(LEASE_SECONDS - 2):
            is_whole = await looking.go_on(looker, look, keeper.save)
        await keeper.save(look, PAUSE_SECONDS)
        if is_whole:
            await _end_look(stores, row, keeper.news)
        outcome = "done" if is_whole else "goes_on"
    except NotFoundError:
        await _end(row, SHOP_GONE)
    except TakenOverError:
        log.info("another process goes on with this shop", shop=shop)
    except Exception as error:
        if not isinstance(error, HoldfastError) and not failures.is_passing(error):
            log.exception("a shop could not be looked at", shop=shop)
        if held is not None and isinstance(error, REFUSED) and _could_ask(held, stores):
            await _ask_if_left(shop)
        is_lost = isinstance(error, ShopifyRefusedError) or row["tries"] >= FROM_START_TRIES
        reason = failures.reason(error)[:ERROR_LENGTH_MAX]
        seconds = rules.backoff_seconds(row["tries"])
        await keeper.later(reason, seconds, look, from_start=is_lost)
    metrics.RECONCILIATIONS.labels(outcome).inc()


class TakenOverError(Exception):
    """Somebody else has the shop's turn by now."""


class _Keeper:
    """Keeps how far a look has come, and what it has told since that was kept last."""

    def __init__(self, row: Row) -> None:
        self.row, self.news = row, row["news"]
        self.told = self.others = self.seen = 0

    async def save(self, look: Look, seconds: float = LEASE_SECONDS) -> None:
        """Another turn may begin after so many seconds. Raises TakenOverError."""
        news = look.news - self.seen
        async with db.connection() as connection:
            kept = await connection.fetchval(
                SAVE,
                self.row["id"],
                self.row["turn"],
                look.part,
                look.cursor,
                look.found,
                look.told - self.told,
                look.others - self.others,
                news,
                seconds,
            )
        if kept is None:
            raise TakenOverError
        self.told, self.others, self.seen = look.told, look.others, look.news
        self.news += news

    async def later(
        self, why: str, seconds: float, look: Look | None = None, *, from_start: bool = False
    ) -> None:
        """Keep why it could not go on, and what was told until then."""
        key = self.row["id"], self.row["turn"]
        told = others = news = 0
        if look is not None:
            told, others = look.told - self.told, look.others - self.others
            news = look.news - self.seen
        async with db.connection() as connection:
            await connection.execute(LATER, *key, why, seconds, from_start, told, others, news)
        shop = self.row["shop"]
        log.info("a shop could not be looked at yet", shop=shop, reason=why, seconds=seconds)


async def _end_look(stores: Stores, row: Row, news: int) -> None:
    every = stores.config.reconcile_every_seconds
    key, looks = (row["id"], row["turn"]), row["looks"] + 1
    _asked.drop((row["id"], row["looks"]))
    is_settled = rules.is_settled(row["name"], looks, news)
    if looks >= rules.LOOKS_MAX and not is_settled:
        log.warning("each look at a shop finds something more", shop=row["shop"], news=news)
        is_settled = True
    async with db.connection() as connection:
        if not is_settled:
            await connection.execute(AGAIN, *key, rules.again_seconds(every))
        elif row["name"] == rules.ROUND:
            await connection.execute(NEXT_ROUND, *key, every, rules.OVERLAP)
        else:
            await connection.execute(DONE, *key, "")
    if is_settled:
        log.info(
            "a shop was compared with Shopify",
            shop=row["shop"],
            name=row["name"],
            since=row["since"].isoformat(),
            until=row["until"].isoformat(),
            looks=looks,
        )


async def _end(row: Row, why: str) -> None:
    async with db.connection() as connection:
        await connection.execute(DONE, row["id"], row["turn"], why)


def _could_ask(held: tokens.Held, stores: Stores) -> bool:
    """Whether there was a token to ask with: neither run out by itself, nor closed to our keys."""
    stored = held.refresh_token or held.access_token
    if held.status != "active" or stored is None or not held.has_grant():
        return False
    try:
        decrypt(stores.config, stored)
    except GrantLostError:
        return False
    return True


async def _ask_if_left(shop: str) -> None:
    """A token that is refused says what the webhook of an uninstall says: whoever confirms those
    asks Shopify once more.
    """
    async with db.transaction() as connection:
        if await leaving.told(connection, [(shop, datetime.now(UTC))]):
            log.info("no token of a shop is taken; it is asked whether it left", shop=shop)
