"""What a shop consists of, but its orders; times are ISO texts with an offset.

Money is a whole number of the smallest unit of the shop's currency, called cents throughout: those
of a yen are yen, those of a dinar are fils.
"""

from datetime import UTC, datetime, timedelta

from msgspec import Struct, field

from devstore.errors import FormError

DAYS_LIMIT = 3650.0


def now(hours_off: float = 0.0) -> str:
    moment = datetime.now(UTC) + timedelta(hours=hours_off)
    return moment.isoformat(timespec="milliseconds")


def ago(days: float) -> str:
    """The time so many days ago, or an empty text for now; raises FormError beyond ten years."""
    if not 0 <= days <= DAYS_LIMIT:
        raise FormError(f"That is between 0 and {DAYS_LIMIT:.0f} days ago.")
    return now(-24 * days) if days else ""


class Shop(Struct):
    domain: str
    id: int
    name: str
    created_at: str
    currency: str = "USD"
    timezone: str = "America/New_York"
    taxes_included: bool = False  # prices are with tax
    tax_percent: float = 8.0
    is_tax_on_first_line: bool = False  # the tax of all lines stands on the first one
    presentment_currency: str = ""  # customers pay in it; empty: in the shop's
    exchange_rate: float = 1.0  # how much of it is one of the shop's
    next_order_number: int = 1001
    is_installed: bool = True
    is_seeded: bool = False  # the demo history has been made
    has_rewards: bool = False  # rewards of every kind were set up
    has_spent: bool = False  # and some of its points were redeemed
    has_tiers: bool = False  # and there are tiers
    has_ways: bool = False  # and there are ways to earn besides orders
    has_referred: bool = False  # and some of its customers brought friends

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


class Collection(Struct):
    id: int
    shop: str
    title: str
    updated_at: str
    product_ids: list[int] = field(default_factory=list)


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
    tags: list[str] = field(default_factory=list)
    is_deleted: bool = False
    has_half_emoji: bool = False  # half a surrogate pair stands in the first name
    consent: str = "not_subscribed"  # to e-mail marketing, in Shopify's words
    consented_at: str = ""  # when that was said; empty: never

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()


class Item(Struct, frozen=True):
    """A line somebody wants to buy."""

    title: str
    price_cents: int
    quantity: int
    is_gift_card: bool = False
    product_id: int | None = None
    variant_id: int | None = None
    discount_cents: int = 0  # off the line by hand; may be more than the line
    tip: str = ""  # how a tip says that it is one, see `sold.Line`
    is_subscription: bool = False


class Basket(Struct, frozen=True):
    """What somebody wants to buy, and who: a customer, or a guest with an e-mail address."""

    items: list[Item]
    customer: Customer | None = None
    email: str | None = None

    @property
    def buyer(self) -> str:
        """How a discount remembers who used it."""
        return str(self.customer.id) if self.customer else (self.email or "").lower()


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
    amount_cents: int | None = None  # off what it is for; else percent
    percent: float = 0.0
    is_shipping: bool = False  # shipping is free
    product_ids: list[int] = field(default_factory=list)  # it is for these alone
    collection_ids: list[int] = field(default_factory=list)  # or for what is in these
    bought_ids: list[int] = field(default_factory=list)  # one is free with something of these
    bought_cents: int | None = None  # as much of them at least; None: one piece
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


class GiftCard(Struct):
    id: int
    shop: str
    code: str
    note: str
    created_at: str
    initial_cents: int
    balance_cents: int
    expires_on: str | None = None
    is_enabled: bool = True
    deactivated_at: str | None = None


class Credit(Struct):
    """A movement of a customer's store credit: below 0 a debit."""

    id: int
    shop: str
    customer_id: int
    created_at: str
    amount_cents: int
    balance_cents: int  # after it
    event: str = "ADJUSTMENT"
    expires_at: str | None = None
    remaining_cents: int = 0  # of a credit, what is not spent


class Session(Struct):
    """A browser in a storefront: who is signed in, and the cart."""

    id: str
    shop: str
    customer_id: int | None = None
    cart: dict[str, int] = field(default_factory=dict)  # product id → quantity
    codes: list[str] = field(default_factory=list)
    cards: list[str] = field(default_factory=list)  # codes of gift cards
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
