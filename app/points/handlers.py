"""Events in: facts about orders and customers become points, a whole batch in one transaction."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from app.db import Stores
from app.flow.bus import outbox
from app.flow.event import Event
from app.points import facts
from app.points.earning import orders, programs
from app.points.earning.grants import Decisions
from app.points.earning.orders import Work
from app.points.facts import Incoming, Key
from app.points.ledger import balances, lots
from app.points.ledger import posting as ledger
from app.points.members import profiles as members
from app.points.rewards import settling
from app.services import topics
from app.telemetry import logs

INSTALLED = "shop.installed"
SERVICE = "points"
TOPICS = topics(SERVICE)
AfterCommit = Callable[[], Awaitable[None]]
Handle = Callable[[Any, list[Event]], Awaitable[AfterCommit | None]]
log = logs.logger()


def handler(stores: Stores) -> Handle:
    """`handle` with the stores whose cache shall learn the new balances after the commit."""

    async def bound(conn: Any, events: list[Event]) -> AfterCommit | None:
        return await handle(conn, events, stores)

    return bound


async def handle(
    conn: Any, events: Sequence[Event], stores: Stores | None = None
) -> AfterCommit | None:
    """Post what `events` say, in the transaction open on `conn` (asyncpg); the caller has dropped
    known event ids.

    Repeated facts change nothing (natural keys). Raises for the first event that cannot be used.
    What comes back writes the new balances to the cache, to be awaited after the commit.
    """
    now = datetime.now(UTC)
    await _welcome([event for event in events if event.topic == INSTALLED])
    incoming = facts.read(events, now)
    work = await orders.load(conn, incoming)
    decisions = Decisions(now)
    by_key, by_id = await _members(conn, incoming, work)
    if work.late:
        decisions.lots = await lots.of_members(
            conn, list({one for one in work.members() if one in by_id})
        )
    orders.decide(incoming, work, decisions, by_key, by_id)
    await orders.write(conn, decisions)
    await members.forget(conn, incoming)
    await settling.use(conn, ((one.event.shop, one.order) for one in incoming.paid.values()), now)
    await outbox.emit(conn, decisions.facts)
    moved = list(decisions.posting.members.values())
    # one line a batch, which still says for every request what became of it
    log.info(
        "facts posted",
        facts=len(events),
        awards=len(decisions.awards),
        reversals=len(decisions.applied),
        members=len(moved),
        request_ids=[event.trace for event in events],
    )
    if stores is None or not moved:
        return None
    return _publish(stores, moved, now)


class Installed(msgspec.Struct, frozen=True):
    """A shop that installed the app, now or again: what its programme follows."""

    currency: str
    timezone: str


async def _welcome(events: Sequence[Event]) -> None:
    """Give new shops their programme and first rewards. In the order of the shops: each one's
    programme is locked.
    """
    for event in sorted(events, key=lambda one: one.shop):
        told = msgspec.json.decode(event.data, type=Installed)
        await programs.ensure_program(event.shop, told.currency, told.timezone)


async def _members(
    conn: Any, incoming: Incoming, work: Work
) -> tuple[dict[Key, ledger.Member], dict[int, ledger.Member]]:
    """Make the members who are missing, then lock all that the batch needs in one go."""
    customers = dict.fromkeys(work.customers(incoming))
    await ledger.insert_members(conn, members.wanted(incoming, work))
    customers.update(dict.fromkeys(members.leaving(incoming)))
    if not customers and not work.awards:
        return {}, {}
    return await ledger.lock(conn, customers, work.members())


def _publish(stores: Stores, moved: list[ledger.Member], now: datetime) -> AfterCommit:
    async def after_commit() -> None:
        await balances.publish(stores, moved, now)

    return after_commit
