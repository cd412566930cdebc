"""The facts points reads and the facts it makes: their shapes, decoded exactly and all at once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from app.errors import BadInputError
from app.facts import (
    CollectionUpdated,
    CustomerChanged,
    CustomerDeleted,
    CustomerMerged,
    OrderCancelled,
    OrderDeleted,
    OrderEdited,
    OrderRefunded,
    OrderTold,
    Refund,
)
from app.flow import event as envelope
from app.flow.event import Event
from app.own_facts import CampaignUpdated, CustomerTagged, SegmentUpdated
from app.points.earning import memberships, rules
from app.points.earning.rules import Back
from app.points.ledger.accounts import Account, Key
from app.telemetry import traces

ORDER_NAME_LENGTH = 64
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)  # so far Shopify's clock may be ahead of ours


class Told(msgspec.Struct):
    """An order as it stood, with the fact that said so."""

    order: OrderTold
    event: Event
    at: datetime  # as of when, by Shopify's clock: it says which of two words is the newer one
    since: datetime  # the same, but never in our future


class Cause(msgspec.Struct, frozen=True):
    """What moves a grant: where it came from, and when it happened."""

    source: str  # order:123, edit:55, refund:987, cancel:123, delete:123
    at: datetime
    trace: str
    corrected: str = ""  # why it is told again


class Refunded(msgspec.Struct):
    """What a refund brings back, and what its pieces are called."""

    back: Back
    cause: Cause
    titles: dict[str, str]


class News(msgspec.Struct):
    """What a batch says of one order."""

    told: list[Told] = []
    refunds: dict[str, Refunded] = {}
    edits: dict[str, tuple[dict[str, int], Cause]] = {}
    ended: Cause | None = None


@dataclass(slots=True)
class Profile:
    """What customer facts mean for points: a member more, or one less."""

    is_created: bool = False
    is_deleted: bool = False


@dataclass(slots=True)
class Incoming:
    """A batch of facts, by shop and the id of an order or a customer."""

    orders: dict[Key, News] = field(default_factory=dict)
    profiles: dict[Key, Profile] = field(default_factory=dict)
    merged: list[tuple[Event, CustomerMerged]] = field(default_factory=list)
    campaigns: list[tuple[str, CampaignUpdated, datetime]] = field(default_factory=list)
    changes: list[memberships.Change] = field(default_factory=list)
    collections: list[Key] = field(default_factory=list)
    cancelled: list[tuple[str, OrderCancelled]] = field(default_factory=list)

    def told(self) -> Iterator[tuple[str, OrderTold | OrderCancelled]]:
        """What names the customer and the codes of orders, each with its shop."""
        for (shop, _), news in self.orders.items():
            for told in news.told:
                yield shop, told.order
        yield from self.cancelled


_order = msgspec.json.Decoder(OrderTold)
_refunded = msgspec.json.Decoder(OrderRefunded)
_cancelled = msgspec.json.Decoder(OrderCancelled)
_gone = msgspec.json.Decoder(OrderDeleted)
_edited = msgspec.json.Decoder(OrderEdited)
_customer = msgspec.json.Decoder(CustomerChanged)
_deleted = msgspec.json.Decoder(CustomerDeleted)
_merged = msgspec.json.Decoder(CustomerMerged)
_campaign = msgspec.json.Decoder(CampaignUpdated)
_segment = msgspec.json.Decoder(SegmentUpdated)
_tagged = msgspec.json.Decoder(CustomerTagged)
_collection = msgspec.json.Decoder(CollectionUpdated)


def read(events: Sequence[Event], now: datetime) -> Incoming:
    """Decode a batch; topics that are none of ours are skipped.

    Raises msgspec.DecodeError or BadInputError for the first event that cannot be used (both
    permanent).
    """
    incoming = Incoming()
    read_into(incoming, events, now)
    return incoming


def read_into(incoming: Incoming, events: Sequence[Event], now: datetime) -> None:
    """As `read`, beside what `incoming` has already."""
    for event in events:
        if reader := _READERS.get(event.topic):
            reader(incoming, event, now)


def moment(told: datetime | None, event: Event, now: datetime) -> datetime:
    """When a fact took effect: as told, else when its event occurred; never in the future,
    never absurdly early.
    """
    if told is None:
        told = envelope.occurred_at(event)
    if told > now:
        return now
    return max(EARLIEST, told)


def made(topic: str, account: Account, source: str, points: int, trace: str, **more: Any) -> Event:
    """One of our own facts: what happened to a member's points, and the balance it left."""
    data = {
        "customer_id": account.customer_id,
        "source": source,
        "points": points,
        "sequence": account.sequence,
        "available": account.available,
        "pending": account.pending,
        "held": account.held,
        "debt": account.debt,
        **more,
    }
    return envelope.new(topic, account.shop, account.shop, data, trace=traces.onward(trace))


