"""One typed shape a topic, shared by who tells a fact and who reads it."""

from datetime import datetime
from typing import Annotated

import msgspec

Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class PaidLine(msgspec.Struct, gc=False):
    line_id: str
    quantity: int
    amount: str  # net of its discounts, in shop money
    gift_card: bool = False


class Person(msgspec.Struct, gc=False):
    id: str
    name: str = ""
    email: str = ""


class OrderPaid(msgspec.Struct):
    order_id: str
    currency: str
    lines: list[PaidLine]
    order_name: str = ""
    customer_id: str | None = None
    test: bool = False
    processed_at: Moment | None = None
    customer: Person | None = None
    discount_codes: list[str] = []


class OrderBuyer(msgspec.Struct):
    """Who paid for an order: `order.paid` for readers who do not need its lines."""

    order_id: str
    customer_id: str | None = None
    test: bool = False
    processed_at: Moment | None = None
    customer: Person | None = None


class RefundedLine(msgspec.Struct, gc=False):
    line_id: str
    quantity: int


class OrderRefunded(msgspec.Struct):
    order_id: str
    refund_id: str
    lines: list[RefundedLine] = []
    adjustment_amount: str = "0"


class OrderCancelled(msgspec.Struct):
    order_id: str
    cancelled_at: Moment | None = None


class CustomerChanged(msgspec.Struct):
    customer_id: str
    name: str = ""
    email: str = ""
    updated_at: Moment | None = None
    consent: str = ""  # to e-mail marketing, in Shopify's words; empty where it was not told


class CustomerDeleted(msgspec.Struct):
    customer_id: str
