"""What is given back of an order: goods, money, or both, at once or one long before the other."""

from collections.abc import Sequence

from devstore.errors import RefusedError
from devstore.shop import credits as credits_
from devstore.shop import money, orders, sold, things, totals
from devstore.shop.state import State

DISCREPANCY = "Refund discrepancy"
PENDING = "Pending refund discrepancy"


def refund_lines(
    state: State,
    order: sold.Order,
    wanted: Sequence[tuple[int, int]],
    *,
    money_cents: int | None = None,
    is_pending: bool = False,
    note: str | None = None,
    at: str = "",
) -> sold.Refund:
    """Take back `(line id, quantity)` pairs; all refunds of a line together are the line exactly.

    `money_cents` is what is given for them, their worth when None; 0 leaves the money for later.
    Raises RefusedError for an unknown line, or more than is left.
    """
    made = _new(state, take_back(state, order, wanted), note, at)
    return _give(state, order, made, money_cents, is_pending=is_pending)


def refund_whole(
    state: State, order: sold.Order, *, note: str | None = None, at: str = ""
) -> sold.Refund:
    """Everything that is left, with the shipping.

    Raises RefusedError when nothing is left.
    """
    left = [(line.id, totals.pieces_left(order, line)) for line in order.lines]
    left = [pair for pair in left if pair[1]]
    shipping_cents = order.shipping_cents - sum(one.shipping_cents for one in order.refunds)
    if not left and not shipping_cents:
        raise RefusedError("Everything has been refunded already.")
    made = _new(state, take_back(state, order, left) if left else [], note, at)
    made.shipping_cents = shipping_cents
    return _give(state, order, made, None, is_pending=False)


def refund_amount(
    state: State,
    order: sold.Order,
    amount_cents: int,
    *,
    is_pending: bool = False,
    note: str | None = None,
    at: str = "",
) -> sold.Refund:
    """Give back an amount without naming lines (an order adjustment).

    Raises RefusedError when it is more than what is left.
    """
    if amount_cents <= 0:
        raise _too_much(order)
    return _give(state, order, _new(state, [], note, at), amount_cents, is_pending=is_pending)


def adjust(
    state: State, order: sold.Order, refund: sold.Refund, adjustments: list[sold.Adjustment]
) -> None:
    """Put other adjustments in the place of those of a refund, whatever they make of the order."""
    refund.adjustments = adjustments
    state.put("order", order.id, order)


def settle(
    state: State, order: sold.Order, refund: sold.Refund, *, is_success: bool = True, at: str = ""
) -> None:
    """The pending money of a refund arrives, or does not; raises RefusedError when none is."""
    if refund.money_status != "pending":
        raise RefusedError("No money of this refund is pending.")
    refund.money_status = "success" if is_success else "failure"
    if is_success:
        refund.adjustments.append(sold.Adjustment(state.new_id(), -refund.money_cents, PENDING))
    orders.changed(state, order, at)


def take_back(
    state: State, order: sold.Order, wanted: Sequence[tuple[int, int]]
) -> list[sold.RefundItem]:
    """Pieces of lines as a refund has them; raises RefusedError as `refund_lines` does."""
    by_id = {line.id: line for line in order.lines}
    asked: dict[int, int] = {}
    for line_id, quantity in wanted:
        if line_id not in by_id:
            raise RefusedError("That line is not part of this order.")
        asked[line_id] = asked.get(line_id, 0) + quantity
    if not asked:
        raise RefusedError("Nothing to refund.")
    return [_item(state, order, by_id[line_id], quantity) for line_id, quantity in asked.items()]


def _item(state: State, order: sold.Order, line: sold.Line, quantity: int) -> sold.RefundItem:
    """The pieces' part of what is left of the line, so that the last piece takes all of it."""
    left = totals.pieces_left(order, line)
    if not 1 <= quantity <= left:
        raise RefusedError(f"Of “{line.title}” only {left} can still be refunded.")
    back = [item for one in order.refunds for item in one.items if item.line_id == line.id]
    subtotal = line.net_cents - sum(item.subtotal_cents for item in back)
    tax = line.tax_cents - sum(item.tax_cents for item in back)
    return sold.RefundItem(
        state.new_id(),
        line.id,
        quantity,
        money.part(subtotal, quantity, left),
        money.part(tax, quantity, left),
    )


def _new(state: State, items: list[sold.RefundItem], note: str | None, at: str) -> sold.Refund:
    return sold.Refund(
        id=state.new_id(),
        transaction_id=state.new_id(),
        created_at=at or things.now(),
        note=note,
        items=items,
    )


def _give(
    state: State,
    order: sold.Order,
    refund: sold.Refund,
    money_cents: int | None,
    *,
    is_pending: bool,
) -> sold.Refund:
    """Add the refund with its money, and what does not agree with the goods as an adjustment.

    Money that the shop owes since an edit or an exchange needs no goods. Pending money is taken out
    of the balance again until it has arrived: an adjustment against it, and one back then.
    """
    if not order.is_paid:
        raise RefusedError("An order that is not paid cannot be refunded.")
    left, worth = totals.refundable_cents(order), totals.worth_cents(order, refund)
    # what was given back as an amount earlier is not given back again with its lines
    given = min(worth, left) if money_cents is None else money_cents
    if not 0 <= given <= left:
        raise _too_much(order)
    owed = max(0, -totals.outstanding_cents(order))
    difference = worth - given + min(owed, max(0, given - worth))
    differences = [difference, *([given] if is_pending and given else [])]
    refund.money_cents = given
    refund.money_status = "pending" if is_pending and given else "success"
    refund.adjustments = [
        sold.Adjustment(state.new_id(), one, DISCREPANCY) for one in differences if one
    ]
    order.refunds.append(refund)
    if not is_pending:
        credits_.give_back(state, order, given)
    orders.changed(state, order, refund.created_at)
    return refund


def _too_much(order: sold.Order) -> RefusedError:
    smallest, left = (
        money.text(cents, order.currency) for cents in (1, totals.refundable_cents(order))
    )
    return RefusedError(f"Between {smallest} and {left} can be refunded.")
