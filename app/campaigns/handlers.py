"""Events in: what campaigns gave, customers who became one, shops whose data is to go."""

from collections import Counter
from collections.abc import Iterator

import msgspec

from app.campaigns import results
from app.campaigns.results import Result
from app.db import Connection
from app.facts import CustomerMerged
from app.flow.event import Event, occurred_at
from app.services import topics
from app.telemetry import logs

SERVICE = "campaigns"
TOPICS = topics(SERVICE)
EARNED, REVERSED = "points.earned", "points.reversed"
MERGED, REQUESTED = "customer.merged", "compliance.requested"
SHOP_REDACT = "shop/redact"
HAS_BONUSES = b'"bonuses"'  # most points have none: those facts need not be read

log = logs.logger()


class PointsMoved(msgspec.Struct):
    """The part of `points.earned` and `points.reversed` that says what of it was campaigns':
    (campaign, version, points), below 0 where one lost what another one gained.
    """

    customer_id: str
    source: str
    order_id: str = ""  # whose it is, where it is an order: each of its movements has a source
    bonuses: list[tuple[str, int, int]] = []


class Redacted(msgspec.Struct):
    shop_domain: str = ""


class Requested(msgspec.Struct):
    """A request about personal data, as far as it may be about a whole shop."""

    topic: str
    payload: msgspec.Raw


async def handle(connection: Connection, events: list[Event]) -> None:
    """Write the effect of all `events`; raises for the first that cannot be used."""
    await results.keep(connection, [one for event in events for one in _results(event)])
    merged = [
        (event.shop, told.customer_id, told.kept_id)
        for event in events
        if event.topic == MERGED and (told := msgspec.json.decode(event.data, type=CustomerMerged))
    ]
    await results.merge(connection, merged)
    for event in events:
        if event.topic == REQUESTED and _is_shops_end(event):
            await results.forget_shop(connection, event.shop)
            log.info("campaigns of a redacted shop are gone", shop=event.shop)


def _results(event: Event) -> Iterator[Result]:
    if event.topic not in {EARNED, REVERSED} or HAS_BONUSES not in bytes(event.data):
        return
    told = msgspec.json.decode(event.data, type=PointsMoved)
    sums: Counter[tuple[str, int]] = Counter()
    for campaign_id, version, points in told.bonuses:
        sums[campaign_id, version] += points if event.topic == EARNED else -points
    at = occurred_at(event)
    of = f"order:{told.order_id}" if told.order_id else told.source
    for (campaign_id, version), points in sums.items():
        whose = of, told.customer_id
        yield Result(event.shop, event.id, campaign_id, version, *whose, points, at)


def _is_shops_end(event: Event) -> bool:
    """Whether a shop is to be forgotten: the shop that the signed body names, and no other."""
    asked = msgspec.json.decode(event.data, type=Requested)
    if asked.topic != SHOP_REDACT:
        return False
    return msgspec.json.decode(asked.payload, type=Redacted).shop_domain == event.shop
