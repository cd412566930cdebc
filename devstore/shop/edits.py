"""What changes an order after it was placed: pieces, lines and discounts, exchanges, sending."""

from collections.abc import Sequence

import msgspec

from devstore.errors import RefusedError
from devstore.shop import orders, refunds, sold, things, totals
from devstore.shop.state import State


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What an edit is to do; quantities are the pieces a line shall have then."""

    add: Sequence[things.Item] = ()
    quantities: Sequence[tuple[int, int]] = ()  # line id, pieces; 0 removes the line
    discounts: Sequence[tuple[int, int]] = ()  # line id, cents off by hand
    note: str = ""
    at: str = ""


def edit(state: State, order: sold.Order, wish: Wish) -> tuple[sold.Edit, sold.Refund | None]:
    """Lines and pieces are added, or taken off by a refund without money.

    Raises RefusedError when nothing would change, or for what the order does not have.
    """
    if order.cancelled_at:
        raise RefusedError("A cancelled order is not edited.")
    if wish.add:
        orders.check_items(wish.add)
    lines = {line.id: line for line in order.lines}
    if not {line_id for line_id, _ in (*wish.quantities, *wish.discounts)} <= lines.keys():
        raise RefusedError("That line is not part of this order.")
    more: list[tuple[int, int]] = []
    fewer: list[tuple[int, int]] = []
    for line_id, pieces in wish.quantities:
        if not 0 <= pieces <= orders.QUANTITY_LIMIT:
            raise RefusedError(f"A quantity is between 0 and {orders.QUANTITY_LIMIT}.")
        change = pieces - totals.pieces_left(order, lines[line_id])
        if change:
            (more if change > 0 else fewer).append((line_id, abs(change)))
    if not (wish.add or more or fewer or wish.discounts):
        raise RefusedError("This edit changes nothing.")
    taken_off = _take_off(state, order, fewer, wish.at) if fewer else None
    for line_id, pieces in more:
        lines[line_id].quantity += pieces
        _tax(order, lines[line_id])
    for line_id, amount_cents in wish.discounts:
        line = lines[line_id]
        order.codes.append(orders.take_off(line, amount_cents, len(order.codes)))
        _tax(order, line)
    made = sold.Edit(
        id=state.new_id(),
        committed_at=wish.at or things.now(),
        added=[*more, *_add(state, order, wish.add)],
        removed=fewer,
        discounted=[line_id for line_id, _ in wish.discounts],
        note=wish.note,
    )
    order.edits.append(made)
    orders.changed(state, order, wish.at)
    return made, taken_off


def exchange(
    state: State,
    order: sold.Order,
    back: Sequence[tuple[int, int]],
    items: Sequence[things.Item],
    *,
    at: str = "",
) -> tuple[sold.Return, sold.Refund]:
    """Pieces come back and others go out for them; the difference is paid or given back later.

    Raises RefusedError without either, or for pieces the order does not have.
    """
    orders.check_items(items)
    if not order.is_paid or order.cancelled_at:
        raise RefusedError("Only what was paid is exchanged.")
    refund = _take_off(state, order, back, at, restock_type="return")
    made = sold.Return(
        id=state.new_id(),
        name=f"#{order.number}-R{len(order.returns) + 1}",
        created_at=at or things.now(),
        back=list(back),
        exchanged=[(state.new_id(), line_id) for line_id, _ in _add(state, order, items)],
        status="closed",
    )
    refund.return_id = made.id
    order.returns.append(made)
    orders.changed(state, order, at)
    return made, refund


def fulfill(
    state: State, order: sold.Order, wanted: Sequence[tuple[int, int]] | None, *, at: str = ""
) -> sold.Fulfillment:
    """Send pieces of lines, or all that is left when `wanted` is None.

    Raises RefusedError when there is nothing to send, or for more than that.
    """
    unsent = {
        line.id: totals.pieces_left(order, line) - totals.pieces_sent(order, line)
        for line in order.lines
        if orders.is_taxed(line)
    }
    pieces = [pair for pair in (unsent.items() if wanted is None else wanted) if pair[1]]
    if not pieces or any(not 0 < number <= unsent.get(line_id, 0) for line_id, number in pieces):
        raise RefusedError("There are not so many pieces to be sent.")
    made = sold.Fulfillment(state.new_id(), at or things.now(), list(pieces))
    order.fulfillments.append(made)
    orders.changed(state, order, at)
    return made


def _add(state: State, order: sold.Order, items: Sequence[things.Item]) -> list[tuple[int, int]]:
    added = [orders.new_line(state.new_id(), item) for item in items]
    for line, item in zip(added, items, strict=True):
        if item.discount_cents:
            use = orders.take_off(line, item.discount_cents, len(order.codes))
            order.codes.append(use)
        _tax(order, line)
    order.lines += added
    return [(line.id, line.quantity) for line in added]


def _take_off(
    state: State,
    order: sold.Order,
    pieces: Sequence[tuple[int, int]],
    at: str,
    *,
    restock_type: str = "cancel",
) -> sold.Refund:
    """A refund of the pieces without money: what the shop owes is in what is outstanding."""
    made = sold.Refund(
        id=state.new_id(),
        transaction_id=state.new_id(),
        created_at=at or things.now(),
        note=None,
        items=refunds.take_back(state, order, pieces),
        restock_type=restock_type,
    )
    order.refunds.append(made)
    return made


def _tax(order: sold.Order, line: sold.Line) -> None:
    """The tax of the line as it now stands, though never less than what was given back of it."""
    if not orders.is_taxed(line):
        return
    back = sum(
        item.tax_cents for one in order.refunds for item in one.items if item.line_id == line.id
    )
    line.tax_cents = max(back, totals.tax_of(order, line.net_cents))
