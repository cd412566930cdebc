"""One typed shape a topic, shared by who tells a fact and who reads it."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import msgspec

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
# all of the order's money is or was there; `partially_paid`, `authorized` and what Shopify may
# invent tomorrow earn nothing until it is
PAID = frozenset({"paid", "partially_refunded", "refunded"})


class OrderLine(msgspec.Struct, gc=False):
    """A line of an order; money is of all its pieces together, in shop money."""

    line_id: str
    quantity: int  # all pieces there ever were
    amount: str  # net of its discounts, and of the tax its price includes
    gift_card: bool = False
    tip: bool = False
    kept: int | None = None  # pieces neither back nor taken out; None where that is not told
    tax: str = "0"  # that its price includes, or that came on top
    title: str = ""
    product_id: str = ""
    subscription: bool = False  # bought by a plan that renews itself
    off: dict[str, str] = {}  # what each discount code takes off it


class RefundedLine(msgspec.Struct, gc=False):
    line_id: str
    quantity: int
    title: str = ""


class Refund(msgspec.Struct, gc=False):
    """What came back with a refund: pieces, and money that is not their worth."""

    refund_id: str
    lines: list[RefundedLine] = []
    # tax and all: below 0 what was given back beyond the worth of the lines, above 0 what was not
    adjustment: str = "0"
    shipping: str = "0"  # given back of it, tax and all


class Person(msgspec.Struct, gc=False):
    id: str
    name: str = ""
    email: str = ""


class OrderTold(msgspec.Struct):
    """An order as it stood: `order.created`, `order.updated` and, once all its money was there,
    `order.paid`.
    """

    order_id: str
    currency: str
    lines: list[OrderLine]
    order_name: str = ""
    customer_id: str | None = None
    test: bool = False
    processed_at: Moment | None = None  # when it was placed
    updated_at: Moment | None = None  # as of when this is said
    customer: Person | None = None
    discount_codes: list[str] = []
    financial_status: str = "paid"
    outstanding: str = "0"  # still to be paid; below 0: owed to the customer
    refunds: list[Refund] = []
    is_old: bool = False  # placed long ago, and nobody says that it was paid just now
    source: str = ""  # where it was made, in Shopify's words; empty for the online store
    tags: list[str] = []
    is_b2b: bool = False  # bought for a company
    shipping: str = "0"  # what it costs after discounts, without tax
    shipping_tax: str = "0"
    email: str = ""  # of a guest; a customer's stands with them
    address: str = ""  # where it goes to, in one line
    # why it is told again, as every fact about an order may say: what was made of its webhook
    # before was wrong
    corrected: str = ""

    @property
    def is_paid(self) -> bool:
        return self.financial_status in PAID


class OrderBuyer(msgspec.Struct):
    """Whose order it is: an order for readers who do not need its lines."""

    order_id: str
    customer_id: str | None = None
    test: bool = False
    processed_at: Moment | None = None
    customer: Person | None = None
    financial_status: str = "paid"

    @property
    def is_paid(self) -> bool:
        return self.financial_status in PAID


class OrderRefunded(Refund, kw_only=True):
    order_id: str
    corrected: str = ""


class OrderCancelled(msgspec.Struct):
    """`customer_id` and the codes, for who has not heard of the order before."""

    order_id: str
    cancelled_at: Moment | None = None
    corrected: str = ""
    customer_id: str | None = None
    discount_codes: list[str] = []


class OrderDeleted(msgspec.Struct):
    order_id: str
    corrected: str = ""


class OrderEdited(msgspec.Struct):
    """Pieces an edit added and took out, by line; the order itself is told apart."""

    order_id: str
    edit_id: str
    added: dict[str, int] = {}
    removed: dict[str, int] = {}
    corrected: str = ""


class CustomerChanged(msgspec.Struct):
    customer_id: str
    name: str = ""
    email: str = ""
    updated_at: Moment | None = None
    consent: str = ""  # to e-mail marketing, in Shopify's words; empty where it was not told


class CustomerDeleted(msgspec.Struct):
    customer_id: str


class CustomerMerged(msgspec.Struct):
    """Two customers became one: who is gone, and who is kept."""

    customer_id: str
    kept_id: str


class CollectionUpdated(msgspec.Struct):
    """Something about a collection changed, perhaps which products are in it."""

    collection_id: str


class ShopUpdated(msgspec.Struct):
    """What a shop says of itself; empty where it does not."""

    name: str = ""
    currency: str = ""
    timezone: str = ""


def _signed(data: dict[str, Any]) -> dict[str, Any]:
    """A refund used to tell only what was given back beyond its lines, as a positive amount."""
    return {**data, "adjustment": f"-{data.get('adjustment_amount', '0')}"}


def _of_unknown_lines(data: dict[str, Any]) -> dict[str, Any]:
    """An order used to tell of its lines only once it was paid."""
    return {**data, "currency": "", "lines": []}


# (topic, version it turns from) -> the data of the next version; the current version of a topic is
# the one no entry starts from. The log keeps 14 days: an entry may go that long after its deploy.
UPCASTS: dict[tuple[str, int], Callable[[Any], Any]] = {
    ("order.refunded", 1): _signed,
    ("order.created", 1): _of_unknown_lines,
    ("order.updated", 1): _of_unknown_lines,
}
