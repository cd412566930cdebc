"""Lives of orders as a shop lives them: sold, paid, edited, exchanged, brought back; an act is told
by webhooks, and what they say is also kept in plain figures for the model.
"""

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]
# a cancellation is for good, so that it is rarer than what else happens
ACTS = (
    3
    * (
        "pay",
        "add",
        "more",
        "take_out",
        "bring_back",
        "give_back",
        "attach",
        "tell",
    )
    + ("cancel",) * 4
)
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
    guest: str = "bob"  # who is found to have bought as a guest

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
        self.customer = self.customer or self.guest
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


def life(chance: Random, people: tuple[str, ...] = ("bob", "charlie", "bob")) -> Life:
    """The life of an order of one of these people, or a guest's, told act by act."""
    buyer = chance.choice([*people, None])
    found = Life(chance.random() < 0.5, buyer, [], guest=people[0])
    for number in range(chance.randint(1, 3)):
        found.lines.append(replace(_line(chance), name=str(101 + number)))
    found.is_paid = chance.random() < 2 / 3
    found.tell("orders/create")
    if found.is_paid:
        found.tell("orders/paid")
    for _ in range(chance.randint(0, 8)):
        _act(found, chance)
    return found


def _line(chance: Random) -> Line:
    price, count = chance.randint(0, 12_000), chance.randint(1, 3)
    off, tax = (chance.choice([0, chance.randint(0, most)]) for most in (500, 300))
    return Line("", chance.choice(KINDS), price, count, count, off, min(tax, price // 2))


def _act(found: Life, chance: Random) -> None:
    place, pieces = chance.randint(0, 3), chance.randint(1, 3)
    match chance.choice(ACTS):
        case "pay":
            found.pay()
        case "add":
            found.add(_line(chance))
        case "more":
            found.more(place, pieces)
        case "take_out":
            found.take_out(place, pieces)
        case "bring_back":
            found.bring_back(place, pieces, chance.choice([0, chance.randint(-3_000, 3_000)]))
        case "give_back":
            how = chance.choice(["", "", "pending", "failed", "shipping"])
            found.give_back(chance.randint(1, 6_000), how)
        case "attach":
            found.attach()
        case "tell":
            found.tell()
        case "cancel":
            found.cancel()


lives = st.randoms(use_true_random=False).map(life)
