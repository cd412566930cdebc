"""What is known here of a shop already: told by webhooks that became facts, or taken in before."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from app.core.reconciliation import rules
from app.core.reconciliation.rules import Known
from app.facts import PAID
from app.flow.kept import heard
from app.flow.lanes.lane import LaneItem
from app.shopify import fields

EARLIER, LATER = timedelta(minutes=5), timedelta(hours=1)  # around a change its webhook comes
ROWS_MAX = 1_000  # of up to a hundred webhooks; what is not read is asked and told again


class OrderHeard(msgspec.Struct):
    id: int
    updated_at: str
    financial_status: str | None = None


class CustomerHeard(msgspec.Struct):
    id: int
    updated_at: str


class Consent(msgspec.Struct):
    consent_updated_at: str


class ConsentHeard(msgspec.Struct):
    customer_id: int
    email_marketing_consent: Consent


_order = msgspec.json.Decoder(OrderHeard)
_customer = msgspec.json.Decoder(CustomerHeard)
_consent = msgspec.json.Decoder(ConsentHeard)


async def told(shop: str, first: datetime, last: datetime) -> Known:
    """What webhooks told of changes between those moments."""
    known = Known()
    until = min(datetime.now(UTC), last + LATER) + EARLIER
    async for item in heard.of_shop(shop, first - EARLIER, until, ROWS_MAX):
        if hear := HEARD.get(item.topic):
            try:
                hear(known, item)
            except (msgspec.DecodeError, ValueError):
                continue  # of a shape that no longer says it: asked and told again
    return known


def _hear_order(known: Known, item: LaneItem) -> None:
    said = _decoded(_order, item.body)
    if item.topic == "orders/create" and said.financial_status in PAID:
        return  # readers who wait for `orders/paid` have not heard of it
    rules.hears(known.orders, said.id, rules.moment(said.updated_at))


def _hear_customer(known: Known, item: LaneItem) -> None:
    said = _decoded(_customer, item.body)
    rules.hears(known.customers, said.id, rules.moment(said.updated_at))


def _hear_consent(known: Known, item: LaneItem) -> None:
    said = _decoded(_consent, item.body)
    at = rules.moment(said.email_marketing_consent.consent_updated_at)
    rules.hears(known.consents, said.customer_id, at)


def _decoded(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):  # half of a character, perhaps
        return decoder.decode(fields.mended(body))


HEARD: dict[str, Callable[[Known, LaneItem], None]] = {
    **dict.fromkeys(
        ("orders/create", "orders/updated", "orders/paid", "orders/cancelled"), _hear_order
    ),
    "customers/create": _hear_customer,
    "customers/update": _hear_customer,
    "customers_email_marketing_consent/update": _hear_consent,
}
