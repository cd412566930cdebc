"""Lives of orders as a shop lives them: sold, paid, edited, exchanged, brought back; an act is told
by webhooks, and what they say is also kept in plain figures for the model.
"""

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tests.points.webhooks import Webhook, adjustment, pair, transaction

Json = dict[str, Any]
KINDS = ("goods", "goods", "goods", "goods", "gift card", "tip", "null tip")


@dataclass(frozen=True)
class Line:
    """Money in cents, of all pieces; `net` is without the tax, whether the price includes it."""

    name: str
    kind: str
    price: int
    quantity: int
    kept: int
    off: int = 0
    tax_a_piece: int = 0

    def net(self, *, is_included: bool) -> int:
        paid = max(0, self.price * self.quantity - self.off)
        return max(0, paid - self.tax) if is_included else paid

    @property
    def tax(self) -> int:
        return self.tax_a_piece * self.quantity


@dataclass(frozen=True)
class Refund:
    pieces: dict[str, int]
    adjustments: tuple[int, ...] = ()  # cents, signed
    pending: int = 0
    shipping: int = 0

    @property
    def net(self) -> int:
        """Cents beyond the pieces: below 0 given back; what is on its way counts as given."""
        given = sum(one for one in self.adjustments if one < 0)
        kept = sum(one for one in self.adjustments if one > 0)
        return given + max(0, kept - self.pending)


@dataclass(frozen=True)
class Snapshot:
    """An order as it says it stands, in the second `at` of its life."""

    at: int
    topic: str
    status: str
    customer: str | None
    lines: tuple[Line, ...]
    outstanding: int
    refunds: dict[str, Refund]
    is_included: bool


@dataclass(frozen=True)
class Message:
    """One webhook: an order as it stood, a refund by itself, or its cancellation."""

    snapshot: Snapshot | None = None
    refund: tuple[str, Refund] | None = None
    is_cancelled: bool = False
    at: int = 0


@dataclass
class Life:
    """An order whose acts are told."""

    is_included: bool
    customer: str | None
    lines: list[Line]
    is_paid: bool = False
    outstanding: int = 0
    refunds: dict[str, Refund] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    at: int = 0

    def gross(self, line: Line, pieces: int) -> int:
        whole = line.net(is_included=self.is_included) + line.tax
        return whole * pieces // line.quantity

    def tell(self, topic: str = "orders/updated") -> None:
        self.at += 1
        back = "partially_refunded" if self.refunds else "paid"
        status = back if self.outstanding <= 0 else "partially_paid"
        snapshot = Snapshot(
            self.at,
            topic,
            status if self.is_paid else "pending",
            self.customer,
            tuple(self.lines),
            self.outstanding if self.is_paid else sum(self.gross(x, x.kept) for x in self.lines),
            dict(self.refunds),
            self.is_included,
        )
        self.messages.append(Message(snapshot, at=self.at))

    def pay(self) -> None:
        if not self.is_paid or self.outstanding > 0:
            self.is_paid, self.outstanding = True, 0
            self.tell("orders/paid")

    def add(self, line: Line) -> None:
        line = replace(line, name=str(101 + len(self.lines)))
        self.lines.append(line)
        self._owe(self.gross(line, line.kept))
        self.tell()

    def more(self, place: int, pieces: int) -> None:
        old = self.lines[place % len(self.lines)]
        new = replace(old, quantity=old.quantity + pieces, kept=old.kept + pieces)
        self.lines[place % len(self.lines)] = new
        self._owe(self.gross(new, new.kept) - self.gross(old, old.kept))
        self.tell()

    def take_out(self, place: int, pieces: int) -> None:
        """By an edit: a record without money, which is owed to the customer who has paid."""
        if count := self._gone(place, pieces):
            line = self.lines[place % len(self.lines)]
            self._owe(-self.gross(line, count))
            self._refund(Refund({line.name: count}))

    def bring_back(self, place: int, pieces: int, beyond: int) -> None:
        if self.is_paid and (count := self._gone(place, pieces)):
            line = self.lines[place % len(self.lines)]
            self._refund(Refund({line.name: count}, (beyond,) if beyond else ()))

    def give_back(self, cents: int, how: str) -> None:
        if self.is_paid:
            pair_ = (-cents, cents) if how in {"pending", "failed"} else (-cents,)
            pending = cents if how == "pending" else 0
            self._refund(Refund({}, pair_, pending, shipping=7 if how == "shipping" else 0))

    def attach(self) -> None:
        self.customer = self.customer or "bob"
        self.tell()

    def cancel(self) -> None:
        self.at += 1
        self.messages.append(Message(is_cancelled=True, at=self.at))

    def _gone(self, place: int, pieces: int) -> int:
        line = self.lines[place % len(self.lines)]
        count = min(pieces, line.kept)
        self.lines[place % len(self.lines)] = replace(line, kept=line.kept - count)
        return count

    def _owe(self, cents: int) -> None:
        if self.is_paid:
            self.outstanding += cents

    def _refund(self, refund: Refund) -> None:
        self.at += 1
        name = str(901 + len(self.refunds))
        self.refunds[name] = refund
        self.messages.append(Message(refund=(name, refund), at=self.at))
        self.tell()


