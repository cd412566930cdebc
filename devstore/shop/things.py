"""What a shop consists of; money is a whole number of cents, times are ISO texts with an offset."""

from datetime import UTC, datetime, timedelta

from msgspec import Struct, field


def now(hours_off: float = 0.0) -> str:
    moment = datetime.now(UTC) + timedelta(hours=hours_off)
    return moment.isoformat(timespec="milliseconds")


class Shop(Struct):
    domain: str
    id: int
    name: str
    created_at: str
    currency: str = "USD"
    timezone: str = "America/New_York"
    next_order_number: int = 1001
    is_installed: bool = True
    is_seeded: bool = False  # the demo history has been made
    has_spent: bool = False  # and some of its points were redeemed

    @property
    def handle(self) -> str:
        return self.domain.removesuffix(".myshopify.com")


class Product(Struct):
    id: int
    shop: str
    variant_id: int
    title: str
    price_cents: int
    picture: str
    description: str = ""
    is_gift_card: bool = False

    def item(self, quantity: int) -> "Item":
        return Item(
            self.title, self.price_cents, quantity, self.is_gift_card, self.id, self.variant_id
        )


class Customer(Struct):
    id: int
    shop: str
    first_name: str
    last_name: str
    email: str
    created_at: str
    updated_at: str
    phone: str | None = None
    note: str | None = None
    is_deleted: bool = False

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()


class Line(Struct):
    id: int
    product_id: int | None
    variant_id: int | None
    title: str
    price_cents: int
    quantity: int
    is_gift_card: bool = False
    allocations: list[int] = field(default_factory=list)  # cents off, by code of the order
    tax_cents: int = 0

    @property
    def gross_cents(self) -> int:
        return self.price_cents * self.quantity

    @property
    def net_cents(self) -> int:
        return self.gross_cents - sum(self.allocations)


class Item(Struct, frozen=True):
    """A line somebody wants to buy."""

    title: str
    price_cents: int
    quantity: int
    is_gift_card: bool = False
    product_id: int | None = None
    variant_id: int | None = None


class Basket(Struct, frozen=True):
    """What somebody wants to buy, and who: a customer, or a guest with an e-mail address."""

    items: list[Item]
    customer: Customer | None = None
    email: str | None = None

    @property
    def buyer(self) -> str:
        """How a discount remembers who used it."""
        return str(self.customer.id) if self.customer else (self.email or "").lower()


class CodeUse(Struct):
    """A discount code as the order remembers it."""

    code: str
    amount_cents: int
    value: str  # "5.0" or "10.0" (percent), as in `discount_applications[].value`
    value_type: str  # fixed_amount or percentage


class RefundItem(Struct):
    id: int
    line_id: int
    quantity: int
    subtotal_cents: int
    tax_cents: int


class Refund(Struct):
    id: int
    transaction_id: int
    created_at: str
    note: str | None
    items: list[RefundItem]
    shipping_cents: int = 0
    adjustment_cents: int = 0  # an amount given back without naming lines
    adjustment_id: int = 0

    @property
    def amount_cents(self) -> int:
        items = sum(item.subtotal_cents + item.tax_cents for item in self.items)
        return items + self.shipping_cents + self.adjustment_cents


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
    transaction_id: int
    shipping_line_id: int
    is_paid: bool
    is_test: bool = False
    cancelled_at: str | None = None
    cancel_reason: str | None = None
    refunds: list[Refund] = field(default_factory=list)
    size_bytes: int = 0  # its webhooks are padded to that size


class Discount(Struct):
    id: int
    redeem_code_id: int
    shop: str
    code: str
    title: str
    created_at: str
    updated_at: str
    starts_at: str
    ends_at: str | None = None
    amount_cents: int | None = None  # off the whole order; else percent
    percent: float = 0.0
    on_each_item: bool = False
    customer_ids: list[int] | None = None  # None: everybody
    usage_limit: int | None = None
    once_per_customer: bool = False
    minimum_subtotal_cents: int | None = None
    minimum_quantity: int | None = None
    combines_with_orders: bool = False
    combines_with_products: bool = False
    combines_with_shipping: bool = False
    is_active: bool = True
    uses: int = 0
    used_by: list[str] = field(default_factory=list)  # customer ids, or e-mail addresses of guests


class Session(Struct):
    """A browser in a storefront: who is signed in, and the cart."""

    id: str
    shop: str
    customer_id: int | None = None
    cart: dict[str, int] = field(default_factory=dict)  # product id → quantity
    codes: list[str] = field(default_factory=list)
    notice: str = ""


class AccessToken(Struct):
    token: str
    shop: str
    expires_at: float | None  # Unix seconds; None: does not expire


class RefreshToken(Struct):
    token: str
    shop: str
    expires_at: float
    first_used_at: float | None = None
    replacement: str | None = None  # the refresh token given for it
    access_token: str = ""  # the access token given together with this one


class Try(Struct):
    at: str
    status: int  # 0 when no answer came
    milliseconds: int
    error: str = ""
    is_duplicate: bool = False


class Delivery(Struct):
    id: str  # X-Shopify-Webhook-Id, unless `webhook_id` is another one
    event_id: str
    topic: str
    shop: str
    triggered_at: str
    api_version: str
    body: str
    state: str = "waiting"  # waiting, retrying, delivered, failed
    tries: list[Try] = field(default_factory=list)
    failures: int = 0
    due_at: float = 0.0  # Unix seconds
    sequence: int = 0
    webhook_id: str = ""  # X-Shopify-Webhook-Id, where another one than `id` is pretended
    size_bytes: int = 0  # the body is padded to that size when it is sent
