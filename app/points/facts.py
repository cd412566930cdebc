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
from app.points.ledger.accounts import Account, Key

ORDER_NAME_LENGTH = 64
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


class Reversal(msgspec.Struct):
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
    reversals: dict[Key, tuple[str, Reversal]] = field(
        default_factory=dict
    )  # by shop and source: the order's id, and what of it
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
            reversal = Reversal(at, event.trace, cancelled=True)
            key = (event.shop, f"cancel:{cancelled.order_id}")
            incoming.reversals.setdefault(key, (cancelled.order_id, reversal))
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
    return envelope.new(topic, account.shop, account.shop, data, trace=trace)


def _read_refund(incoming: Incoming, event: Event, now: datetime) -> None:
    refund = _refunded.decode(event.data)
    reversal = Reversal(
        moment(None, event, now),
        event.trace,
        adjustment_micros=max(0, rules.micros(refund.adjustment_amount)),
    )
    for line in refund.lines:
        if not 0 <= line.quantity <= rules.QUANTITY_MAX:
            raise BadInputError("A refunded quantity makes no sense.")
        reversal.lines[line.line_id] = reversal.lines.get(line.line_id, 0) + line.quantity
    key = (event.shop, f"refund:{refund.refund_id}")
    incoming.reversals.setdefault(key, (refund.order_id, reversal))
