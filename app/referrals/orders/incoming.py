"""A batch of facts about orders and people, by shop and the id of an order or a person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from app.facts import (
    CustomerChanged,
    OrderCancelled,
    OrderDeleted,
    OrderRefunded,
    OrderTold,
)
from app.flow.event import Event, occurred_at
from app.referrals.claims import emails
from app.referrals.claims.actions import mark_of_address
from app.referrals.claims.marks import Mark
from app.referrals.keys import Secret
from app.referrals.orders import rules
from app.referrals.orders.rules import Order
from app.referrals.people import actions as people
from app.referrals.people.actions import Person

Key = tuple[str, str]
ORDERS = frozenset({"order.created", "order.updated", "order.paid"})
PEOPLE = frozenset({"customer.created", "customer.updated"})
_order = msgspec.json.Decoder(OrderTold)
_refunded = msgspec.json.Decoder(OrderRefunded)
_cancelled = msgspec.json.Decoder(OrderCancelled)
_deleted = msgspec.json.Decoder(OrderDeleted)
_customer = msgspec.json.Decoder(CustomerChanged)


@dataclass(slots=True)
class Incoming:
    """What a batch says: orders as far as they are told, who is known, where orders go to, and by
    which codes and names an order may be a friend's.
    """

    orders: dict[Key, Order] = field(default_factory=dict)
    codes: dict[Key, set[str]] = field(default_factory=dict)
    names: dict[Key, str] = field(default_factory=dict)  # of buyers
    emails: dict[Key, str] = field(default_factory=dict)
    people: dict[Key, Person] = field(default_factory=dict)
    addresses: list[tuple[str, Mark, str, datetime]] = field(default_factory=list)
    traces: dict[Key, str] = field(default_factory=dict)


def read(events: Sequence[Event], secrets: Mapping[str, Secret], now: datetime) -> Incoming:
    """Decode a batch; other topics are skipped. Raises msgspec.DecodeError or BadInputError for
    the first event that cannot be used (both permanent).
    """
    found = Incoming()
    for event in events:
        secret = secrets[event.shop]
        if event.topic in ORDERS:
            _read_order(found, event, secret, now)
        elif event.topic in PEOPLE:
            changed = _customer.decode(event.data)
            at = min(now, occurred_at(event))
            key = event.shop, people.customer(changed.customer_id)
            email_key = secret.digest("email", emails.mailbox(changed.email))
            _add_person(found, key, Person(email_key, at))
        elif event.topic == "order.refunded":
            told = _refunded.decode(event.data)
            back = rules.back(told, min(now, occurred_at(event)))
            _merge(found, event, Order(told.order_id, refunds={told.refund_id: back}))
        elif event.topic == "order.cancelled":
            ended = _cancelled.decode(event.data)
            at = min(now, ended.cancelled_at or occurred_at(event))
            _merge(found, event, Order(ended.order_id, ended="cancelled", ended_at=at))
        elif event.topic == "order.deleted":
            gone = _deleted.decode(event.data)
            at = min(now, occurred_at(event))
            _merge(found, event, Order(gone.order_id, ended="deleted", ended_at=at))
    return found


def joined(one: Order, other: Order) -> Order:
    """Two words about one order, in whatever order they came."""
    first, second = sorted((one, other), key=lambda it: (it.ended == "", it.ended))
    return Order(
        one.order_id,
        rules.newest(one.told, other.told),
        rules.merged(one.refunds, other.refunds),
        first.ended or second.ended,
        first.ended_at or second.ended_at,
    )


def _read_order(found: Incoming, event: Event, secret: Secret, now: datetime) -> None:
    order = _order.decode(event.data)
    at = min(now, order.updated_at or occurred_at(event))
    email = (order.customer.email if order.customer else "") or order.email
    email_key = secret.digest("email", emails.mailbox(email))
    mark = mark_of_address(secret, rules.household(order.address))
    told = rules.told(order, at, email_key, mark.digest)
    refunds = {one.refund_id: rules.back(one, at) for one in order.refunds}
    key = event.shop, order.order_id
    if order.lines:
        _merge(found, event, Order(order.order_id, told, refunds))
    found.codes.setdefault(key, set()).update(code.upper() for code in order.discount_codes)
    if order.customer and order.customer.name:
        found.names[key] = order.customer.name
    if email:
        found.emails[key] = email
    placed_at = min(now, told.placed_at)
    if told.is_paid and not told.is_test:
        _read_buyer(found, event.shop, order, email_key, placed_at)
    if order.customer_id and mark.digest:
        subject = people.customer(order.customer_id)
        found.addresses.append((event.shop, mark, subject, placed_at))


def _read_buyer(
    found: Incoming, shop: str, order: OrderTold, email_key: str, placed_at: datetime
) -> None:
    if order.customer_id:
        key = shop, people.customer(order.customer_id)
    elif email_key:
        key = shop, people.guest(email_key)
    else:
        return
    _add_person(found, key, Person(email_key, placed_at, placed_at))


def _add_person(found: Incoming, key: Key, person: Person) -> None:
    before = found.people.get(key)
    if before is None:
        found.people[key] = person
        return
    first = [one for one in (before.first_order_at, person.first_order_at) if one]
    assert before.known_at is not None
    assert person.known_at is not None
    found.people[key] = Person(
        person.email_key or before.email_key,
        min(before.known_at, person.known_at),
        min(first, default=None),
    )


def _merge(found: Incoming, event: Event, order: Order) -> None:
    key = event.shop, order.order_id
    before = found.orders.get(key)
    found.orders[key] = joined(before, order) if before else order
    found.traces[key] = event.trace
