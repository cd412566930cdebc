"""What core does about events: shops that left, who customers are, requests about personal
data.
"""

from typing import Any

import msgspec

from app.core import actions, customers, leaving
from app.core.actions import Asked
from app.facts import ShopUpdated
from app.flow.event import Event, occurred_at
from app.services import topics
from app.telemetry import logs

SERVICE = "core"
TOPICS = topics(SERVICE)
LEFT = "app.uninstalled"
REQUESTED = "compliance.requested"
UPDATED = "shop.updated"

log = logs.logger()


class Identified(msgspec.Struct, frozen=True):
    id: int | str


class RequestPayload(msgspec.Struct, frozen=True):
    """The part of Shopify's privacy requests that tells one from another: a data request has an id
    of its own, a redaction only its customer.
    """

    customer: Identified | None = None
    data_request: Identified | None = None


class ComplianceFact(msgspec.Struct, frozen=True):
    topic: str  # customers/data_request, customers/redact or shop/redact
    payload: msgspec.Raw


async def handle(connection: Any, events: list[Event]) -> None:
    """Write the effect of all `events` in a handful of statements, however many there are."""
    left = [(event.shop, occurred_at(event)) for event in events if event.topic == LEFT]
    if left:
        for shop in await leaving.told(connection, left):
            log.info("shop is said to be uninstalled; Shopify will be asked", shop=shop)
    asked = [_asked(event) for event in events if event.topic == REQUESTED]
    if asked:
        await actions.record_requests(connection, asked)
    for event in events:
        if event.topic == UPDATED:
            said = msgspec.json.decode(event.data, type=ShopUpdated)
            await connection.execute(
                actions.FOLLOW_SHOP,
                event.shop,
                said.name,
                said.currency,
                said.timezone,
                occurred_at(event),
            )
    await customers.keep(connection, events)


def _asked(event: Event) -> Asked:
    """Raises msgspec.ValidationError when the fact has another shape."""
    fact = msgspec.json.decode(event.data, type=ComplianceFact)
    return Asked(event.shop, fact.topic, _reference(fact, event), bytes(fact.payload).decode())


def _reference(fact: ComplianceFact, event: Event) -> str:
    payload = msgspec.json.decode(fact.payload, type=RequestPayload)
    if payload.data_request:
        return f"data_request:{payload.data_request.id}"
    # Redactions have no id of their own. The same one sent twice was triggered at the same moment;
    # the same customer redacted again next year is another request, and must not be taken for the
    # old one.
    subject = f"customer:{payload.customer.id}" if payload.customer else "shop"
    return f"{subject}@{event.occurred_at}"
