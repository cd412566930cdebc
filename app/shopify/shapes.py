"""The shapes of Shopify's webhook payloads (platform.md §4.4-4.6), as far as we use them; other
fields are skipped.
"""

from decimal import Decimal
from typing import Annotated

import msgspec

QUANTITY_MAX = 1_000_000

Id = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Quantity = Annotated[int, msgspec.Meta(ge=0, le=QUANTITY_MAX)]
Timestamp = str | None


class Money(msgspec.Struct):
    amount: Decimal


class MoneySet(msgspec.Struct):
    shop_money: Money | None = None


class Allocation(msgspec.Struct):
    amount: Decimal | None = None
    amount_set: MoneySet | None = None


class Line(msgspec.Struct):
    id: Id
    quantity: Quantity
    price: Decimal | None = None
    price_set: MoneySet | None = None
    gift_card: bool | None = None
    discount_allocations: list[Allocation] | None = None


class Customer(msgspec.Struct):
    """Personal fields are missing without Shopify's approval (platform.md §4.3)."""

    id: Id
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    created_at: Timestamp = None
    updated_at: Timestamp = None


class CustomerReference(msgspec.Struct):
    id: Id


class Order(msgspec.Struct):
    id: Id
    customer: CustomerReference | None = None
    financial_status: str | None = None
    test: bool | None = None
    created_at: Timestamp = None
    updated_at: Timestamp = None
    cancelled_at: Timestamp = None


class DiscountCode(msgspec.Struct):
    code: str | None = None


class PaidOrder(msgspec.Struct):
    id: Id
    currency: Annotated[str, msgspec.Meta(min_length=1, max_length=16)]
    line_items: list[Line]
    name: str | None = None
    customer: Customer | None = None
    discount_codes: list[DiscountCode] | None = None
    test: bool | None = None
    processed_at: Timestamp = None
    created_at: Timestamp = None


class RefundLine(msgspec.Struct):
    line_item_id: Id
    quantity: Quantity


class Adjustment(msgspec.Struct):
    kind: str | None = None
    amount: Decimal | None = None
    amount_set: MoneySet | None = None


class Refund(msgspec.Struct):
    id: Id
    order_id: Id
    refund_line_items: list[RefundLine] | None = None
    order_adjustments: list[Adjustment] | None = None
    processed_at: Timestamp = None
    created_at: Timestamp = None
