"""Events in: facts about orders and customers become points, a whole batch in one transaction."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from app.db import Connection, Stores
from app.facts import ShopUpdated
from app.flow.event import Event, occurred_at
from app.points import facts
from app.points.corrections import actions as corrections
from app.points.earning import actions, memberships
from app.points.earning.campaigns import collections, copies
from app.points.earning.orders import OrderBatch
from app.points.ledger import balances, freezing
from app.points.ledger.accounts import Account, BrokenAccountError
from app.points.members import merging, profiles
from app.points.rewards import comebacks, settling
from app.points.tiers import following
from app.points.ways import telling
from app.services import topics
from app.telemetry import logs
from app.telemetry.carriers import request_id_of

INSTALLED, UPDATED = "shop.installed", "shop.updated"
SERVICE = "points"
TOPICS = topics(SERVICE)
AfterCommit = Callable[[], Awaitable[None]]
Handle = Callable[[Connection, list[Event]], Awaitable[AfterCommit | None]]
log = logs.logger()


def handler(stores: Stores) -> Handle:
    """`handle` with the stores whose cache shall learn the new balances after the commit."""

    async def bound(conn: Connection, events: list[Event]) -> AfterCommit | None:
        try:
            return await handle(conn, events, stores)
        except BrokenAccountError as error:
            freezing.suspect(error)  # this transaction will be gone; the timed work freezes them
            raise

    return bound


async def handle(
    conn: Connection, events: Sequence[Event], stores: Stores | None = None
) -> AfterCommit | None:
    """Post what `events` say, in the transaction open on `conn` (asyncpg); the caller has dropped
    known event ids.

    Repeated facts change nothing (natural keys). Raises for the first event that cannot be used.
    What comes back writes the new balances to the cache, to be awaited after the commit.
    """
    now = datetime.now(UTC)
    state = stores.config.program_starts_as if stores else "live"
    await _welcome([event for event in events if event.topic in {INSTALLED, UPDATED}], state)
    incoming = facts.read(events, now)
    await copies.keep(conn, incoming.campaigns, now)
    await memberships.keep(conn, incoming.changes)
    await collections.told_changed(conn, incoming.collections)
    batch = OrderBatch(incoming, now)
    await batch.load(conn)
    batch.decide()
    await batch.write(conn)
    await corrections.keep(conn, batch.corrected, now)
    moved = batch.moved | await telling.follow(conn, events, now)
    await profiles.forget(conn, incoming)
    leaving = (batch.by_customer.get(key) for key in profiles.leaving(incoming))
    await following.forget(conn, [one for one in leaving if one is not None])
    for event, merged in incoming.merged:
        moved |= await merging.merge(conn, event.shop, merged, now)
    linked = await settling.use(conn, incoming.told(), now)
    moved |= await comebacks.follow(conn, batch.grants, linked, now)
    # one line a batch, which still says for every request what became of it
    log.info(
        "facts posted",
        facts=len(events),
        orders=len(batch.grants),
        members=len(moved),
        request_ids=[request_id_of(event.trace) for event in events],
    )
    if stores is None or not moved:
        return None
    return _publish(stores, moved.values(), now)


class Installed(msgspec.Struct, frozen=True):
    """A shop that installed the app, now or again: what its programme follows."""

    currency: str
    timezone: str


async def _welcome(events: Sequence[Event], state: str) -> None:
    """Give new shops their programme and first rewards, and let programmes follow their shops. In
    the order of the shops: each one's programme is locked.
    """
    for event in sorted(events, key=lambda one: one.shop):
        if event.topic == INSTALLED:
            told = msgspec.json.decode(event.data, type=Installed)
            await actions.ensure_program(event.shop, told.currency, told.timezone, state)
        else:
            said = msgspec.json.decode(event.data, type=ShopUpdated)
            await actions.follow_shop(event.shop, said.currency, said.timezone, occurred_at(event))


def _publish(stores: Stores, moved: Iterable[Account], now: datetime) -> AfterCommit:
    async def after_commit() -> None:
        await balances.publish(stores, moved, now)

    return after_commit
