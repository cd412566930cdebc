"""The shapes of Shopify's webhook payloads, as far as we use them; other fields are skipped.

A webhook's topic stands in a header nobody signed, so each shape asks for what no other kind of
body has: what is required here is in every real payload of its topics since 2023-10.
"""

from decimal import Decimal
from typing import Annotated, Any

import msgspec

QUANTITY_MAX = 1_000_000

Id = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Quantity = Annotated[int, msgspec.Meta(ge=0, le=QUANTITY_MAX)]
Timestamp = str | None
Missing = msgspec.UnsetType  # a field that must not be there


class Money(msgspec.Struct):
    amount: Decimal


class MoneySet(msgspec.Struct):
    shop_money: Money | None = None


class BothMoney(MoneySet):
    """Also in the money the customer paid with."""

    presentment_money: Money | None = None


class Allocation(msgspec.Struct):
    amount: Decimal | None = None
    amount_set: MoneySet | None = None
    discount_application_index: Any = None


class TaxLine(msgspec.Struct):
    price: Decimal | None = None
    price_set: MoneySet | None = None
    rate: Any = None


class Line(msgspec.Struct):
    id: Id
    quantity: Quantity
    current_quantity: Quantity | None = None
    title: str | None = None
    price: Decimal | None = None
    price_set: MoneySet | None = None
    gift_card: bool | None = None
    taxable: bool | None = None
    tax_lines: list[TaxLine] | None = None
    discount_allocations: list[Allocation] | None = None
    product_id: Any = None
    selling_plan_allocation: Any = None
    # only a tip has them, and this one may be null
    tip_payment_gateway: Any = msgspec.UNSET
    tip: Any = None


class Customer(msgspec.Struct):
    """Names and addresses are missing while Shopify has not approved personal data for the app."""

    id: Id
    state: str
    created_at: str
    admin_graphql_api_id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    updated_at: Timestamp = None


class DeletedCustomer(msgspec.Struct):
    """Its id and its gid; who says more of a customer tells no deletion."""

    id: Id
    admin_graphql_api_id: str
    state: str | Missing | None = msgspec.UNSET
    created_at: Timestamp | Missing = msgspec.UNSET


class EmailConsent(msgspec.Struct):
    state: str
    consent_updated_at: Timestamp = None


class ConsentedCustomer(msgspec.Struct):
    """What a customer says to e-mail marketing; the address is missing without approval."""

    customer_id: Id
    email_marketing_consent: EmailConsent


class Buyer(msgspec.Struct):
    """The customer inside an order; without an id it is a guest's."""

    id: Id | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None


class DiscountCode(msgspec.Struct):
    code: str | None = None


class LineReference(msgspec.Struct):
    title: str | None = None


class RefundLine(msgspec.Struct):
    line_item_id: Id
    quantity: Quantity
    line_item: LineReference | None = None


class Adjustment(msgspec.Struct):
    kind: str | None = None
    reason: Any = None
    amount: Decimal | None = None
    amount_set: BothMoney | None = None
    tax_amount: Decimal | None = None
    tax_amount_set: MoneySet | None = None


class Transaction(msgspec.Struct):
    kind: Any = None
    status: Any = None
    amount: Any = None


class RefundBody(msgspec.Struct):
    """A refund as it stands in its order."""

    id: Id
    refund_line_items: list[RefundLine]
    admin_graphql_api_id: str | None = None
    order_adjustments: list[Adjustment] | None = None
    transactions: list[Transaction] | None = None
    refund_shipping_lines: Any = None
    processed_at: Timestamp = None
    created_at: Timestamp = None


class Refund(RefundBody, kw_only=True):
    """A refund told by itself."""

    order_id: Id


class Order(msgspec.Struct):
    id: Id
    currency: Annotated[str, msgspec.Meta(min_length=1, max_length=16)]
    financial_status: str | None
    line_items: list[Line]
    admin_graphql_api_id: str | None = None
    name: str | None = None
    customer: Buyer | None = None
    discount_codes: list[DiscountCode] | None = None
    discount_applications: Any = None
    test: bool | None = None
    taxes_included: bool | None = None
    total_outstanding: Any = None
    refunds: list[RefundBody] | None = None
    source_name: Any = None
    tags: Any = None
    company: Any = None
    shipping_lines: Any = None
    processed_at: Timestamp = None
    created_at: Timestamp = None
    updated_at: Timestamp = None
    cancelled_at: Timestamp = None
    email: Any = None
    shipping_address: Any = None


class Identified(msgspec.Struct, forbid_unknown_fields=True):
    """A body that is an id and nothing else: who says more of an order tells no deletion."""

    id: Id


class Change(msgspec.Struct):
    id: Id
    delta: Quantity


class Changes(msgspec.Struct):
    additions: list[Change]
    removals: list[Change]


class Edit(msgspec.Struct):
    id: Id
    order_id: Id
    line_items: Changes
    committed_at: Timestamp = None


class EditedOrder(msgspec.Struct):
    order_edit: Edit


class Tags(msgspec.Struct):
    """Tags a customer was given, or lost."""

    customerId: str  # noqa: N815 - as Shopify writes it
    tags: list[str]
    occurredAt: Timestamp = None  # noqa: N815


class Collection(msgspec.Struct):
    id: Id
    admin_graphql_api_id: str
    sort_order: Any  # no other body with an id and a gid has it
    updated_at: Timestamp = None


class Merge(msgspec.Struct):
    admin_graphql_api_customer_kept_id: str
    admin_graphql_api_customer_deleted_id: str
    status: str | None = None


class Shop(msgspec.Struct):
    """`app/uninstalled` brings the shop as it was; its domain is null in Shopify's own sample."""

    id: Id
    plan_name: str | None
    myshopify_domain: str | None
    name: Any = None
    currency: Any = None
    iana_timezone: Any = None
    updated_at: Any = None


class Person(msgspec.Struct):
    id: Id | None = None


class Numbered(msgspec.Struct):
    id: Id


class DataRequest(msgspec.Struct):
    shop_domain: str
    data_request: Numbered
    customer: Person | None = None


class CustomerRedact(msgspec.Struct):
    shop_domain: str
    orders_to_redact: list[int] | None
    customer: Person | None = None


class ShopRedact(msgspec.Struct):
    """The shop and nobody in it: with a customer it would be a request about that customer."""

    shop_domain: str
    customer: Person | Missing | None = msgspec.UNSET
