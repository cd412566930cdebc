"""What the control API is asked about orders: the shapes of its JSON bodies.

Amounts are decimal texts in the shop's currency; `days_ago` sets the clock back for one act.
"""

from collections.abc import Sequence

import msgspec

from devstore.shop import money, things
from devstore.shop.state import State

Amount = str | float | int


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """A field nobody knows is refused: a misspelt one would be a test of something else."""


class NewLine(Asked):
    price: Amount | None = None
    quantity: int = 1
    title: str = "Mug"
    product_id: int | str | None = None
    gift_card: bool = False
    discount: Amount | None = None  # off the line by hand; may be above its price
    subscription: bool = False  # bought by a selling plan
    tip: str = ""  # gateway, null or tip: how the line says that it is a tip


class Pieces(Asked):
    line_id: int | str
    quantity: int


class LineAmount(Asked):
    line_id: int | str
    amount: Amount


class NewOrder(Asked):
    """What is None is as the shop has it."""

    lines: list[NewLine]
    customer_id: int | str | None = None
    discount_codes: list[str] = []
    test: bool = False
    paid: bool = True
    email: str | None = None
    size_bytes: int = 0  # its webhooks are padded to that size
    days_ago: float = 0.0
    source: str = "web"  # one of sold.SOURCES
    tags: list[str] = []
    company_id: int | None = None  # for whom it is bought
    guest_as: str = "null"  # null, empty or id_null: what stands for nobody
    shipping: Amount | None = None
    taxes_included: bool | None = None
    tax_percent: float | None = None
    tax_on_first_line: bool | None = None
    presentment_currency: str | None = None
    exchange_rate: float | None = None


class Paying(Asked):
    amount: Amount | None = None  # all that is outstanding
    days_ago: float = 0.0


class Editing(Asked):
    add: list[NewLine] = []
    quantities: list[Pieces] = []  # the pieces the line shall have; 0 removes it
    discounts: list[LineAmount] = []
    note: str = ""
    days_ago: float = 0.0


class Exchanging(Asked):
    back: list[Pieces]
    lines: list[NewLine]
    days_ago: float = 0.0


class NewAdjustment(Asked):
    amount: Amount  # negative is to the customer
    reason: str = "Refund discrepancy"
    kind: str | None = None  # None: the key is not there


class NewRefund(Asked):
    """Pieces, "all" of them, or an amount without any.

    `money` is what is given for the pieces: None their worth, 0 nothing yet. `adjustments` are told
    instead of those that belong to it.
    """

    lines: list[Pieces] | str | None = None
    amount: Amount | None = None
    money: Amount | None = None
    pending: bool = False
    adjustments: list[NewAdjustment] | None = None
    note: str | None = None
    days_ago: float = 0.0


class Settling(Asked):
    success: bool = True
    days_ago: float = 0.0


class Cancelling(Asked):
    refund: bool = True
    days_ago: float = 0.0


class Attaching(Asked):
    customer_id: int | str
    paid_again: bool = False
    days_ago: float = 0.0


class Fulfilling(Asked):
    lines: list[Pieces] | None = None  # all that is left
    days_ago: float = 0.0


class Telling(Asked):
    topics: list[str]


def pairs(pieces: Sequence[Pieces]) -> list[tuple[int, int]]:
    return [(int(one.line_id), one.quantity) for one in pieces]


def item(state: State, shop: things.Shop, line: NewLine) -> things.Item:
    """Raises AmountError for what is no amount of the shop's currency."""
    product: things.Product | None = state.find("product", shop.domain, line.product_id)
    discount_cents = money.cents(line.discount or 0, shop.currency)
    if product is None:
        return things.Item(
            line.title,
            money.cents(line.price, shop.currency),
            line.quantity,
            line.gift_card,
            discount_cents=discount_cents,
            tip=line.tip,
            is_subscription=line.subscription,
        )
    made = msgspec.structs.replace(
        product.item(line.quantity),
        discount_cents=discount_cents,
        is_subscription=line.subscription,
    )
    if line.price is None:
        return made
    return msgspec.structs.replace(made, price_cents=money.cents(line.price, shop.currency))
