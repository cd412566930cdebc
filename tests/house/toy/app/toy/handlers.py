"""Events in: paid orders are counted, a whole batch in one statement."""

import msgspec
from app.toy import actions, rules

from app.db import Connection
from app.facts import OrderBuyer
from app.flow.event import Event
from app.services import topics

SERVICE = "toy"
TOPICS = topics(SERVICE)


async def handle(connection: Connection, events: list[Event]) -> None:
    """Write the effect of all `events`; raises for the first that cannot be used."""
    paid = [(event.shop, msgspec.json.decode(event.data, type=OrderBuyer)) for event in events]
    counted = [(shop, order.order_id) for shop, order in paid if rules.counts(order)]
    if counted:
        await actions.count(connection, counted)