def _read_order(incoming: Incoming, event: Event, now: datetime) -> None:
    order = _order.decode(event.data)
    if not order.lines and event.topic != "order.paid":
        return  # it says nothing of them
    since = moment(order.updated_at, event, now)
    told = Told(order, event, max(since, min(order.updated_at or since, now + AHEAD)), since)
    key = (event.shop, order.order_id)
    if (news := incoming.orders.get(key)) is not None:
        news.told.append(told)
    else:
        incoming.orders[key] = News([told])


def _read_refund(incoming: Incoming, event: Event, now: datetime) -> None:
    refund = _refunded.decode(event.data)
    news = incoming.orders.setdefault((event.shop, refund.order_id), News())
    found = refunded(refund, moment(None, event, now), event.trace, refund.corrected)
    if refund.corrected or refund.refund_id not in news.refunds:
        news.refunds[refund.refund_id] = found


def refunded(refund: Refund, at: datetime, trace: str, corrected: str = "") -> Refunded:
    """Raises BadInputError for quantities that make no sense."""
    lines: dict[str, int] = {}
    titles: dict[str, str] = {}
    for line in refund.lines:
        if not 0 <= line.quantity <= rules.QUANTITY_MAX:
            raise BadInputError("A refunded quantity makes no sense.")
        lines[line.line_id] = lines.get(line.line_id, 0) + line.quantity
        titles[line.line_id] = line.title
    sent = rules.micros(refund.shipping) if refund.shipping != "0" else 0
    back = Back(lines, rules.micros(refund.adjustment), sent)
    return Refunded(back, Cause(f"refund:{refund.refund_id}", at, trace, corrected), titles)


def _read_cancelled(incoming: Incoming, event: Event, now: datetime) -> None:
    cancelled = _cancelled.decode(event.data)
    at = moment(cancelled.cancelled_at, event, now)
    cause = Cause(f"cancel:{cancelled.order_id}", at, event.trace, cancelled.corrected)
    incoming.orders.setdefault((event.shop, cancelled.order_id), News()).ended = cause
    if cancelled.discount_codes:
        incoming.cancelled.append((event.shop, cancelled))


def _read_gone(incoming: Incoming, event: Event, now: datetime) -> None:
    gone = _gone.decode(event.data)
    at = moment(None, event, now)
    cause = Cause(f"delete:{gone.order_id}", at, event.trace, gone.corrected)
    incoming.orders.setdefault((event.shop, gone.order_id), News()).ended = cause


def _read_edit(incoming: Incoming, event: Event, now: datetime) -> None:
    edit = _edited.decode(event.data)
    if edit.removed:
        news = incoming.orders.setdefault((event.shop, edit.order_id), News())
        at = moment(None, event, now)
        cause = Cause(f"edit:{edit.edit_id}", at, event.trace, edit.corrected)
        if edit.corrected or edit.edit_id not in news.edits:
            news.edits[edit.edit_id] = (edit.removed, cause)


def _read_created(incoming: Incoming, event: Event, _now: datetime) -> None:
    customer_id = _customer.decode(event.data).customer_id
    incoming.profiles.setdefault((event.shop, customer_id), Profile()).is_created = True


def _read_deleted(incoming: Incoming, event: Event, _now: datetime) -> None:
    customer_id = _deleted.decode(event.data).customer_id
    incoming.profiles.setdefault((event.shop, customer_id), Profile()).is_deleted = True


def _read_merged(incoming: Incoming, event: Event, _now: datetime) -> None:
    incoming.merged.append((event, _merged.decode(event.data)))


def _read_campaign(incoming: Incoming, event: Event, now: datetime) -> None:
    told = _campaign.decode(event.data)
    incoming.campaigns.append((event.shop, told, moment(told.at, event, now)))


def _read_segment(incoming: Incoming, event: Event, now: datetime) -> None:
    told = _segment.decode(event.data)
    at = moment(told.at, event, now)
    incoming.changes += memberships.of_segment(event.shop, told, at)


def _read_tags(incoming: Incoming, event: Event, now: datetime) -> None:
    told = _tagged.decode(event.data)
    incoming.changes += memberships.of_tags(event.shop, told, moment(told.at, event, now))


def _read_collection(incoming: Incoming, event: Event, _now: datetime) -> None:
    incoming.collections.append((event.shop, _collection.decode(event.data).collection_id))


_READERS: dict[str, Callable[[Incoming, Event, datetime], None]] = {
    "order.created": _read_order,
    "order.updated": _read_order,
    "order.paid": _read_order,
    "order.refunded": _read_refund,
    "order.cancelled": _read_cancelled,
    "order.deleted": _read_gone,
    "order.edited": _read_edit,
    "customer.created": _read_created,
    "customer.deleted": _read_deleted,
    "customer.merged": _read_merged,
    "customer.tagged": _read_tags,
    "rfm.segment.updated": _read_segment,
    "campaign.updated": _read_campaign,
    "collection.updated": _read_collection,
}
