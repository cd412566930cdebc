"""What an order is worth to a referral, and what follows for it from the orders there are."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from app.facts import OrderTold, Refund
from app.referrals.views import Settings

MILLION = 1_000_000
MONEY_MAX = 10**12
SECOND_DAYS = 180  # so long after the first order a referral waits for the second
LATE_DAYS = 3  # so long after its code's last day a claim still waits for an order
SKEW = timedelta(seconds=60)  # between Shopify's clock and ours
# what people write in one way or another
SHORT = {
    "street": "st",
    "strasse": "str",
    "straße": "str",
    "avenue": "ave",
    "road": "rd",
    "lane": "ln",
    "drive": "dr",
    "apartment": "apt",
    "boulevard": "blvd",
}


class Line(msgspec.Struct, frozen=True, array_like=True):
    """Pieces of a line there ever were, what they cost in millionths, and how many are left where
    that is told.
    """

    quantity: int
    micros: int
    kept: int | None = None

    @property
    def without_kept(self) -> "Line":
        """The line before what came back later, which no word tells apart from what came before."""
        return Line(self.quantity, self.micros)


class Back(msgspec.Struct, frozen=True):
    """What a refund brings back: pieces by line, and money in millionths beyond their worth."""

    lines: dict[str, int] = {}
    adjustment: int = 0
    at: datetime | None = None


class Told(msgspec.Struct, frozen=True):
    """The newest word about an order, as far as referrals need it; no address, only its digest."""

    at: datetime
    placed_at: datetime
    name: str
    is_paid: bool
    is_test: bool
    lines: dict[str, Line]
    customer_id: str = ""
    email_key: str = ""
    address: str = ""


class Order(msgspec.Struct, frozen=True):
    """All that is known of an order, in whatever order it came."""

    order_id: str
    told: Told | None = None
    refunds: dict[str, Back] = {}
    ended: str = ""  # cancelled | deleted
    ended_at: datetime | None = None

    @property
    def net(self) -> int:
        """What it is worth now, in millionths: goods less what came back."""
        return self.net_at(None)

    def net_at(self, until: datetime | None) -> int:
        """What it was worth at the end of a window, whatever was known of it then: goods less what
        had come back by it; None is now.
        """
        has_ended = self.ended and (not until or not self.ended_at or self.ended_at <= until)
        if self.told is None or has_ended:
            return 0
        back: dict[str, int] = {}
        refunds = [
            one for one in self.refunds.values() if not until or not one.at or one.at <= until
        ]
        for one in refunds:
            for line_id, pieces in one.lines.items():
                back[line_id] = back.get(line_id, 0) + pieces
        # what is left of a line is of the newest word, which may be of later
        is_of_then = until is None or (len(refunds) == len(self.refunds) and self.told.at <= until)
        worth = sum(
            _left(line if is_of_then else line.without_kept, back.get(name, 0))
            for name, line in self.told.lines.items()
        )
        beyond = sum(min(0, one.adjustment) for one in refunds)
        return max(0, worth + beyond)


class Standing(NamedTuple):
    """How far a referral came, by its orders: `order` is the one that counts, `first` one that has
    to be followed by another.
    """

    state: Literal["claimed", "ordered"]
    order: Order | None = None
    due_at: datetime | None = None
    first: Order | None = None


def told(order: OrderTold, at: datetime, email_key: str, address: str) -> Told:
    """What an order's fact says; gift cards and tips are no goods."""
    lines = {
        line.line_id: Line(line.quantity, micros(line.amount), line.kept)
        for line in order.lines
        if not line.gift_card and not line.tip
    }
    return Told(
        order.updated_at or at,
        order.processed_at or at,
        order.order_name,
        order.is_paid,
        order.test,
        lines,
        order.customer_id or "",
        email_key,
        address,
    )


def back(refund: Refund, at: datetime) -> Back:
    """What a refund says."""
    lines: dict[str, int] = {}
    for line in refund.lines:
        lines[line.line_id] = lines.get(line.line_id, 0) + line.quantity
    return Back(lines, micros(refund.adjustment), at)


def standing(
    orders: Sequence[Order], claimed_at: datetime, offer: Settings, now: datetime
) -> Standing:
    """The first order that qualifies, or the second where the shop wants that, makes a referral
    wait for its reward: placed since the claim, paid, no test, and worth the minimum after all that
    came back.
    """
    good = sorted(
        (one for one in orders if qualifies(one, claimed_at, offer)),
        key=lambda one: (_placed(one), one.order_id),
    )
    if not good:
        return Standing("claimed")
    if len(good) < offer.order_number:
        waits_until = _placed(good[0]) + timedelta(days=SECOND_DAYS)
        return Standing("claimed", None, waits_until, good[0])
    it = good[offer.order_number - 1]
    # told late, it still waits until returns of it would be known
    due_at = max(now, _placed(it) + timedelta(days=offer.hold_days))
    return Standing("ordered", it, due_at)


def stands(
    orders: Sequence[Order], order_id: str, offer: Settings, until: datetime | None = None
) -> bool:
    """Whether what was rewarded for an order is still due at the end of a window, None for now: it
    is still worth enough, and so is one before it where it was to be the second.
    """
    own = next((one for one in orders if one.order_id == order_id), None)
    if own is None or own.told is None:
        return False
    upto = (_placed(own), own.order_id)
    good = [
        one
        for one in orders
        if one.told and (_placed(one), one.order_id) <= upto and is_enough(one, offer, until)
    ]
    return own in good and len(good) >= offer.order_number


def qualifies(order: Order, claimed_at: datetime, offer: Settings) -> bool:
    """Whether an order is one that a referral is rewarded for."""
    it = order.told
    if it is None or order.ended or it.is_test or not it.is_paid:
        return False
    return not is_before(it.placed_at, claimed_at) and is_enough(order, offer)


def is_before(ordered_at: datetime | None, claimed_at: datetime) -> bool:
    """Whether somebody ordered before they claimed."""
    return ordered_at is not None and ordered_at < claimed_at - SKEW


def is_enough(order: Order, offer: Settings, until: datetime | None = None) -> bool:
    net = order.net_at(until)
    return net > 0 and net >= int(offer.order_minimum * MILLION)


def merged(known: Mapping[str, Back], new: Mapping[str, Back]) -> dict[str, Back]:
    """Refunds by their id; one that is told again says the same and is counted once, since the
    earliest moment anybody told of it.
    """
    found = {**new, **known}
    for refund_id in known.keys() & new.keys():
        moments = [one[refund_id].at for one in (known, new)]
        at = min((moment for moment in moments if moment), default=None)
        found[refund_id] = msgspec.structs.replace(found[refund_id], at=at)
    return found


def newest(one: Told | None, other: Told | None) -> Told | None:
    """The newer of two words about one order."""
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda it: (it.at, it.is_paid))


def household(address: str) -> str:
    """An address by what tells one household from another, however it was written."""
    words = re.findall(r"\w+", address.casefold())
    return "".join(SHORT.get(word, word) for word in words)


def micros(amount: str) -> int:
    """Money as millionths; 0 for what is none."""
    try:
        number = Decimal(amount)
    except ArithmeticError:
        return 0
    return int(number * MILLION) if number.is_finite() and abs(number) < MONEY_MAX else 0


def _left(line: Line, back: int) -> int:
    if line.quantity <= 0:
        return 0
    left = max(0, line.quantity - back)
    if line.kept is not None:
        left = min(left, line.kept)
    return line.micros * left // line.quantity


def _placed(order: Order) -> datetime:
    assert order.told is not None
    return order.told.placed_at
