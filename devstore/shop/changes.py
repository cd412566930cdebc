"""What the merchant changes about an order: each is told the app as one event.

Every webhook body is the order as it is after the change. What Shopify sends under more than one
topic at once is one event: an edit is `orders/edited`, the pieces it takes off are
`refunds/create`, and all of it is `orders/updated`.
"""

from collections.abc import Sequence

from devstore.errors import RefusedError
from devstore.shop import edits, orders, refunds, sold, things, totals
from devstore.shop.acts import World

TOPICS = (
    "orders/create",
    "orders/updated",
    "orders/paid",
    "orders/cancelled",
    "orders/fulfilled",
    "orders/partially_fulfilled",
)


def pay(world: World, order: sold.Order, amount_cents: int | None = None, *, at: str = "") -> None:
    """`orders/paid` follows only once nothing is outstanding, again after each edit.

    Raises RefusedError when nothing is outstanding, or less than the amount.
    """
    orders.pay(world.state, order, amount_cents, at=at)
    is_all = totals.outstanding_cents(order) <= 0
    world.tell_order(order, *(["orders/paid"] if is_all else []), "orders/updated")


def edit(world: World, order: sold.Order, wish: edits.Wish) -> sold.Edit:
    """Raises RefusedError when nothing would change, or for what the order does not have."""
    made, taken_off = edits.edit(world.state, order, wish)
    world.tell_order(
        order, "orders/updated", edits=[made], refunds=[taken_off] if taken_off else []
    )
    return made


def exchange(
    world: World,
    order: sold.Order,
    back: Sequence[tuple[int, int]],
    items: Sequence[things.Item],
    *,
    at: str = "",
) -> sold.Return:
    """Raises RefusedError for pieces the order does not have, or when it was not paid."""
    made, taken_off = edits.exchange(world.state, order, back, items, at=at)
    told = [("returns/approve", made), ("returns/close", made)]
    world.tell_order(order, "orders/updated", refunds=[taken_off], returns=told)
    return made


def refund(
    world: World,
    order: sold.Order,
    lines: Sequence[tuple[int, int]] | None,
    *,
    money_cents: int | None = None,
    is_pending: bool = False,
    note: str | None = None,
    at: str = "",
) -> sold.Refund:
    """Lines as `(line id, quantity)`, or all that is left when `lines` is None: with the shipping,
    unless the money is another amount or pending.

    Raises RefusedError for more than what is left.
    """
    if lines is None and (money_cents is not None or is_pending):
        left = [(line.id, totals.pieces_left(order, line)) for line in order.lines]
        lines = [pair for pair in left if pair[1]]
    if lines is None:
        made = refunds.refund_whole(world.state, order, note=note, at=at)
    else:
        made = refunds.refund_lines(
            world.state,
            order,
            lines,
            money_cents=money_cents,
            is_pending=is_pending,
            note=note,
            at=at,
        )
    world.tell_order(order, "orders/updated", refunds=[made])
    return made


def refund_amount(
    world: World,
    order: sold.Order,
    amount_cents: int,
    *,
    is_pending: bool = False,
    adjustments: Sequence[sold.Adjustment] | None = None,
    note: str | None = None,
    at: str = "",
) -> sold.Refund:
    """Money without goods; `adjustments` are told instead of those that belong to it.

    Raises RefusedError for more than what is left.
    """
    made = refunds.refund_amount(
        world.state, order, amount_cents, is_pending=is_pending, note=note, at=at
    )
    if adjustments is not None:
        refunds.adjust(world.state, order, made, list(adjustments))
    world.tell_order(order, "orders/updated", refunds=[made])
    return made


def settle(
    world: World, order: sold.Order, *, is_success: bool = True, at: str = ""
) -> sold.Refund:
    """The oldest pending money arrives, or does not; raises RefusedError when none is pending."""
    pending = [one for one in order.refunds if one.money_status == "pending"]
    if not pending:
        raise RefusedError("No money of this order is pending.")
    refunds.settle(world.state, order, pending[0], is_success=is_success, at=at)
    world.tell_order(order, "orders/updated")
    return pending[0]


def attach(
    world: World,
    order: sold.Order,
    customer: things.Customer,
    *,
    is_paid_again: bool = False,
    at: str = "",
) -> None:
    """Raises RefusedError when somebody bought it already."""
    orders.attach(world.state, order, customer, at=at)
    again = ["orders/paid"] if is_paid_again else []
    world.tell_order(order, "orders/updated", *again)


def fulfill(
    world: World, order: sold.Order, wanted: Sequence[tuple[int, int]] | None, *, at: str = ""
) -> None:
    """Raises RefusedError when there is not so much to send."""
    edits.fulfill(world.state, order, wanted, at=at)
    is_all = totals.fulfillment_status(order) == "fulfilled"
    topic = "orders/fulfilled" if is_all else "orders/partially_fulfilled"
    world.tell_order(order, topic, "orders/updated")


def tell_again(world: World, order: sold.Order, topics: Sequence[str]) -> None:
    """The order as it is now, under any of its topics; raises RefusedError for another one."""
    if not topics or not set(topics) <= set(TOPICS):
        raise RefusedError(f"An order is told as {', '.join(TOPICS)}.")
    world.tell_order(order, *topics)