cents = st.integers(0, 12_000)
pieces = st.integers(1, 3)
place = st.integers(0, 3)
lines = st.builds(
    lambda kind, price, quantity, off, tax: Line(
        "", kind, price, quantity, quantity, off, min(tax, price // 2)
    ),
    st.sampled_from(KINDS),
    cents,
    pieces,
    st.just(0) | st.integers(0, 500),
    st.just(0) | st.integers(0, 300),
)
acts = st.one_of(
    st.tuples(st.just("pay")),
    st.tuples(st.just("add"), lines),
    st.tuples(st.just("more"), place, pieces),
    st.tuples(st.just("take_out"), place, pieces),
    st.tuples(st.just("bring_back"), place, pieces, st.just(0) | st.integers(-3_000, 3_000)),
    st.tuples(
        st.just("give_back"),
        st.integers(1, 6_000),
        st.sampled_from(["", "", "pending", "failed", "shipping"]),
    ),
    st.tuples(st.just("attach")),
    st.tuples(st.just("tell")),
)


def _live(
    is_included: bool, customer: str | None, sold: list[Line], is_at_once: bool, done: list[Any]
) -> Life:
    life = Life(is_included, customer, [])
    for number, line in enumerate(sold):
        life.lines.append(replace(line, name=str(101 + number)))
    if is_at_once:
        life.is_paid = True
    life.tell("orders/create")
    if is_at_once:
        life.tell("orders/paid")
    for kind, *arguments in done:
        getattr(life, kind)(*arguments)
    return life


lives = st.builds(
    _live,
    st.booleans(),
    st.sampled_from(["bob", "charlie", "bob", None]),
    st.lists(lines, min_size=1, max_size=3),
    st.sampled_from([True, True, False]),
    st.lists(st.one_of(acts, acts, acts, st.tuples(st.just("cancel"))), max_size=8),
)


def webhook(message: Message, shop: str, order_id: int, placed: datetime) -> Webhook:
    """The message as Shopify writes it; ids of refunds are of their order."""
    if message.refund is not None:
        body = _refund(order_id, *message.refund, placed + timedelta(seconds=message.at))
        return Webhook("refunds/create", json.dumps(body).encode(), shop)
    at = (placed + timedelta(seconds=message.at)).isoformat()
    found = message.snapshot
    body = {
        "id": order_id,
        "name": f"#{order_id}",
        "currency": "USD",
        "financial_status": "paid",
        "created_at": placed.isoformat(),
        "processed_at": placed.isoformat(),
        "updated_at": at,
        "cancelled_at": at if message.is_cancelled else None,
        "line_items": [],
        "test": False,
    }
    topic = "orders/cancelled"
    if found is not None:
        topic = found.topic
        body |= {
            "financial_status": found.status,
            "customer": {"id": _number(found.customer)} if found.customer else {},
            "taxes_included": found.is_included,
            "total_outstanding": _text(found.outstanding),
            "line_items": [_line(line) for line in found.lines],
            "refunds": [
                _refund(order_id, name, one, placed) for name, one in found.refunds.items()
            ],
        }
    return Webhook(topic, json.dumps(body).encode(), shop)


def _number(customer: str) -> int:
    return {"bob": 7001, "charlie": 7002}[customer]


def _text(amount: int) -> str:
    return str(Decimal(amount) / 100)


def _line(line: Line) -> Json:
    taxes = [{"rate": 0.99, **pair("price", _text(line.tax))}] if line.tax else []
    return {
        "id": int(line.name),
        "title": f"Thing {line.name}",
        "quantity": line.quantity,
        "current_quantity": line.kept,
        "gift_card": line.kind == "gift card",
        "taxable": False,  # so that a tax is its line's own, however large
        **({"tip_payment_gateway": None} if line.kind == "null tip" else {}),
        **({"tip": {"payment_gateway": "bogus"}} if line.kind == "tip" else {}),
        **pair("price", _text(line.price)),
        "tax_lines": taxes,
        "discount_allocations": [pair("amount", _text(line.off))] if line.off else [],
    }


def _refund(order_id: int, name: str, one: Refund, at: datetime) -> Json:
    shipping = [adjustment(_text(-one.shipping), "shipping_refund")] if one.shipping else []
    told = [
        adjustment(_text(cents_), None if place_ % 2 else "refund_discrepancy")
        for place_, cents_ in enumerate(one.adjustments)
    ]
    return {
        "id": order_id * 1000 + int(name),
        "order_id": order_id,
        "created_at": at.isoformat(),
        "refund_line_items": [
            {"line_item_id": int(line), "quantity": count} for line, count in one.pieces.items()
        ],
        "order_adjustments": [*told, *shipping],
        "transactions": [transaction(_text(one.pending), "pending")] if one.pending else [],
    }
