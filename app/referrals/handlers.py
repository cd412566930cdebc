"""Events in: links asked for meanwhile, orders and people, a whole batch in one transaction."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import msgspec

from app.db import Connection, Stores
from app.facts import CustomerDeleted, CustomerMerged
from app.flow.event import Event, occurred_at
from app.own_facts import ReferralAsked
from app.referrals import keys
from app.referrals.links import actions as links
from app.referrals.orders import actions as orders
from app.referrals.orders import incoming
from app.referrals.people import leaving
from app.services import topics

SERVICE = "referrals"
TOPICS = topics(SERVICE)
ASKED, MERGED, DELETED = "referral.asked", "customer.merged", "customer.deleted"
REQUESTED = "compliance.requested"
Handle = Callable[[Connection, list[Event]], Awaitable[None]]


def handler(stores: Stores) -> Handle:
    """`handle` with the keys that open the secrets of shops."""

    async def bound(conn: Connection, events: list[Event]) -> None:
        await handle(conn, events, stores)

    return bound


async def handle(conn: Connection, events: list[Event], stores: Stores) -> None:
    """Write what `events` mean for referrals, in the transaction open on `conn`. Repeated facts
    change nothing, and their order does not matter. Raises for the first that cannot be used.
    """
    now = datetime.now(UTC)
    shops = {event.shop for event in events}
    secrets = await keys.of_shops(conn, stores.config.token_keys, shops)
    asked = [
        (event.shop, msgspec.json.decode(event.data, type=ReferralAsked).customer_id)
        for event in events
        if event.topic == ASKED
    ]
    if asked:
        await links.queue(conn, [(shop, customer_id, now) for shop, customer_id in asked])
    await orders.apply(conn, incoming.read(events, secrets, now), now)
    for event in events:
        if event.topic == MERGED:
            merged = msgspec.json.decode(event.data, type=CustomerMerged)
            await leaving.merge(conn, event.shop, merged, occurred_at(event))
        elif event.topic == DELETED:
            gone = msgspec.json.decode(event.data, type=CustomerDeleted).customer_id
            await leaving.forget(conn, event.shop, gone, "", now)
        elif event.topic == REQUESTED:
            await leaving.asked(conn, event, secrets[event.shop], now)
