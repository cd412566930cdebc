"""Every input that apps of this kind got wrong, and what is right: docs/earning.md names them."""

from dataclasses import dataclass, field

from tests.road import acts


@dataclass(frozen=True)
class Input:
    """`make` does it in a shop and answers whose points `points` are then."""

    name: str  # its letter in the table, and which of its kinds
    what: str
    make: acts.Make
    points: int
    says: str  # in the merchant's ledger, when all came in order
    rules: dict[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()  # topics whose webhook nothing else tells again
    never: tuple[str, ...] = ()  # topics that never arrive
    pending: int = 0
    is_opened: bool = True
    look: acts.Look | None = None  # what else is to be seen, when nothing was missing


INPUTS = (
    Input(
        "a",
        "topics with a long second part",
        acts.partly_sent,
        20,
        "20 points for order",
        look=acts.recorded,
    ),
    Input(
        "b1",
        "a tax that the price includes",
        acts.bought(acts.line("120.00"), tax_percent=20, taxes_included=True),
        100,
        "100.00 of merchandise",
    ),
    Input(
        "b2",
        "the tax of all lines on the first",
        acts.taxed_on_the_first_line,
        50,
        "1 piece of Tea",
    ),
    *(
        Input(
            f"c{number}",
            f"a tip told by {told}",
            acts.bought(acts.line("50.00"), acts.line("9.00", title="Tip", tip=told)),
            50,
            "Gift cards and tips earn nothing",
        )
        for number, told in enumerate(("gateway", "null", "tip"), 1)
    ),
    Input("d", "a line added, paid", acts.line_added, 85, "1 piece of Cup was added and paid"),
    Input(
        "e", "1 piece becomes 3, paid, 2 back", acts.pieces_added_and_back, 50, "2 pieces of Mug"
    ),
    Input(
        "f1", "an exchange, the difference paid", acts.exchanged, 250, "1 piece of Teapot was added"
    ),
    Input(
        "f2",
        "an even swap by an edit",
        acts.swapped_evenly,
        100,
        "1 piece of Mug, blue was added and paid",
        needs=("orders/updated",),
    ),
    Input(
        "g1",
        "a customer attached later",
        acts.attached(),
        40,
        "Its customer was added",
        needs=("orders/updated",),
    ),
    Input(
        "g2",
        "the same, and orders/paid again",
        acts.attached(paid_again=True),
        40,
        "Its customer was added",
    ),
    Input(
        "h",
        "a refund of what has expired",
        acts.expired,
        80,
        "were not spent by",
        rules={"expiry_days": "30", "clawback": "debt"},
        look=acts.owes_nothing,
    ),
    Input("i", "goods back first, money later", acts.goods_first_money_later, 50, "1 piece of Mug"),
    Input(
        "j",
        "a discount a cent above its line",
        acts.bought(acts.line("9.99", discount="10.00"), acts.line("120.00", discount="12.00")),
        108,
        "108.00 of merchandise",
    ),
    Input(
        "k1",
        "an amount back without a kind",
        acts.amount_back("100.00", "30.00", adjustments=[{"amount": "-30.00"}]),
        70,
        "A refund of order",
    ),
    Input(
        "k2",
        "an amount back, still pending",
        acts.amount_back("100.00", "30.00", pending=True),
        70,
        "A refund of order",
    ),
    Input(
        "l1", "pieces taken out, then paid", acts.taken_out_before_payment, 100, "1 piece of Mug"
    ),
    Input(
        "l2",
        "paid, pieces taken out, told as paid",
        acts.taken_out_after_payment,
        100,
        "1 piece was taken out",
    ),
    Input(
        "m",
        "placed 45 days ago, paid today",
        acts.paid_late,
        0,
        "On hold-back until",
        rules={"pending_days": "14", "expiry_days": "30"},
        pending=80,
        look=acts.in_two_weeks,
    ),
    Input(
        "n",
        "an amount back, with its tax",
        acts.amount_back("100.00", "60.00", 20),
        50,
        "A refund of",
    ),
    Input("o", "a rule of the order's time", acts.of_an_older_rule, 100, "5 points a unit"),
    Input(
        "p", "refunded while held for a reward", acts.refunded_while_held, 0, "refunded meanwhile"
    ),
    Input(
        "q",
        "before the app is first opened",
        acts.before_the_opening,
        40,
        "40 points for order",
        is_opened=False,
    ),
    Input(
        "r1",
        "customers/merge",
        acts.merged,
        90,
        "merged with this one",
        needs=("customers/merge",),
    ),
    Input("r2", "orders/delete", acts.deleted, 20, "was deleted", needs=("orders/delete",)),
    Input(
        "r3",
        "orders/edited alone",
        acts.taken_out,
        100,
        "1 piece was taken out",
        needs=("orders/edited",),
        never=("orders/updated", "refunds/create"),
    ),
    Input(
        "r4",
        "shop/update: currency, zone",
        acts.moved_to_japan,
        500,
        "¥500 of merchandise",
        needs=("shop/update",),
        look=acts.in_yen,
    ),
    Input(
        "s1",
        "the customer is {}",
        acts.attached("empty"),
        40,
        "Its customer was added",
        needs=("orders/updated",),
    ),
    Input(
        "s2",
        "the customer's id is null",
        acts.attached("id_null"),
        40,
        "Its customer was added",
        needs=("orders/updated",),
    ),
    Input(
        "s3",
        "half a surrogate pair in a name",
        acts.half_a_character,
        10,
        "10 points for order",
        look=acts.name_mended,
    ),
)
