"""What an order consists of: its lines, and what was changed, paid, exchanged and given back."""

from msgspec import Struct, field

from devstore.shop.money import Prices

TIPS = ("gateway", "null", "tip")
SOURCES = ("web", "pos", "shopify_draft_order", "subscription_contract")
GUESTS = ("null", "empty", "id_null")


class Line(Struct):
    """A line never goes away: what is taken off again is part of a refund, as at Shopify."""

    id: int
    product_id: int | None
    variant_id: int | None
    title: str
    price_cents: int
    quantity: int  # all pieces there ever were
    is_gift_card: bool = False
    allocations: list[int] = field(default_factory=list)  # cents off, by discount of the order
    tax_cents: int = 0
    is_subscription: bool = False  # bought by a selling plan
    tip: str = ""  # a tip by `tip_payment_gateway` with a text, with null, or by an object `tip`

    @property
    def gross_cents(self) -> int:
        return self.price_cents * self.quantity

    @property
    def net_cents(self) -> int:
        return self.gross_cents - sum(self.allocations)


class CodeUse(Struct):
    """A discount as the order remembers it; one given by hand has no code."""

    code: str
    amount_cents: int
    value: str  # "5.0" or "10.0" (percent), as in `discount_applications[].value`; by hand: empty
    value_type: str  # fixed_amount or percentage
    is_shipping: bool = False  # off the shipping


class Payment(Struct):
    id: int
    paid_at: str
    amount_cents: int


class PaidBy(Struct):
    """What a gift card, or the customer's store credit, paid of an order."""

    way: str  # gift_card or shopify_store_credit
    amount_cents: int
    code: str = ""  # of the card
    back_cents: int = 0  # given back to where it came from


class RefundItem(Struct):
    id: int
    line_id: int
    quantity: int
    subtotal_cents: int
    tax_cents: int


class Adjustment(Struct):
    """The difference between what came back and the money: negative is to the customer."""

    id: int
    amount_cents: int
    reason: str
    kind: str | None = "refund_discrepancy"  # None: the key is not there


class Refund(Struct):
    """Pieces that came back or were taken off the order, and money, each perhaps without the other.

    `money_status` is that of the transaction; there is none when no money is given back.
    """

    id: int
    transaction_id: int
    created_at: str
    note: str | None
    items: list[RefundItem]
    shipping_cents: int = 0
    money_cents: int = 0
    money_status: str = "success"  # pending, success or failure
    adjustments: list[Adjustment] = field(default_factory=list)
    restock_type: str = "no_restock"  # cancel: taken off by an edit; return: by an exchange
    return_id: int | None = None


class Edit(Struct):
    """What one edit did, as `orders/edited` tells it: `(line id, pieces)`."""

    id: int
    committed_at: str
    added: list[tuple[int, int]]
    removed: list[tuple[int, int]]
    discounted: list[int] = field(default_factory=list)  # ids of lines
    note: str = ""


class Return(Struct):
    """Goods on their way back, for which others go out."""

    id: int
    name: str
    created_at: str
    back: list[tuple[int, int]]  # line id, pieces
    exchanged: list[tuple[int, int]]  # id of the exchange, line id of what goes out
    status: str = "open"


class Fulfillment(Struct):
    id: int
    created_at: str
    pieces: list[tuple[int, int]]  # line id, pieces


class Order(Struct):
    id: int
    shop: str
    number: int
    token: str
    customer_id: int | None
    email: str | None
    currency: str
    created_at: str
    processed_at: str
    updated_at: str
    lines: list[Line]
    codes: list[CodeUse]
    shipping_cents: int
    shipping_line_id: int
    presentment_currency: str = ""
    exchange_rate: float = 1.0
    taxes_included: bool = False
    tax_percent: float = 8.0
    is_tax_on_first_line: bool = False
    source: str = "web"  # one of SOURCES
    tags: list[str] = field(default_factory=list)
    company_id: int | None = None  # for whom it was bought
    guest_as: str = "null"  # what stands for nobody: null, an empty object, or one whose id is null
    is_test: bool = False
    cancelled_at: str | None = None
    cancel_reason: str | None = None
    payments: list[Payment] = field(default_factory=list)
    paid_by: list[PaidBy] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    returns: list[Return] = field(default_factory=list)
    fulfillments: list[Fulfillment] = field(default_factory=list)
    size_bytes: int = 0  # its webhooks are padded to that size

    @property
    def is_paid(self) -> bool:
        """Something was paid, if not all of it."""
        return bool(self.payments)

    @property
    def prices(self) -> Prices:
        return Prices(self.currency, self.presentment_currency or self.currency, self.exchange_rate)


class Placing(Struct, frozen=True, kw_only=True):
    """How an order is placed; what is None is as the shop has it."""

    at: str | None = None
    is_test: bool = False
    is_paid: bool = True
    size_bytes: int = 0
    cards: tuple[str, ...] = ()  # codes of gift cards that pay for it
    with_credit: bool = False  # the customer's store credit pays, too
    source: str = "web"
    tags: tuple[str, ...] = ()
    company_id: int | None = None
    guest_as: str = "null"
    shipping_cents: int | None = None
    taxes_included: bool | None = None
    tax_percent: float | None = None
    is_tax_on_first_line: bool | None = None
    presentment_currency: str | None = None
    exchange_rate: float | None = None
