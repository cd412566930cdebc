"""The facts points reads and the facts it makes: their shapes, decoded exactly and all at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from app.errors import BadInputError
from app.facts import CustomerChanged, CustomerDeleted, OrderCancelled, OrderPaid, OrderRefunded
from app.flow import event as envelope
from app.flow.event import Event
from app.points.earning import rules
from app.points.ledger.posting import Member

Key = tuple[str, str]  # shop and the id of a customer or an order in it
ORDER_NAME_LENGTH = 64
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


class Asked(msgspec.Struct):
    """What a refund or cancellation takes back; kept in `reversals.data` until its order has
    been seen.
    """

    effective_at: datetime
    trace: str
    lines: dict[str, int] = {}
    adjustment_micros: int = 0
    cancelled: bool = False


@dataclass(slots=True)
class Paid:
    order: OrderPaid
    event: Event


@dataclass(slots=True)
class Profile:
    """What customer facts mean for points: a member more, or one less."""

    is_created: bool = False
    is_deleted: bool = False


@dataclass(slots=True)
class Incoming:
    """A batch of facts, each order and each reversal once."""

    paid: dict[Key, Paid] = field(default_factory=dict)
    asked: dict[Key, tuple[str, Asked]] = field(
        default_factory=dict
    )  # (shop, source) → order id, what
    profiles: dict[Key, Profile] = field(default_factory=dict)


_paid = msgspec.json.Decoder(OrderPaid)
_refunded = msgspec.json.Decoder(OrderRefunded)
_cancelled = msgspec.json.Decoder(OrderCancelled)
_customer = msgspec.json.Decoder(CustomerChanged)
_deleted = msgspec.json.Decoder(CustomerDeleted)


def read(events: Sequence[Event], now: datetime) -> Incoming:
    """Decode a batch; topics that are none of ours are skipped.

    Raises msgspec.DecodeError or BadInputError for the first event that cannot be used (both
    permanent).
    """
    incoming = Incoming()
    for event in events:
        topic = event.topic
        if topic == "order.paid":
            order = _paid.decode(event.data)
            incoming.paid.setdefault((event.shop, order.order_id), Paid(order, event))
        elif topic == "order.refunded":
            _read_refund(incoming, event, now)
        elif topic == "order.cancelled":
            cancelled = _cancelled.decode(event.data)
            at = moment(cancelled.cancelled_at, event, now)
            asked = Asked(at, event.trace, cancelled=True)
            key = (event.shop, f"cancel:{cancelled.order_id}")
            incoming.asked.setdefault(key, (cancelled.order_id, asked))
        elif topic == "customer.created":
            customer_id = _customer.decode(event.data).customer_id
            incoming.profiles.setdefault((event.shop, customer_id), Profile()).is_created = True
        elif topic == "customer.deleted":
            customer_id = _deleted.decode(event.data).customer_id
            incoming.profiles.setdefault((event.shop, customer_id), Profile()).is_deleted = True
    return incoming


def moment(told: datetime | None, event: Event, now: datetime) -> datetime:
    """When a fact took effect: as told, else when its event occurred; never in the future,
    never absurdly early.
    """
    if told is None:
        try:
            told = datetime.fromisoformat(event.occurred_at)
        except ValueError as error:
            raise BadInputError("The event does not say when it occurred.") from error
        if told.tzinfo is None:
            told = told.replace(tzinfo=UTC)
    if told > now:
        return now
    return max(EARLIEST, told)


def made(topic: str, member: Member, source: str, points: int, trace: str, **more: Any) -> Event:
    """One of our own facts: what happened to a member's points, and the balance it left."""
    data = {
        "customer_id": member.customer_id,
        "source": source,
        "points": points,
        "sequence": member.sequence,
        "available": member.available,
        "pending": member.pending,
        "held": member.held,
        "debt": member.debt,
        **more,
    }
    return envelope.new(topic, member.shop, member.shop, data, trace=trace)


def _read_refund(incoming: Incoming, event: Event, now: datetime) -> None:
    refund = _refunded.decode(event.data)
    asked = Asked(
        moment(None, event, now),
        event.trace,
        adjustment_micros=max(0, rules.micros(refund.adjustment_amount)),
    )
    for line in refund.lines:
        if not 0 <= line.quantity <= rules.QUANTITY_MAX:
            raise BadInputError("A refunded quantity makes no sense.")
        asked.lines[line.line_id] = asked.lines.get(line.line_id, 0) + line.quantity
    incoming.asked.setdefault((event.shop, f"refund:{refund.refund_id}"), (refund.order_id, asked))
